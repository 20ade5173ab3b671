// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include "contrastive/core/setting.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/objectives/nnclr.hpp"
#include "contrastive/objectives/state/queue.hpp"

namespace contrastive {

/// NNCLR's objective with its support set: the last K projections of one view, at unit length. Neighbours are looked up
/// before the batch enters.
struct NeighbourContrast {
  double temperature = 0.1;
  bool all_pairs = false;  // lightly's negatives
  Queue support;

  Tensor operator()(const Embeddings& z) {
    require(z.online.size() >= 2 && z.target.size() >= 2, "[nnclr] expected two views");
    const Tensor loss = nnclr_loss(nearest_neighbours(z.target[0], support.keys), z.online[1],
                                   nearest_neighbours(z.target[1], support.keys), z.online[0], temperature, all_pairs);
    support.enqueue(normalize(z.target[1]));
    return loss;
  }

  template <class F>
  void members(F&& f) {
    f("support", support);
  }
};

struct NnclrConfig {
  double temperature = 0.1;
  std::int64_t queue = 98304;  // a multiple of the batch; CIFAR: 65536 (solo-learn)
  std::int64_t projector_hidden = 2048;
  std::int64_t predictor_hidden = 4096;
  std::int64_t dimension = 256;
  bool all_pairs = false;
  bool fix_predictor_lr = false;  // keep the predictor's rate constant

  void settings(SettingList& list) {
    list.number("temperature", temperature, 1e-4, 1e4, "temperature of the contrastive loss");
    list.number("queue", queue, 1, 1 << 22, "rows of the queue, a multiple of the batch");
    list.number("dimension", dimension, 1, 1 << 14, "width of the embedding");
    list.flag("fix-predictor-lr", fix_predictor_lr, "keep the predictor's learning rate constant (SimSiam)");
  }
};

/// NNCLR (Dwibedi et al. 2021, arXiv:2104.14548): the positive of a view is not the picture's other view but the nearest
/// neighbour of that in a support set. Projector: three linear layers, each with batch norm, ReLU between; predictor:
/// two, with batch norm and ReLU after the first. No momentum encoder: the projections without their gradient look for
/// neighbours.
template <class Encoder, class Augmentation>
auto nnclr(Encoder encoder, Augmentation augment, const NnclrConfig& config, Rng rng) {
  const std::int64_t features = encoder.features();
  Mlp projector(
      features,
      {{.out = config.projector_hidden}, {.out = config.projector_hidden}, {.out = config.dimension, .relu = false}},
      rng / "projector");
  Mlp predictor(config.dimension,
                {{.out = config.predictor_hidden}, {.out = config.dimension, .norm = false, .relu = false}},
                rng / "predictor");
  Method method(std::move(encoder), std::move(projector), std::move(predictor),
                NeighbourContrast{config.temperature, config.all_pairs, Queue(config.queue, config.dimension, rng)},
                std::move(augment), StopGradient{});
  method.fix_predictor_lr = config.fix_predictor_lr;
  return method;
}

}  // namespace contrastive
