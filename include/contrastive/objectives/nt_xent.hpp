// SPDX-License-Identifier: MIT
#pragma once

#include <limits>

#include "contrastive/objectives/info_nce.hpp"

namespace contrastive {

/// The normalised temperature-scaled cross entropy of SimCLR (Chen et al. 2020, arXiv:2002.05709, eq. 1):
///
///     L = 1/2N sum_i - log( exp(z_i . z_p(i) / t) / sum_{j != i} exp(z_i . z_j / t) )
///
/// over the 2N rows [z0; z1], where p(i) is the other view of row i. z0, z1: (N, D), normalised to unit rows here.
/// `temperature` > 0: 0.1 for ImageNet at batch 4096, 0.5 for CIFAR-10. This is the paper's mean over 2N rows, as in
/// lightly; google-research/simclr adds the means of the two views, which is twice this.
///
///     Tensor loss = nt_xent(z0, z1, 0.5);
///     loss.backward();
inline Tensor nt_xent(const Tensor& z0, const Tensor& z1, double temperature) {
  detail::check_pairs("nt_xent", z0, z1);
  detail::check_temperature("nt_xent", temperature);
  const std::int64_t N = z0.size(0);
  const Tensor z = normalize(concat({z0, z1}));                                    // (2N, D)
  const Tensor logits = mask_diagonal(matmul(z, z, false, true, 1 / temperature),  // (2N, 2N)
                                      -std::numeric_limits<double>::infinity());
  const Tensor targets = concat({detail::range_like(z, N, N), detail::range_like(z, 0, N)});
  return mean(cross_entropy_rows(logits, targets));
}

}  // namespace contrastive
