// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/objectives/info_nce.hpp"

namespace contrastive {

/// - 1/N sum_i cos(p_i, z_i), in [-1, 1] (Chen and He 2021, arXiv:2011.10566, eq. 1). p, z: (N, D), not normalised.
/// No gradient flows to z: that stop-gradient is what keeps SimSiam from collapsing.
inline Tensor negative_cosine(const Tensor& p, const Tensor& z) {
  detail::check_pairs("negative_cosine", p, z);
  return -mean(sum(normalize(p, 1e-8) * normalize(stop_gradient(z), 1e-8), 1));
}

/// SimSiam's loss: both directions, averaged (facebookresearch/simsiam, main_simsiam.py). First step about 0.
///
///     L = 1/2 D(p0, z1) + 1/2 D(p1, z0)
inline Tensor simsiam_loss(const Tensor& p0, const Tensor& z1, const Tensor& p1, const Tensor& z0) {
  return (negative_cosine(p0, z1) + negative_cosine(p1, z0)) * 0.5;
}

/// BYOL's regression, |p^ - z^|^2 = 2 - 2 cos(p, z), averaged over the batch (Grill et al. 2020, arXiv:2006.07733, eq.
/// 2; deepmind-research, byol/utils/helpers.py, whose floor of 1e-12 is on the squared norm: 1e-6 on the norm).
inline Tensor byol_regression(const Tensor& p, const Tensor& z) {
  detail::check_pairs("byol_regression", p, z);
  return mean(sum(square(normalize(p, 1e-6) - normalize(stop_gradient(z), 1e-6)), 1));
}

/// BYOL's loss: the two directions are summed, not averaged; averaging halves the rate. First step about 4.
inline Tensor byol_loss(const Tensor& p0, const Tensor& z1, const Tensor& p1, const Tensor& z0) {
  return byol_regression(p0, z1) + byol_regression(p1, z0);
}

}  // namespace contrastive
