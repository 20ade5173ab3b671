// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/core/setting.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/objectives/negative_cosine.hpp"

namespace contrastive {

/// SimSiam's negative cosine between the first two views, both directions averaged.
struct SimsiamCosine {
  Tensor operator()(const Embeddings& z) const {
    require(z.online.size() >= 2 && z.target.size() >= 2, "[simsiam] expected two views");
    return simsiam_loss(z.online[0], z.target[1], z.online[1], z.target[0]);
  }
};

struct SimsiamConfig {
  std::int64_t dimension = 2048;
  std::int64_t bottleneck = 512;  // hidden width of the predictor
  int projector_layers = 3;       // 2 for CIFAR
  bool fix_predictor_lr = false;  // keep the predictor's rate constant

  void settings(SettingList& list) {
    list.number("head-layers", projector_layers, 1, 3, "layers of the projector");
    list.number("hidden", bottleneck, 1, 1 << 14, "hidden width of the predictor");
    list.number("dimension", dimension, 1, 1 << 14, "width of the embedding");
    list.flag("fix-predictor-lr", fix_predictor_lr, "keep the predictor's learning rate constant (SimSiam)");
  }
};

/// The projector (facebookresearch/simsiam, simsiam/builder.py): linear without bias - batch norm - ReLU, and a last
/// linear with batch norm without gain and offset. That linear's bias, which the norm takes out again, stays frozen.
inline Mlp simsiam_projector(std::int64_t features, const SimsiamConfig& config, Rng rng) {
  std::vector<MlpLayer> layers;
  for (int i = 1; i < config.projector_layers; ++i) layers.push_back({.out = features, .bias = false});
  layers.push_back({.out = config.dimension, .relu = false, .norm_options = {.affine = false}});
  Mlp projector(features, layers, rng);
  projector.layers.back().linear.bias.set_requires_grad(false);
  return projector;
}

/// SimSiam (Chen and He 2021, arXiv:2011.10566): a shared network, a predictor, and a stop-gradient; no negatives, no
/// momentum. Recipes keep the predictor's rate constant.
template <class Encoder, class Augmentation>
auto simsiam(Encoder encoder, Augmentation augment, const SimsiamConfig& config, Rng rng) {
  const std::int64_t features = encoder.features();
  Mlp predictor(config.dimension,
                {{.out = config.bottleneck, .bias = false}, {.out = config.dimension, .norm = false, .relu = false}},
                rng / "predictor");
  Method method(std::move(encoder), simsiam_projector(features, config, rng / "projector"), std::move(predictor),
                SimsiamCosine{}, std::move(augment), StopGradient{});
  method.fix_predictor_lr = config.fix_predictor_lr;
  return method;
}

}  // namespace contrastive
