// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <span>

#include "contrastive/ops/reduce.hpp"
#include "contrastive/ops/softmax.hpp"

namespace contrastive {

/// Predicting the assignment of one view from the others: the loss of SwAV (Caron et al. 2020, arXiv:2006.09882, eq. 2;
/// facebookresearch/swav, main_swav.py) and DINO (Caron et al. 2021, arXiv:2104.14294, eq. 3; facebookresearch/dino,
/// main_dino.py):
///
///     L = mean over i < T, v < V, v != i of  - 1/B sum_b sum_k q_i(b, k) log softmax_k( s_v(b, k) / t )
///
/// scores: V tensors (B, K); targets: T of them, target i of the view of score i, through which no gradient flows.
/// First step ln K where all scores are equal.
inline Tensor swapped_prediction(std::span<const Tensor> scores, std::span<const Tensor> targets, double temperature) {
  const std::size_t V = scores.size(), T = targets.size();
  require(V > 1 && T > 0 && T <= V, "[swapped_prediction] expected at least two views and a target for some, got ", V,
          " and ", T);
  require(std::isfinite(temperature) && temperature > 0, "[swapped_prediction] the temperature must be above 0, got ",
          temperature);
  for (const std::span<const Tensor> side : {scores, targets})
    for (const Tensor& x : side)
      require(x.rank() == 2 && x.shape() == scores[0].shape() && x.dtype() == scores[0].dtype(),
              "[swapped_prediction] expected scores and targets of one shape (B, K) and dtype, got ", x.shape(), " ",
              to_string(x.dtype()), " beside ", scores[0].shape(), " ", to_string(scores[0].dtype()));
  const auto all_but = [&](std::size_t v) {
    Tensor sum;
    for (std::size_t i = 0; i < T; ++i)
      if (i != v) sum = sum.defined() ? sum + targets[i].detach() : targets[i].detach();
    return sum;
  };
  const Tensor all = T < V ? all_but(V) : Tensor();  // what every view without a target of its own predicts
  Tensor total;
  for (std::size_t v = 0; v < V; ++v) {
    const Tensor q = v < T ? all_but(v) : all;
    if (!q.defined()) continue;
    const Tensor agreement = sum(q * log_softmax(scores[v] / temperature));
    total = total.defined() ? total + agreement : agreement;
  }
  return total * (-1 / static_cast<double>(T * (V - 1) * static_cast<std::size_t>(scores[0].size(0))));
}

}  // namespace contrastive
