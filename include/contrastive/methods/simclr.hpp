// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/core/setting.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/objectives/nt_xent.hpp"

namespace contrastive {

/// NT-Xent over the first two views. `sum_of_views` takes google-research/simclr's scale, the sum of two means, which
/// is twice the paper's.
struct NtXent {
  double temperature = 0.5;
  bool sum_of_views = true;

  Tensor operator()(const Embeddings& z) const {
    require(z.online.size() >= 2, "[nt_xent] expected two views, got ", z.online.size());
    return nt_xent(z.online[0], z.online[1], temperature) * (sum_of_views ? 2 : 1);
  }
};

struct SimclrConfig {
  double temperature = 0.5;  // CIFAR-10; 0.1 for ImageNet at batch 4096
  int head_layers = 2;       // 2: v1, 3: v2
  std::int64_t dimension = 128;

  void settings(SettingList& list) {
    list.number("temperature", temperature, 1e-4, 1e4, "temperature of the contrastive loss");
    list.number("head-layers", head_layers, 1, 3, "layers of the projector: 2 (v1) or 3 (v2)");
    list.number("dimension", dimension, 1, 1 << 14, "width of the embedding");
  }
};

/// SimCLR's head (google-research/simclr, model_util.py, projection_head): linear without bias, batch norm, ReLU, as
/// wide as the features; the last layer ends in a batch norm with a gain and no offset.
inline Mlp simclr_head(std::int64_t features, const SimclrConfig& config, Rng rng) {
  std::vector<MlpLayer> layers(static_cast<std::size_t>(config.head_layers - 1), {.out = features, .bias = false});
  layers.push_back({.out = config.dimension, .bias = false, .relu = false, .norm_options = {.offset = false}});
  return Mlp(features, layers, rng);
}

/// SimCLR (Chen et al. 2020, arXiv:2002.05709; v2: arXiv:2006.10029): two views through one network, each row's
/// positive is the other view, every other row of the batch a negative. Both views pass batch norm together.
template <class Encoder, class Augmentation>
auto simclr(Encoder encoder, Augmentation augment, const SimclrConfig& config, Rng rng) {
  const std::int64_t features = encoder.features();
  Method method(std::move(encoder), simclr_head(features, config, rng / "projector"), Identity{},
                NtXent{config.temperature}, std::move(augment), Shared{});
  method.views_together = true;
  return method;
}

}  // namespace contrastive
