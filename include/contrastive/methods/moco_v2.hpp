// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/methods/method.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/objectives/info_nce.hpp"
#include "contrastive/objectives/state/queue.hpp"

namespace contrastive {

/// InfoNCE of view 0's queries against view 1's keys and the queue. The keys are enqueued after they are scored.
struct QueueInfoNce {
  double temperature = 0.2;
  Queue queue;

  static bool wants_online(std::size_t view) { return view == 0; }
  static bool wants_target(std::size_t view) { return view == 1; }

  Tensor operator()(const Embeddings& z) {
    const Tensor keys = normalize(z.target.at(1));
    const Tensor loss = info_nce(normalize(z.online[0]), keys, queue.snapshot(), temperature);
    queue.enqueue(keys);
    return loss;
  }

  template <class F>
  void members(F&& f) {
    f("queue", queue);
  }
};

struct MocoConfig {
  double temperature = 0.2;    // v1: 0.07; the CIFAR demo: 0.1
  double momentum = 0.999;     // the CIFAR demo: 0.99
  std::int64_t queue = 65536;  // the CIFAR demo: 4096; a multiple of the batch
  std::int64_t dimension = 128;
  std::int64_t groups = 1;  // batch norm in that many parts, where one device stands for several (the demo: 8)
};

/// Sets the number of groups of every batch norm in a module (split batch norm).
template <class M>
void split_batch_norm(M& module, std::int64_t groups) {
  each_module<BatchNorm>(module, [groups](BatchNorm& norm) { norm.options.groups = groups; });
}

/// MoCo v2 (Chen et al. 2020, arXiv:2003.04297; facebookresearch/moco, moco/builder.py): a momentum encoder fills a
/// queue of keys. Head: linear, ReLU, linear, without batch norm. The key encoder moves before the keys are computed,
/// so with last step's parameters.
template <class Encoder, class Augmentation>
auto moco_v2(Encoder encoder, Augmentation augment, const MocoConfig& config, Rng rng) {
  const std::int64_t features = encoder.features();
  Mlp head(features, {{.out = features, .norm = false}, {.out = config.dimension, .norm = false, .relu = false}},
           rng / "projector");
  split_batch_norm(encoder, config.groups);
  return Method(std::move(encoder), std::move(head), Identity{},
                QueueInfoNce{config.temperature, Queue(config.queue, config.dimension, rng)}, std::move(augment),
                Momentum{.momentum = config.momentum, .update = MomentumUpdate::before_keys});
}

}  // namespace contrastive
