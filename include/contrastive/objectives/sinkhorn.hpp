// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "contrastive/dist/communicator.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/matmul.hpp"
#include "contrastive/ops/reduce.hpp"

namespace contrastive {

struct SinkhornConfig {
  double epsilon = 0.05;
  int iterations = 3;
};

/// Sinkhorn's codes (Cuturi 2013; Caron et al. 2020, arXiv:2006.09882, eq. 3 to 5; facebookresearch/swav, main_swav.py,
/// distributed_sinkhorn): exp(scores / epsilon), scaled `iterations` times so that each prototype gets the same share of
/// the batch, then each sample a sum of 1. scores (B, K) -> codes (B, K), no gradient. It ends on the samples: their
/// sums are exact, those of the prototypes about B / K. Over several processes B is each one's own part, and what the
/// prototypes get is summed over all.
///
/// Q = diag(v) E diag(u), E_bk = exp(s_bk / e - a_k - w_b) with a the largest of each prototype over all samples and w
/// then the largest of each sample, so that every row and column of E holds a 1: no scores overflow or vanish. The first
/// scaling of the prototypes takes a out again, and v starts as exp(w).
template <Communicator C = LocalCommunicator>
Tensor sinkhorn(const Tensor& scores, const SinkhornConfig& config = {}, const C& processes = {}) {
  require(scores.rank() == 2 && scores.count() > 0, "[sinkhorn] expected scores (B, K), got ", scores.shape());
  require(std::isfinite(config.epsilon) && config.epsilon > 0 && config.iterations > 0,
          "[sinkhorn] expected epsilon above 0 and at least one iteration, got ", config.epsilon, " and ",
          config.iterations);
  const NoGrad no_grad;
  const std::int64_t B = scores.size(0), K = scores.size(1);
  const Tensor logits = cast(scores, scores.dtype() == DType::f64 ? DType::f64 : DType::f32) / config.epsilon;
  const Tensor a = max(logits, 0).values;  // (K)
  processes.all_reduce_max(a);
  const Tensor level = logits - a;
  const Tensor w = max(level, 1).values.reshape({B, 1});
  const Tensor E = exp(level - w);  // (B, K)
  const Tensor one = Tensor::full({1, 1}, 1, E.dtype(), E.device());
  const Tensor share = one * (static_cast<double>(B * processes.size()) / static_cast<double>(K));
  Tensor u, v = exp(w);  // (K, 1), (B, 1)
  for (int i = 0; i < config.iterations; ++i) {
    const Tensor given = matmul(E, v, true);  // (K, 1): what each prototype gets
    processes.all_reduce_sum(given);
    u = share / given;
    v = one / matmul(E, u);
  }
  return E * v * u.reshape({1, K});
}

}  // namespace contrastive
