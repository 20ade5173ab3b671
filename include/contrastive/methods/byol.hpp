// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/core/setting.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/conv.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/objectives/negative_cosine.hpp"

namespace contrastive {

/// BYOL's regression between the first two views, both directions summed.
struct ByolRegression {
  Tensor operator()(const Embeddings& z) const {
    require(z.online.size() >= 2 && z.target.size() >= 2, "[byol] expected two views");
    return byol_loss(z.online[0], z.target[1], z.online[1], z.target[0]);
  }
};

struct ByolConfig {
  std::int64_t hidden = 4096;
  std::int64_t dimension = 256;
  double momentum = 0.99;   // at the start, rising to 1: 0.97 / 0.99 / 0.99 / 0.996 for 40 / 100 / 300 / 1000 epochs
  bool other_start = true;  // false: the target starts as a copy (lightly), 1.6 points better after 234 steps
  /// Above 0: group norm over that many groups and weight standardisation, no batch statistics.
  std::int64_t channel_groups = 0;
  bool fix_predictor_lr = false;  // keep the predictor's rate constant

  void settings(SettingList& list) {
    list.number("target-momentum", momentum, 0, 1, "momentum of the target network at the start, rising to 1");
    list.flag("other-start", other_start,
              "the target starts from other random weights, as BYOL's code has it, not as a copy");
    list.number("channel-groups", channel_groups, 0, 1 << 14,
                "groups of channels for group norm and standardised weights instead of batch norm; 0: batch norm");
    list.number("hidden", hidden, 1, 1 << 14, "hidden width of projector and predictor");
    list.number("dimension", dimension, 1, 1 << 14, "width of the embedding");
    list.flag("fix-predictor-lr", fix_predictor_lr, "keep the predictor's learning rate constant (SimSiam)");
  }
};

/// Takes batch statistics out of a network: every batch norm becomes a group norm over `groups` groups of channels, every
/// convolution and every linear layer of a head standardises its weights (Richemond et al. 2020, arXiv:2010.10241, which
/// has no code). The heads must: a common direction of their inputs, which are never negative, would carry all pictures to
/// one point. The linear layers of a vision transformer have norms of their own and stay as they are.
template <class M>
void without_batch_statistics(M& module, std::int64_t groups = 16) {
  each_module<BatchNorm>(module, [groups](BatchNorm& norm) {
    const std::int64_t channels = norm.running_mean.size(0);
    require(channels % groups == 0, "[byol] groups (--channel-groups) must divide the ", channels,
            " channels of each norm, got ", groups);
    norm.options.channel_groups = groups;
  });
  each_module<Conv2d>(module, [](Conv2d& conv) { conv.standardize = true; });
  each_module<Mlp>(module, [](Mlp& head) {
    for (Mlp::Layer& layer : head.layers) layer.linear.standardize = true;
  });
}

/// Projector and predictor alike: linear with bias, batch norm, ReLU, linear without bias.
inline Mlp byol_mlp(std::int64_t in, const ByolConfig& config, Rng rng) {
  return Mlp(in, {{.out = config.hidden}, {.out = config.dimension, .bias = false, .norm = false, .relu = false}}, rng);
}

/// BYOL (Grill et al. 2020, arXiv:2006.07733; deepmind-research/byol): the online network predicts a moving average of
/// itself that sees the other view. `make_encoder(rng)` is called twice: with `other_start` the target starts from other
/// random weights.
/// The sequel (Richemond et al. 2020, arXiv:2010.10241) does without batch statistics: `channel_groups`.
template <class MakeEncoder, class Augmentation>
auto byol(MakeEncoder&& make_encoder, Augmentation augment, const ByolConfig& config, Rng rng) {
  const auto tower = [&](Rng stream) {
    auto encoder = make_encoder(stream / "encoder");
    Mlp projector = byol_mlp(encoder.features(), config, stream / "projector");
    return Tower<decltype(encoder), Mlp>{std::move(encoder), std::move(projector)};
  };
  auto online = tower(rng / "online");
  auto start = tower(rng / (config.other_start ? "target" : "online"));
  Mlp predictor = byol_mlp(config.dimension, config, rng / "predictor");
  if (config.channel_groups > 0) {
    without_batch_statistics(online, config.channel_groups);
    without_batch_statistics(start, config.channel_groups);
    without_batch_statistics(predictor, config.channel_groups);
  }
  Method<decltype(online), Mlp, ByolRegression, Augmentation, Momentum> method(
      std::move(online), std::move(predictor), ByolRegression{}, std::move(augment),
      Momentum{.momentum = config.momentum, .to_one = true}, &start);
  method.fix_predictor_lr = config.fix_predictor_lr;
  return method;
}

}  // namespace contrastive
