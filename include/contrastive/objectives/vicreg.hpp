// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/objectives/info_nce.hpp"
#include "contrastive/ops/elementwise.hpp"

namespace contrastive {

struct VicRegConfig {
  double invariance = 25, variance = 25, covariance = 1;  // 0 to 1e4
  double epsilon = 1e-4;                                  // 1e-8 to 1
};

/// VICReg (Bardes et al. 2022, arXiv:2105.04906, eq. 6; facebookresearch/vicreg, main_vicreg.py):
///
///     L = 25 mean (z0 - z1)^2 + 25/2 sum over branches mean_d max(0, 1 - sqrt(Var_d + eps))
///         + 1/D sum over branches sum_{i != j} Cov_ij^2
///
/// z0, z1: (N, D), N > 1; Var and Cov are unbiased. The hinge on the standard deviations keeps it from collapsing.
inline Tensor vicreg(const Tensor& z0, const Tensor& z1, const VicRegConfig& config = {}) {
  detail::check_pairs("vicreg", z0, z1);
  const double N = static_cast<double>(z0.size(0)), D = static_cast<double>(z0.size(1));
  require(N > 1, "[vicreg] one row has no variance");
  require_within("vicreg", "the weight of the invariance", config.invariance, 0, 1e4);
  require_within("vicreg", "the weight of the variance", config.variance, 0, 1e4);
  require_within("vicreg", "the weight of the covariance", config.covariance, 0, 1e4);
  require_within("vicreg", "epsilon", config.epsilon, 1e-8, 1);
  const auto spread = [&](const Tensor& z) {
    const Tensor x = z - mean(z, 0, true);
    const Tensor deviation = sqrt(sum(square(x), 0) * (1 / (N - 1)) + config.epsilon);  // (D)
    const Tensor covariance = matmul(x, x, true, false, 1 / (N - 1));                   // (D, D)
    return mean(relu(1 - deviation)) * (config.variance / 2) +
           sum(square(mask_diagonal(covariance, 0))) * (config.covariance / D);
  };
  return mean(square(z0 - z1)) * config.invariance + spread(z0) + spread(z1);
}

}  // namespace contrastive
