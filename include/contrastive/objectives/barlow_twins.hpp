// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/objectives/info_nce.hpp"
#include "contrastive/ops/elementwise.hpp"

namespace contrastive {

struct BarlowTwinsConfig {
  double lambda = 0.0051;
  double epsilon = 1e-5;  // of the standardisation
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
  const auto standard = [&](const Tensor& z) {
    const Tensor centred = z - mean(z, 0, true);
    return centred / sqrt(mean(square(centred), 0, true) + config.epsilon);
  };
  const Tensor C = matmul(standard(z0), standard(z1), true, false, 1 / N);  // (D, D)
  const Tensor off = mask_diagonal(C, 0), on = C - off;                     // on: the diagonal, zeros beside it
  const double D = static_cast<double>(z0.size(1));
  return sum(square(on)) - sum(on) * 2 + D + sum(square(off)) * config.lambda;
}

}  // namespace contrastive
