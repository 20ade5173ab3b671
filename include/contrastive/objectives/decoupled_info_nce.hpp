// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/objectives/nt_xent.hpp"

namespace contrastive {

/// Decoupled contrastive learning (Yeh et al. 2021, arXiv:2110.06848, eq. 6; lightly, loss/dcl_loss.py): NT-Xent with
/// the positive left out of the denominator, so that easy pairs keep their gradient:
///
///     L = 1/2N sum_i ( - z_i . z_p(i) / t + log sum_{j != i, p(i)} exp(z_i . z_j / t) )
///
/// z0, z1: (N, D), N > 1, of any length: rows are normalised here. `temperature`: 1e-4 to 1e4, 0.1 in the paper. A
/// `von_mises_sigma` of 1e-4 to 1e4 weighs the positives by 2 - N softmax_i(cos_i / sigma), DCLW; 0.5 in the paper, 0:
/// none.
///
///     Tensor loss = decoupled_info_nce(z0, z1, 0.1);
inline Tensor decoupled_info_nce(const Tensor& z0, const Tensor& z1, double temperature, double von_mises_sigma = 0) {
  detail::check_pairs("decoupled_info_nce", z0, z1);
  require(similarity::takes(z0), "[decoupled_info_nce] runs on the CPU, got tensors on ", to_string(z0.device()));
  require(z0.size(0) > 1, "[decoupled_info_nce] one pair has no negatives");
  return similarity::on_tape(detail::NtXentCall(temperature, true, {.von_mises_sigma = von_mises_sigma}), z0, z1);
}

/// The same for matrices and expressions of Eigen and xtensor, or a `MatrixSpan`: loss and both gradients at once.
template <class A, class B>
requires(!similarity::Tensors<A, B>) PairLoss<A, B> decoupled_info_nce(const A& z0, const B& z1, double temperature,
                                                                       const similarity::SoftmaxOptions& options = {}) {
  return similarity::on_matrices(detail::NtXentCall(temperature, true, options), z0, z1);
}

}  // namespace contrastive
