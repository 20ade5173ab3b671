// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/objectives/info_nce.hpp"
#include "contrastive/objectives/nt_xent.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/reduce.hpp"

namespace contrastive {

/// The row of `support` (K, D) nearest to each row of z (N, D) by cosine: (N, D), no gradient. `support`: unit rows.
inline Tensor nearest_neighbours(const Tensor& z, const Tensor& support) {
  require(z.rank() == 2 && support.rank() == 2 && z.size(1) == support.size(1),
          "[nearest_neighbours] expected (N, D) and (K, D), got ", z.shape(), " and ", support.shape());
  const NoGrad no_grad;
  return gather(support, argmax(matmul(z.detach(), support, false, true), 1));
}

/// NNCLR's loss (Dwibedi et al. 2021, arXiv:2104.14548, eq. 2 and algorithm 1): InfoNCE of the neighbours of one view's
/// projections against the other view's predictions, both directions averaged:
///
///     L = 1/2 info_nce(NN(z0), p1) + 1/2 info_nce(NN(z1), p0)
///
/// `all_pairs` takes lightly's form, NT-Xent over neighbours and predictions together, whose negatives include the other
/// rows' neighbours. First step ln N, or ln(2N - 1).
inline Tensor nnclr_loss(const Tensor& neighbours0, const Tensor& p1, const Tensor& neighbours1, const Tensor& p0,
                         double temperature = 0.1, bool all_pairs = false) {
  const auto one = [&](const Tensor& nn, const Tensor& p) {
    return all_pairs ? nt_xent(nn, p, temperature) : info_nce(nn, p, temperature);
  };
  return (one(neighbours0, p1) + one(neighbours1, p0)) * 0.5;
}

}  // namespace contrastive
