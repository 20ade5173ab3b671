// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <limits>

#include "contrastive/objectives/info_nce.hpp"
#include "contrastive/ops/elementwise.hpp"

namespace contrastive {

/// The batch-as-classes loss of InvaSpread (Ye et al. 2019, arXiv:1904.03436, eq. 4; mangye16/
/// Unsupervised_Embedding_Learning, BatchAverage.py), over the 2N rows [z0; z1] with p(i) the other view of row i:
///
///     P_ij = exp(z_i . sg(z_j) / t) / sum_{k != i} exp(z_i . sg(z_k) / t)
///     L = - 1/2N sum_i ( ln P_ip(i) + sum_{j != i, p(i)} ln(1 - P_ij) )
///
/// z0, z1: (N, D), brought to unit rows here; t = 0.1. The gradient flows through the first factor alone: through both it
/// would be another one, not a multiple. `negative_weight` m, the code's negM, multiplies the second sum, and the
/// negatives in the denominator.
inline Tensor invariant_spread(const Tensor& z0, const Tensor& z1, double temperature = 0.1,
                               double negative_weight = 1) {
  detail::check_pairs("invariant_spread", z0, z1);
  detail::check_temperature("invariant_spread", temperature);
  require(std::isfinite(negative_weight) && negative_weight > 0,
          "[invariant_spread] the negatives' weight must be above 0, got ", negative_weight);
  const std::int64_t N = z0.size(0);
  const Tensor z = normalize(concat({z0, z1}));  // (2N, D)
  const Tensor targets = concat({dense::range_like(z, N, N), dense::range_like(z, 0, N)});
  Tensor pair = Tensor::zeros({2 * N, 2 * N}, z.dtype());
  for (std::int64_t i = 0; i < 2 * N; ++i) {
    const std::int64_t at = i * 2 * N + (i + N) % (2 * N);
    z.dtype() == DType::f64 ? (pair.data<double>()[at] = 1) : (pair.data<float>()[at] = 1);
  }
  const Tensor others = 1 - pair;
  const Tensor logits =
      mask_diagonal(matmul(z, stop_gradient(z), false, true, 1 / temperature) + others * std::log(negative_weight),
                    -std::numeric_limits<double>::infinity());
  const Tensor P = softmax(logits);  // (2N, 2N), 0 on the diagonal; m P_ij beside the pair
  const Tensor negatives = log(1 - P * others * (1 / negative_weight));  // ln 1 = 0 for the pair and the row itself
  return mean(cross_entropy_rows(logits, targets)) - sum(negatives) * (negative_weight * 0.5 / static_cast<double>(N));
}

}  // namespace contrastive
