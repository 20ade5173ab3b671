// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "contrastive/core/labels.hpp"
#include "contrastive/objectives/similarity/engine.hpp"

namespace contrastive::similarity {

/// What a call needs beside its inputs; keep one and pass it again, and nothing is allocated.
struct Workspace {
  Engine<float> f32;
  Engine<double> f64;
  Engine<bf16> half;
  std::unique_ptr<Workspace> second;  // of losses that look at the similarities at two scales
  Buffer<double> a, A, B, pair, losses, means, positives;
  Buffer<std::int32_t> class_codes;
  Buffer<std::int64_t> classes, members;
  Buffer<float> line_f32;
  Buffer<double> line_f64;

  template <class S>
  Engine<S>& engine() {
    if constexpr (std::is_same_v<S, double>)
      return f64;
    else if constexpr (std::is_same_v<S, bf16>)
      return half;
    else
      return f32;
  }
  template <class S>
  Engine<S>& second_engine() {
    if (!second) second = std::make_unique<Workspace>();
    return second->engine<S>();
  }
  /// A number from 0 for each label, the same for the same, and how many there are.
  std::pair<const std::int32_t*, std::int64_t> codes(const Labels& labels) {
    const auto N = static_cast<std::int64_t>(labels.size());
    std::int64_t* const known = classes.resize(N);
    for (std::int64_t i = 0; i < N; ++i) known[i] = labels[static_cast<std::size_t>(i)];
    std::sort(known, known + N);
    const std::int64_t count = std::unique(known, known + N) - known;
    std::int32_t* const code = class_codes.resize(N);
    for (std::int64_t i = 0; i < N; ++i)
      code[i] = static_cast<std::int32_t>(std::lower_bound(known, known + count, labels[static_cast<std::size_t>(i)]) -
                                          known);
    return {code, count};
  }
  template <class C>
  C* line(std::int64_t count) {
    if constexpr (std::is_same_v<C, double>)
      return line_f64.resize(count);
    else
      return line_f32.resize(count);
  }
  std::int64_t bytes() const { return f32.bytes() + f64.bytes() + half.bytes() + (second ? second->bytes() : 0); }
};

/// Loss and gradients with respect to the two scalars; those of matrices go to the caller's memory.
struct Value {
  double loss = 0, dlog_scale = 0, dbias = 0;
};

/// log(1 + e^(ln 2 x)).
inline double softplus2(double x) {
  const double z = x * std::log(2.0);
  return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z)));
}

/// log2(2^a + 2^b).
inline double log2_add(double a, double b) {
  const double high = std::max(a, b), low = std::min(a, b);
  return std::isinf(high) ? high : high + std::log2(1 + std::exp2(low - high));
}

}  // namespace contrastive::similarity
