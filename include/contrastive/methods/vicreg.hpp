// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include "contrastive/core/setting.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/objectives/vicreg.hpp"

namespace contrastive {

/// VICReg's loss of the first two views.
struct VarianceInvarianceCovariance {
  static constexpr bool ignores_mean = true;
  VicRegConfig config;

  Tensor operator()(const Embeddings& z) const {
    require(z.online.size() >= 2, "[vicreg] expected two views, got ", z.online.size());
    return vicreg(z.online[0], z.online[1], config);
  }
};

struct VicRegMethodConfig {
  VicRegConfig loss{};
  std::int64_t dimension = 8192;  // of all three layers; CIFAR: 2048 (solo-learn)

  void settings(SettingList& list) { list.number("dimension", dimension, 1, 1 << 14, "width of the embedding"); }
};

/// VICReg (Bardes et al. 2022, arXiv:2105.04906; facebookresearch/vicreg, main_vicreg.py): the two views agree, each
/// dimension keeps its variance and none repeats another. Expander: linear, batch norm, ReLU, twice, and a last linear
/// without bias. The paper: LARS (`lars_moco_v3()`), biases and norms without decay and adaptation.
template <class Encoder, class Augmentation>
auto vicreg(Encoder encoder, Augmentation augment, const VicRegMethodConfig& config, Rng rng) {
  const std::int64_t features = encoder.features();
  Mlp expander(features,
               {{.out = config.dimension},
                {.out = config.dimension},
                {.out = config.dimension, .bias = false, .norm = false, .relu = false}},
               rng / "projector");
  return Method(std::move(encoder), std::move(expander), Identity{}, VarianceInvarianceCovariance{config.loss},
                std::move(augment), Shared{});
}

}  // namespace contrastive
