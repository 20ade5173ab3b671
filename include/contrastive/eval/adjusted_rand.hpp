// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "contrastive/core/error.hpp"
#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

/// The adjusted Rand index of two partitions (Hubert and Arabie 1985, "Comparing partitions"): 1 where they are the same up
/// to names, 0 on average where one is random, negative where they agree less than that. `found` and `truth`: i64 of one
/// shape, any numbers as names; what has a negative truth takes no part, and a negative `found` is a part of its own. 1
/// where nothing is left, and where both are one part or both are single elements.
inline double adjusted_rand_index(const Tensor& found, const Tensor& truth) {
  require(found.shape() == truth.shape() && found.dtype() == DType::i64 && truth.dtype() == DType::i64,
          "[adjusted_rand_index] expected i64 labels of one shape, got ", found.shape(), " ", to_string(found.dtype()),
          " and ", truth.shape(), " ", to_string(truth.dtype()));
  const Tensor ours = found.to(Device::cpu), theirs = truth.to(Device::cpu);
  std::map<std::pair<std::int64_t, std::int64_t>, double> both;
  std::map<std::int64_t, double> rows, columns;
  double n = 0;
  for (std::int64_t i = 0; i < ours.count(); ++i) {
    const std::int64_t t = theirs.data<std::int64_t>()[i], f = ours.data<std::int64_t>()[i];
    if (t < 0) continue;
    ++both[{f, t}], ++rows[f], ++columns[t], ++n;
  }
  const auto pairs = [](double count) { return count * (count - 1) / 2; };
  double together = 0, in_rows = 0, in_columns = 0;
  for (const auto& [key, count] : both) together += pairs(count);
  for (const auto& [key, count] : rows) in_rows += pairs(count);
  for (const auto& [key, count] : columns) in_columns += pairs(count);
  const double expected = n > 1 ? in_rows * in_columns / pairs(n) : 0, most = (in_rows + in_columns) / 2;
  return most == expected ? 1 : (together - expected) / (most - expected);
}

}  // namespace contrastive
