// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <vector>

#include "contrastive/objectives/sinkhorn.hpp"
#include "contrastive/objectives/state/prototypes.hpp"
#include "contrastive/objectives/swapped_prediction.hpp"
#include "contrastive/ops/index.hpp"

namespace contrastive {

/// SwAV's codes of a view: Sinkhorn over the scores of its unit rows z (B, D), with those of the queue before them when
/// it is full. No gradient. (B, K).
template <Communicator C = LocalCommunicator>
Tensor swav_codes(const Tensor& z, const Prototypes& prototypes, const Tensor& queued, const SinkhornConfig& config,
                  const C& processes = {}) {
  const NoGrad no_grad;
  const Tensor rows = queued.defined() ? concat({queued, z.detach()}) : z.detach();
  const Tensor codes = sinkhorn(prototypes(rows), config, processes);
  return codes.slice(codes.size(0) - z.size(0), codes.size(0));
}

/// SwAV's loss (facebookresearch/swav, main_swav.py, train): codes of the first `assigned` views of `z`, unit rows (B, D)
/// a view, predicted by all other views at `temperature`. `queue` may be empty; it is read before this batch enters it.
/// `prototypes` are unit rows already. First step about ln K.
template <Communicator C = LocalCommunicator>
Tensor swav_loss(std::span<const Tensor> z, std::size_t assigned, const Prototypes& prototypes, EmbeddingQueue* queue,
                 double temperature = 0.1, const SinkhornConfig& config = {}, const C& processes = {}) {
  require(assigned > 0 && assigned <= z.size(), "[swav] expected at least ", assigned, " views, got ", z.size());
  const bool with_queue = queue && queue->full();
  std::vector<Tensor> codes, scores;
  for (std::size_t v = 0; v < assigned; ++v)
    codes.push_back(swav_codes(z[v], prototypes, with_queue ? queue->of(static_cast<std::int64_t>(v)) : Tensor(),
                               config, processes));
  if (queue) queue->push(z.first(assigned));
  const Tensor all = prototypes(concat(z));
  std::int64_t row = 0;
  for (const Tensor& rows : z) {
    scores.push_back(all.slice(row, row + rows.size(0)));
    row += rows.size(0);
  }
  return swapped_prediction(scores, codes, temperature);
}

}  // namespace contrastive
