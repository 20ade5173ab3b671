// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include "contrastive/core/setting.hpp"
#include "contrastive/methods/simclr.hpp"
#include "contrastive/objectives/decoupled_info_nce.hpp"

namespace contrastive {

/// The decoupled loss of the first two views.
struct DecoupledContrast {
  double temperature = 0.1;
  double von_mises_sigma = 0;

  Tensor operator()(const Embeddings& z) const {
    require(z.online.size() >= 2, "[dcl] expected two views, got ", z.online.size());
    return decoupled_info_nce(z.online[0], z.online[1], temperature, von_mises_sigma);
  }
};

struct DclConfig {
  double temperature = 0.1;
  double von_mises_sigma = 0;  // DCLW: 0.5
  std::int64_t dimension = 128;

  void settings(SettingList& list) {
    list.number("temperature", temperature, 1e-4, 1e4, "temperature of the contrastive loss");
    list.number("dimension", dimension, 1, 1 << 14, "width of the embedding");
  }
};

/// DCL (Yeh et al. 2021, arXiv:2110.06848): SimCLR whose denominator leaves the positive out, so that small batches do
/// not weaken the gradient.
template <class Encoder, class Augmentation>
auto dcl(Encoder encoder, Augmentation augment, const DclConfig& config, Rng rng) {
  const std::int64_t features = encoder.features();
  Mlp head = simclr_head(features, {.dimension = config.dimension}, rng / "projector");
  Method method(std::move(encoder), std::move(head), Identity{},
                DecoupledContrast{config.temperature, config.von_mises_sigma}, std::move(augment), Shared{});
  method.views_together = true;
  return method;
}

}  // namespace contrastive
