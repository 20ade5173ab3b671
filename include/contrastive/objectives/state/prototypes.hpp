// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "contrastive/nn/linear.hpp"
#include "contrastive/ops/softmax.hpp"

namespace contrastive {

/// SwAV's prototypes: K trained unit rows (Caron et al. 2020, arXiv:2006.09882, section 3.1).
struct Prototypes {
  Parameter weight;  // (K, D)

  Prototypes() = default;
  Prototypes(std::int64_t K, std::int64_t D, Rng rng) : weight(Linear(D, K, rng, false).weight) {}

  /// Brings the rows to unit length in place, outside the tape. Call it before every forward: the optimiser has moved
  /// them off the sphere, and the gradient is that of the unit rows. A loss of before must have gone back by then.
  void normalize() const { weight.copy_from(contrastive::normalize(weight.detach())); }

  /// Scores of unit rows (N, D) -> (N, K).
  Tensor operator()(const Tensor& z) const { return matmul(z, weight, false, true); }

  template <class F>
  void members(F&& f) {
    f("weight", weight);
  }
};

/// SwAV's queue for each view that gets codes: the last L embeddings, newest first, zeros at the start. Embeddings
/// rather than scores, so that they are scored by the prototypes of the day.
struct EmbeddingQueue {
  Buffer rows;    // (views, L, D)
  Buffer filled;  // i64 on the host: rows that hold an embedding, of each view

  EmbeddingQueue() = default;
  EmbeddingQueue(std::int64_t views, std::int64_t L, std::int64_t D)
      : rows(Tensor::zeros({views, L, D})), filled(Tensor::zeros({}, DType::i64)) {}

  std::int64_t size() const { return rows.defined() ? rows.size(1) : 0; }
  bool full() const { return size() > 0 && filled.item() >= static_cast<double>(size()); }

  /// The embeddings of a view, (L, D).
  Tensor of(std::int64_t view) const {
    return rows.slice(view, view + 1).reshape({rows.size(1), rows.size(2)}).detach();
  }

  /// Puts a batch (N, D) of each view before the others; the oldest N fall out. Call it after the queue was scored.
  void push(std::span<const Tensor> batches) {
    require(static_cast<std::int64_t>(batches.size()) == rows.size(0), "[embedding_queue] expected a batch of each of ",
            rows.size(0), " views, got ", batches.size());
    const std::int64_t L = size();
    for (std::size_t v = 0; v < batches.size(); ++v) {
      const Tensor& batch = batches[v];
      require(batch.rank() == 2 && batch.size(1) == rows.size(2), "[embedding_queue] expected embeddings (N, ",
              rows.size(2), "), got ", batch.shape());
      const std::int64_t N = batch.size(0);
      require(N > 0 && L % N == 0, "[embedding_queue] the batch must divide the queue: ", N, " does not divide ", L);
      check_devices("embedding_queue", {&rows, &batch});
      const Tensor queue = of(static_cast<std::int64_t>(v));
      const Tensor kept = queue.slice(0, L - N).clone();
      queue.slice(N, L).copy_from(kept);
      queue.slice(0, N).copy_from(batch.detach().to(queue.dtype()));
    }
    std::int64_t& count = *filled.data<std::int64_t>();
    count = std::min(L, count + batches[0].size(0));
  }

  template <class F>
  void members(F&& f) {
    f("rows", rows);
    f("filled", filled);
  }
};

}  // namespace contrastive
