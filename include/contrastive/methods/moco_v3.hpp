// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/core/setting.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/objectives/info_nce.hpp"

namespace contrastive {

/// MoCo v3's loss: each view's queries against all keys of the other view, both directions summed, times 2 t
/// (facebookresearch/moco-v3, moco/builder.py, contrastive_loss). First step 4 t ln N.
struct SymmetricInfoNce {
  double temperature = 1;

  static bool wants_online(std::size_t view) { return view < 2; }
  static bool wants_target(std::size_t view) { return view < 2; }

  Tensor operator()(const Embeddings& z) const {
    require(z.online.size() >= 2 && z.target.size() >= 2, "[moco_v3] expected two views");
    return (info_nce(z.online[0], z.target[1], temperature) + info_nce(z.online[1], z.target[0], temperature)) *
           (2 * temperature);
  }
};

struct MocoV3Config {
  double temperature = 1;  // ViT: 0.2
  double momentum = 0.99;  // at the start, rising to 1; ResNet-50 over 1000 epochs: 0.996
  std::int64_t hidden = 4096;
  std::int64_t dimension = 256;
  int projector_layers = 2;       // ViT: 3
  bool predictor_norm = false;    // a norm at the predictor's end: ViT has it
  bool fix_predictor_lr = false;  // keep the predictor's rate constant

  static MocoV3Config vit() { return {.temperature = 0.2, .projector_layers = 3, .predictor_norm = true}; }
  /// ResNet-18, batch 256, 1000 epochs (solo-learn, scripts/pretrain/cifar/mocov3.yaml).
  static MocoV3Config cifar() { return {.temperature = 0.2}; }

  void settings(SettingList& list) {
    list.number("temperature", temperature, 1e-4, 1e4, "temperature of the contrastive loss");
    list.number("target-momentum", momentum, 0, 1, "momentum of the target network at the start, rising to 1");
    list.number("hidden", hidden, 1, 1 << 14, "hidden width of projector and predictor");
    list.number("dimension", dimension, 1, 1 << 14, "width of the embedding");
    list.flag("fix-predictor-lr", fix_predictor_lr, "keep the predictor's learning rate constant (SimSiam)");
  }
};

/// MoCo v3's projectors and predictors (moco/builder.py, _build_mlp): linear layers without bias, batch norm and ReLU
/// between, and, with `last_norm`, a batch norm without gain and offset at the end.
inline Mlp moco_v3_mlp(int layers, std::int64_t in, const MocoV3Config& config, bool last_norm, Rng rng) {
  require(layers > 0, "[moco_v3] an MLP has at least one layer, got ", layers);
  std::vector<MlpLayer> specs(static_cast<std::size_t>(layers - 1), {.out = config.hidden, .bias = false});
  specs.push_back(
      {.out = config.dimension, .bias = false, .norm = last_norm, .relu = false, .norm_options = {.affine = false}});
  return Mlp(in, specs, rng);
}

/// MoCo v3 (Chen, Xie and He 2021, arXiv:2104.02057; facebookresearch/moco-v3, moco/builder.py): no queue, a predictor,
/// and a momentum encoder that moves before the keys are computed. The paper: LARS (`lars_moco_v3()`) for ResNets, AdamW
/// with weight decay 0.1 on everything for ViTs, whose patch projection stays as it was drawn.
template <class Encoder, class Augmentation>
auto moco_v3(Encoder encoder, Augmentation augment, const MocoV3Config& config, Rng rng) {
  const std::int64_t features = encoder.features();
  Mlp projector = moco_v3_mlp(config.projector_layers, features, config, true, rng / "projector");
  Mlp predictor = moco_v3_mlp(2, config.dimension, config, config.predictor_norm, rng / "predictor");
  Method method(std::move(encoder), std::move(projector), std::move(predictor), SymmetricInfoNce{config.temperature},
                std::move(augment),
                Momentum{.momentum = config.momentum, .to_one = true, .update = MomentumUpdate::before_keys});
  method.fix_predictor_lr = config.fix_predictor_lr;
  return method;
}

}  // namespace contrastive
