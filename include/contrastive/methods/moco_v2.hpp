// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/core/setting.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/objectives/info_nce.hpp"
#include "contrastive/objectives/state/queue.hpp"
#include "contrastive/ops/index.hpp"

namespace contrastive {

/// InfoNCE of view 0's queries against view 1's keys and the queue. The keys are enqueued after they are scored.
struct QueueInfoNce {
  double temperature = 0.2;
  Queue queue;

  static bool wants_online(std::size_t view) { return view == 0; }
  static bool wants_target(std::size_t view) { return view == 1; }

  Tensor operator()(const Embeddings& z) {
    const Tensor keys = normalize(z.target.at(1));
    const Tensor loss = info_nce(z.online[0], keys, queue.snapshot(), temperature);
    queue.enqueue(keys);
    return loss;
  }

  template <class F>
  void members(F&& f) {
    f("queue", queue);
  }
};

/// Both directions: each view's queries against the other's keys, the two losses summed, then the keys of both enqueued
/// (the authors' CIFAR demonstration, colab/moco_cifar10_demo.ipynb, symmetric loss). Twice the batch must divide the
/// queue.
struct SymmetricQueueInfoNce {
  double temperature = 0.1;
  Queue queue;

  static bool wants_online(std::size_t view) { return view < 2; }
  static bool wants_target(std::size_t view) { return view < 2; }

  Tensor operator()(const Embeddings& z) {
    const Tensor k0 = normalize(z.target.at(0)), k1 = normalize(z.target.at(1)), negatives = queue.snapshot();
    const Tensor loss =
        info_nce(z.online.at(0), k1, negatives, temperature) + info_nce(z.online.at(1), k0, negatives, temperature);
    queue.enqueue(concat({k0, k1}));
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
  bool mlp = true;          // v1: one linear layer
  std::int64_t groups = 1;  // batch norm in that many parts, keys shuffled between them (the demo: 8)

  void settings(SettingList& list) {
    list.number("temperature", temperature, 1e-4, 1e4, "temperature of the contrastive loss");
    list.number("queue", queue, 1, 1 << 22, "rows of the queue, a multiple of the batch");
    list.number("target-momentum", momentum, 0, 1, "momentum of the target network");
    list.number("groups", groups, 1, 1 << 19, "parts of split batch norm");
    list.number("dimension", dimension, 1, 1 << 14, "width of the embedding");
  }
};

/// Sets the number of groups of every batch norm in a module (split batch norm).
template <class M>
void split_batch_norm(M& module, std::int64_t groups) {
  each_module<BatchNorm>(module, [groups](BatchNorm& norm) { norm.options.groups = groups; });
}

namespace detail {

template <class Loss, class Encoder, class Augmentation>
auto moco(Encoder encoder, Augmentation augment, const MocoConfig& config, Rng rng) {
  const std::int64_t features = encoder.features();
  std::vector<MlpLayer> layers{{.out = config.dimension, .norm = false, .relu = false}};
  if (config.mlp) layers.insert(layers.begin(), {.out = features, .norm = false});
  split_batch_norm(encoder, config.groups);
  return Method(std::move(encoder), Mlp(features, layers, rng / "projector"), Identity{},
                Loss{config.temperature, Queue(config.queue, config.dimension, rng)}, std::move(augment),
                Momentum{.momentum = config.momentum,
                         .update = MomentumUpdate::before_keys,
                         .shuffle = config.groups > 1,
                         .rng = rng / "shuffle"});
}

}  // namespace detail

/// MoCo v2 (Chen et al. 2020, arXiv:2003.04297; facebookresearch/moco, moco/builder.py): a momentum encoder fills a
/// queue of keys. Head: linear, ReLU, linear, without batch norm. The key encoder moves before the keys are computed,
/// so with last step's parameters. With `mlp` off and a temperature of 0.07 it is v1 (He et al. 2019, arXiv:1911.05722).
template <class Encoder, class Augmentation>
auto moco_v2(Encoder encoder, Augmentation augment, const MocoConfig& config, Rng rng) {
  return detail::moco<QueueInfoNce>(std::move(encoder), std::move(augment), config, rng);
}

/// The same with each view as query and key in turn: another 1 to 2 points on CIFAR-10, for twice the encoding.
template <class Encoder, class Augmentation>
auto moco_v2_symmetric(Encoder encoder, Augmentation augment, const MocoConfig& config, Rng rng) {
  return detail::moco<SymmetricQueueInfoNce>(std::move(encoder), std::move(augment), config, rng);
}

}  // namespace contrastive
