// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <limits>

#include "contrastive/core/bounds.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/matmul.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/ops/softmax.hpp"

/// Wang and Isola 2020 (arXiv 2005.10242), as in their align_uniform package. Rows are taken as they come: normalise
/// them first. Both are differentiable and can be trained on.
namespace contrastive {

/// mean_i |x_i - y_i|^alpha over pairs of rows (N, D), alpha 1 to 100: a scalar. Equal rows have no gradient.
inline Tensor alignment(const Tensor& x, const Tensor& y, double alpha = 2) {
  require(x.rank() == 2 && x.shape() == y.shape(), "[alignment] expected two of (N, D), got ", x.shape(), " and ",
          y.shape());
  require_within("alignment", "alpha", alpha, 1, 100);
  const Tensor squares = sum(square(x - y), 1);  // (N)
  return mean(alpha == 2 ? squares : pow(clamp_min(squares, 1e-30), alpha / 2));
}

/// log of the mean of exp(-t |x_i - x_j|^2) over the pairs i < j of rows (N, D), N >= 2, t 1e-4 to 1e4: a scalar.
inline Tensor uniformity(const Tensor& x, double t = 2) {
  require(x.rank() == 2 && x.size(0) >= 2, "[uniformity] expected (N, D) with N >= 2, got ", x.shape());
  check_temperature("uniformity", t, "t");
  const std::int64_t N = x.size(0);
  const Tensor squares = sum(square(x), 1);                                                                  // (N)
  const Tensor distances = squares.reshape({N, 1}) + squares - matmul(x, x, false, true, 2);                 // (N, N)
  const Tensor rows = log_sum_exp(mask_diagonal(distances * -t, -std::numeric_limits<double>::infinity()));  // (N)
  return log_sum_exp(rows.reshape({1, N})).reshape({}) - std::log(static_cast<double>(N) * static_cast<double>(N - 1));
}

}  // namespace contrastive
