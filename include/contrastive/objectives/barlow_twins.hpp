// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/objectives/info_nce.hpp"
#include "contrastive/ops/elementwise.hpp"

namespace contrastive {

struct BarlowTwinsConfig {
  double lambda = 0.0051;  // 0 to 1e4
  double epsilon = 1e-5;   // of the standardisation, 1e-8 to 1
};

/// Barlow Twins (Zbontar et al. 2021, arXiv:2103.03230, eq. 1; facebookresearch/barlowtwins, main.py):
///
///     C = 1/N A^T B,   L = sum_i (1 - C_ii)^2 + lambda sum_{i != j} C_ij^2
///
/// for A, B the columns of z0 and z1 at mean 0 and variance 1 over the batch (biased, + epsilon). z0, z1: (N, D), N > 1.
/// The second sum has no 1 / D. What keeps it from collapsing: a constant column has no correlation to give.
inline Tensor barlow_twins(const Tensor& z0, const Tensor& z1, const BarlowTwinsConfig& config = {}) {
  detail::check_pairs("barlow_twins", z0, z1);
  const double N = static_cast<double>(z0.size(0));
  require(N > 1, "[barlow_twins] one row has no variance");
  require_within("barlow_twins", "lambda", config.lambda, 0, 1e4);
  require_within("barlow_twins", "epsilon", config.epsilon, 1e-8, 1);
  const auto standard = [&](const Tensor& z) {
    const Tensor centred = z - mean(z, 0, true);
    return centred / sqrt(mean(square(centred), 0, true) + config.epsilon);
  };
  const Tensor C = matmul(standard(z0), standard(z1), true, false, 1 / N);  // (D, D)
  const Tensor missing = mask_diagonal(C, 1) - C;                           // 1 - C_ii, zeros beside the diagonal
  return sum(square(missing)) + sum(square(mask_diagonal(C, 0))) * config.lambda;
}

}  // namespace contrastive
