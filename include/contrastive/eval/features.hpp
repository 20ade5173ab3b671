// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/tensor/tensor.hpp"

namespace contrastive::detail {

/// Features as the evaluations take them: (N, D) on the CPU in f32 or f64, outside the tape, without NaN, infinity or
/// numbers whose squares have no sum.
inline Tensor checked_features(const char* op, const Tensor& features) {
  require(features.rank() == 2 && features.size(1) > 0, "[", op, "] expected features (N, D), got ", features.shape());
  Tensor x = features.detach().to(Device::cpu);
  if (x.dtype() != DType::f64) x = x.to(DType::f32);
  std::atomic<bool> finite = true, small = true;
  const auto check = [&]<class T>(const T* values) {
    const T most = std::is_same_v<T, double> ? T(1e150) : T(1e15);
    parallel_for(x.count(), 1 << 15, [&](std::int64_t begin, std::int64_t end) {
      bool clean = true, low = true;
      for (std::int64_t i = begin; i < end; ++i) {
        clean &= values[i] - values[i] == 0;
        low &= values[i] <= most && values[i] >= -most;
      }
      if (!clean) finite = false;
      if (!low) small = false;
    });
  };
  x.dtype() == DType::f64 ? check(x.data<double>()) : check(x.data<float>());
  require(finite, "[", op, "] the features hold NaN or infinity");
  require(small, "[", op, "] the features must be within +-", x.dtype() == DType::f64 ? 1e150 : 1e15,
          ": bring their rows to unit length");
  return x;
}

/// The classes that rows belong to, whatever numbers their labels are.
struct Classes {
  std::vector<std::int64_t> labels;  // those that there are, ascending

  std::int64_t count() const { return static_cast<std::int64_t>(labels.size()); }
  /// Where each row's label is in `labels`; -1 for one that is not.
  std::vector<std::int64_t> places(std::span<const std::int64_t> of) const {
    std::vector<std::int64_t> found;
    found.reserve(of.size());
    for (const std::int64_t label : of) {
      const auto at = std::lower_bound(labels.begin(), labels.end(), label);
      found.push_back(at != labels.end() && *at == label ? at - labels.begin() : -1);
    }
    return found;
  }
};

/// Throws unless there is a label for each row, 0 or above.
inline void check_labels(const char* op, std::span<const std::int64_t> labels, std::int64_t rows) {
  require(static_cast<std::int64_t>(labels.size()) == rows, "[", op, "] ", labels.size(), " labels for ", rows,
          " rows of features");
  for (const std::int64_t label : labels) require(label >= 0, "[", op, "] labels are 0 or above, got ", label);
}

inline Classes checked_classes(const char* op, std::span<const std::int64_t> labels, std::int64_t rows) {
  check_labels(op, labels, rows);
  Classes classes{{labels.begin(), labels.end()}};
  std::sort(classes.labels.begin(), classes.labels.end());
  classes.labels.erase(std::unique(classes.labels.begin(), classes.labels.end()), classes.labels.end());
  return classes;
}

/// Number of classes of a classifier of `D` features, from labels 0 .. C-1, one a row.
inline std::int64_t checked_labels(const char* op, std::span<const std::int64_t> labels, std::int64_t rows,
                                   std::int64_t D) {
  check_labels(op, labels, rows);
  if (labels.empty()) return 0;
  const std::int64_t last = *std::max_element(labels.begin(), labels.end()), most = (std::int64_t{1} << 27) / (D + 1);
  require(last < most, "[", op, "] a label of ", last, " asks for more classes than the ", most,
          " that a classifier of ", D, " features may have: number them from 0");
  return last + 1;
}

}  // namespace contrastive::detail
