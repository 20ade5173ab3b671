// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/ops/reduce.hpp"

namespace contrastive {

struct FocalOptions {
  double alpha = 0.25;  // weight of the positives; the negatives have 1 - alpha
  double gamma = 2;
};

/// Sigmoid focal loss over tokens, summed (Lin et al. 2017, arXiv:1708.02002; microsoft/GLIP, layers/sigmoid_focal_loss.py,
/// TokenSigmoidFocalLoss): logits (N, A, L), targets 0 or 1 of the same shape and dtype. `mask` (N, L) is 0 for tokens
/// that count nowhere; empty for none.
inline Tensor token_focal_loss(const Tensor& logits, const Tensor& targets, const Tensor& mask = {},
                               const FocalOptions& options = {}) {
  require(logits.rank() == 3 && targets.shape() == logits.shape() && targets.dtype() == logits.dtype() &&
              (!mask.defined() || mask.shape() == Shape{logits.size(0), logits.size(2)}),
          "[token_focal_loss] expected logits (N, A, L), targets like them and a mask (N, L), got ", logits.shape(),
          " ", targets.shape(), " ", mask.shape());
  const Tensor t = targets.detach();
  Tensor weight = t * (2 * options.alpha - 1) + (1 - options.alpha);
  if (mask.defined()) weight = weight * mask.to(logits.dtype()).reshape({logits.size(0), 1, logits.size(2)});
  const Tensor right = logits * (t * 2 - 1);  // the logit of the right answer
  return -sum(weight * pow(sigmoid(-right), options.gamma) * log_sigmoid(right));
}

}  // namespace contrastive
