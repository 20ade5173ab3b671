// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "contrastive/objectives/soft_targets.hpp"

namespace contrastive {

namespace detail {
/// As `similarity_logsumexp`, with the logits in memory on devices that the engine does not know.
inline Tensor logsumexp_of_pairs(const Tensor& a, const Tensor& b, const Tensor& log_scale) {
  if (similarity::takes(a)) return similarity_logsumexp(a, b, log_scale);
  return log_sum_exp(matmul(a, b, false, true) * exp(log_scale));
}
}  // namespace detail

/// GroupViT's multi-label contrast (Xu et al. 2022, arXiv:2202.11094, eq. 8; NVlabs/GroupViT,
/// models/multi_label_contrastive.py): each image against the prompts of its own caption among those of the batch, and each
/// prompt against its image,
///
///     L = 1/2 mean_i ( log sum_jq e^s_i,jq - mean_p s_i,ip ) + 1/2 mean_ip ( log sum_j e^s_j,ip - s_i,ip )
///
/// with s = e^log_scale times the cosine. images (N, D), prompts (N, P, D), of unit rows as the model leaves them; other rows
/// throw (`length`). Prompts of other images are negatives, equal ones too. The (N, N P) logits take no memory on the CPU.
inline Tensor multi_label_loss(const Tensor& images, const Tensor& prompts, const Tensor& log_scale,
                               RowLength length = RowLength::unit) {
  require(images.rank() == 2 && prompts.rank() == 3 && prompts.size(0) == images.size(0) && prompts.size(1) > 0 &&
              prompts.size(2) == images.size(1),
          "[multi_label_loss] expected images (N, D) and prompts (N, P, D), got ", images.shape(), " and ",
          prompts.shape());
  require(log_scale.count() == 1, "[multi_label_loss] the log scale is one number, got ", log_scale.shape());
  const std::int64_t N = images.size(0), P = prompts.size(1), D = images.size(1);
  const Tensor x = with_length("multi_label_loss", "the images", images, length),
               y = with_length("multi_label_loss", "the prompts", prompts.reshape({N * P, D}), length);
  const Tensor own = sum(x.reshape({N, 1, D}) * y.reshape({N, P, D}), 2) * exp(log_scale);  // (N, P)
  const Tensor of_images = mean(detail::logsumexp_of_pairs(x, y, log_scale)),
               of_prompts = mean(detail::logsumexp_of_pairs(y, x, log_scale));
  return (of_images + of_prompts) * 0.5 - mean(own);
}

}  // namespace contrastive
