// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include "contrastive/core/setting.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/objectives/barlow_twins.hpp"

namespace contrastive {

/// Barlow Twins' loss of the first two views, times `scale`.
struct CrossCorrelation {
  static constexpr bool ignores_mean = true;
  BarlowTwinsConfig config;
  double scale = 1;

  Tensor operator()(const Embeddings& z) const {
    require(z.online.size() >= 2, "[barlow_twins] expected two views, got ", z.online.size());
    return barlow_twins(z.online[0], z.online[1], config) * scale;
  }
};

struct BarlowTwinsMethodConfig {
  BarlowTwinsConfig loss{};
  double scale = 1;
  std::int64_t dimension = 8192;  // of all three layers

  /// ResNet-18, batch 256, 1000 epochs (solo-learn, scripts/pretrain/cifar/barlow.yaml).
  static BarlowTwinsMethodConfig cifar() { return {.scale = 0.1, .dimension = 2048}; }

  void settings(SettingList& list) { list.number("dimension", dimension, 1, 1 << 14, "width of the embedding"); }
};

/// Barlow Twins (Zbontar et al. 2021, arXiv:2103.03230; facebookresearch/barlowtwins, main.py): the correlations between
/// two views' dimensions become the identity. Projector: linear without bias, batch norm, ReLU, twice, and a last linear
/// without bias. The paper: LARS (`lars_moco_v3()`), biases and norms without decay and adaptation and at a rate of
/// their own (0.0048 beside 0.2, at batch 256).
template <class Encoder, class Augmentation>
auto barlow_twins(Encoder encoder, Augmentation augment, const BarlowTwinsMethodConfig& config, Rng rng) {
  const std::int64_t features = encoder.features();
  Mlp projector(features,
                {{.out = config.dimension, .bias = false},
                 {.out = config.dimension, .bias = false},
                 {.out = config.dimension, .bias = false, .norm = false, .relu = false}},
                rng / "projector");
  return Method(std::move(encoder), std::move(projector), Identity{}, CrossCorrelation{config.loss, config.scale},
                std::move(augment), Shared{});
}

}  // namespace contrastive
