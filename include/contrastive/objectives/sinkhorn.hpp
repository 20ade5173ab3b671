// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "contrastive/core/bounds.hpp"
#include "contrastive/dist/communicator.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/ops/softmax.hpp"

namespace contrastive {

struct SinkhornConfig {
  double epsilon = 0.05;  // 1e-4 to 1e4
  int iterations = 3;     // 1 to 10,000
};

/// Sinkhorn's codes (Cuturi 2013; Caron et al. 2020, arXiv:2006.09882, eq. 3 to 5; facebookresearch/swav, main_swav.py,
/// distributed_sinkhorn): exp(scores / epsilon), scaled `iterations` times so that each prototype gets the same share of
/// the batch, then each sample a sum of 1. scores (B, K) -> codes (B, K), no gradient. It ends on the samples: their
/// sums are exact, those of the prototypes about B / K. Over several processes B is each one's own part, and what the
/// prototypes get is summed over all.
///
/// In logarithms, so that no score overflows or vanishes: log Q_bk = s_bk / e + g_k, of which each row is brought to a sum
/// of 1 (`log_softmax`); g_k takes away what the prototype then gets.
template <Communicator C = LocalCommunicator>
Tensor sinkhorn(const Tensor& scores, const SinkhornConfig& config = {}, const C& processes = {}) {
  require(scores.rank() == 2 && scores.count() > 0, "[sinkhorn] expected scores (B, K), got ", scores.shape());
  check_temperature("sinkhorn", config.epsilon, "epsilon");
  require_within("sinkhorn", "the iterations", config.iterations, 1, 10000);
  const NoGrad no_grad;
  const Tensor logits = cast(scores, scores.dtype() == DType::f64 ? DType::f64 : DType::f32) / config.epsilon;
  const double share = static_cast<double>(scores.size(0) * processes.size()) / static_cast<double>(scores.size(1));
  Tensor g = Tensor::zeros({scores.size(1)}, logits.dtype(), logits.device()), log_Q = logits;  // (K), (B, K)
  for (int i = 0; i < config.iterations; ++i) {
    const Tensor top = max(log_Q, 0).values;
    processes.all_reduce_max(top);
    const Tensor given = sum(exp(log_Q - top), 0);  // what each prototype gets, over e^top
    processes.all_reduce_sum(given);
    g = g - (top + log(given)) + std::log(share);
    log_Q = log_softmax(logits + g);
  }
  return exp(log_Q);
}

}  // namespace contrastive
