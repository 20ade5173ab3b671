// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/core/setting.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/objectives/swav.hpp"

namespace contrastive {

struct SwavConfig {
  std::int64_t hidden = 2048;
  std::int64_t dimension = 128;
  std::int64_t prototypes = 3000;
  double temperature = 0.1;
  SinkhornConfig sinkhorn{};
  std::int64_t queue = 0;    // 3840 at batch 256; a multiple of the batch. 0: none, as at batch 4096
  double queue_from = 15;    // the epoch from which embeddings are kept; used once it is full
  double freeze_epochs = 1;  // the prototypes stand still that long: 313 steps at batch 4096, 5005 at 256
  std::size_t assigned = 2;  // views that get codes: the large crops

  /// Batch 256, two crops, 1000 epochs (solo-learn, scripts/pretrain/cifar/swav.yaml).
  static SwavConfig cifar() { return {.queue = 3840, .queue_from = 50, .freeze_epochs = 2}; }

  void settings(SettingList& list) {
    list.number("temperature", temperature, 1e-4, 1e4, "temperature of the contrastive loss");
    list.number("queue", queue, 0, 1 << 22, "rows of the queue, a multiple of the batch; 0: none");
    list.number("queue-start", queue_from, 0, 1e6, "epoch from which rows are kept in the queue");
    list.number("prototypes", prototypes, 1, 1 << 17, "prototypes");
    list.number("epsilon", sinkhorn.epsilon, 1e-4, 1e4, "entropy of Sinkhorn's codes");
    list.number("freeze-epochs", freeze_epochs, 0, 1e6, "epochs in which the prototypes stand still");
    list.number("hidden", hidden, 1, 1 << 14, "hidden width of the projector");
    list.number("dimension", dimension, 1, 1 << 14, "width of the embedding");
  }
};

/// SwAV's objective with its state.
struct SwavAssignment {
  /// How the prototypes share out embeddings (N, D): a distribution a row.
  Tensor assignments(const Tensor& z) const { return softmax(prototypes(normalize(z)) / config.temperature); }

  SwavConfig config;
  Prototypes prototypes;
  EmbeddingQueue queue;

  Tensor operator()(const Embeddings& z) {
    prototypes.normalize();
    std::vector<Tensor> unit;
    for (const Tensor& rows : z.online) unit.push_back(normalize(rows));
    const bool keep = queue.size() > 0 && (config.queue_from <= 0 || z.progress.epoch() >= config.queue_from);
    return swav_loss(unit, config.assigned, prototypes, keep ? &queue : nullptr, config.temperature, config.sinkhorn);
  }

  void before_update(Progress progress) {
    if (config.freeze_epochs > 0 && progress.epoch() < config.freeze_epochs) prototypes.weight.clear_grad();
  }

  template <class F>
  void members(F&& f) {
    f("prototypes", prototypes);
    if (queue.rows.defined()) f("queue", queue);
  }
};

/// SwAV (Caron et al. 2020, arXiv:2006.09882; facebookresearch/swav, main_swav.py and src/resnet50.py): each view
/// predicts the codes that Sinkhorn gives the large crops. Head: linear, batch norm, ReLU, linear, unit length; crops of
/// one size pass the encoder together, all crops the head. The paper trains all parameters, biases and norms too, with
/// LARC (`larc()`) and weight decay 1e-6.
template <class Encoder, class Augmentation>
auto swav(Encoder encoder, Augmentation augment, const SwavConfig& config, Rng rng) {
  const std::int64_t features = encoder.features();
  Mlp head(features, {{.out = config.hidden}, {.out = config.dimension, .norm = false, .relu = false}},
           rng / "projector");
  SwavAssignment objective{config, Prototypes(config.prototypes, config.dimension, rng / "prototypes"), {}};
  if (config.queue > 0)
    objective.queue = EmbeddingQueue(static_cast<std::int64_t>(config.assigned), config.queue, config.dimension);
  Method method(std::move(encoder), std::move(head), Identity{}, std::move(objective), std::move(augment), Shared{});
  method.views_together = true;
  return method;
}

}  // namespace contrastive
