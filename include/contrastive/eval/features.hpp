// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "contrastive/core/parallel.hpp"
#include "contrastive/tensor/tensor.hpp"

namespace contrastive::detail {

/// a . b in eight partial sums, which the compiler can keep in vectors.
inline double dot_in_lanes(const double* a, const double* b, std::int64_t n) {
  double s[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; ++j) s[j] += a[i + j] * b[i + j];
  for (; i < n; ++i) s[0] += a[i] * b[i];
  return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

/// Features as the evaluations take them: (N, D) on the CPU in f32 or f64, outside the tape, without NaN or infinity.
inline Tensor checked_features(const char* op, const Tensor& features) {
  require(features.rank() == 2 && features.size(1) > 0, "[", op, "] expected features (N, D), got ", features.shape());
  Tensor x = features.detach().to(Device::cpu);
  if (x.dtype() != DType::f64) x = x.to(DType::f32);
  std::atomic<bool> finite = true;
  const auto check = [&](const auto* values) {
    parallel_for(x.count(), 1 << 15, [&](std::int64_t begin, std::int64_t end) {
      bool clean = true;
      for (std::int64_t i = begin; i < end; ++i) clean &= values[i] - values[i] == 0;
      if (!clean) finite = false;
    });
  };
  x.dtype() == DType::f64 ? check(x.data<double>()) : check(x.data<float>());
  require(finite, "[", op, "] the features hold NaN or infinity");
  return x;
}

/// Number of classes, from labels 0 .. C-1, one a row.
inline std::int64_t checked_labels(const char* op, std::span<const std::int64_t> labels, std::int64_t rows) {
  require(static_cast<std::int64_t>(labels.size()) == rows, "[", op, "] ", labels.size(), " labels for ", rows,
          " rows of features");
  std::int64_t classes = 0;
  for (const std::int64_t label : labels) {
    require(label >= 0 && label < (std::int64_t{1} << 31), "[", op, "] labels are 0 or above, got ", label);
    classes = label + 1 > classes ? label + 1 : classes;
  }
  return classes;
}

}  // namespace contrastive::detail
