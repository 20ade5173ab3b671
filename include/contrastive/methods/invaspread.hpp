// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include "contrastive/core/setting.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/linear.hpp"
#include "contrastive/objectives/invariant_spread.hpp"

namespace contrastive {

/// InvaSpread's loss over the first two views.
struct InvariantSpread {
  double temperature = 0.1;
  double negative_weight = 1;

  Tensor operator()(const Embeddings& z) const {
    require(z.online.size() >= 2, "[invaspread] expected two views, got ", z.online.size());
    return invariant_spread(z.online[0], z.online[1], temperature, negative_weight);
  }
};

struct InvaSpreadConfig {
  double temperature = 0.1;
  double negative_weight = 1;
  std::int64_t dimension = 128;

  void settings(SettingList& list) {
    list.number("temperature", temperature, 1e-4, 1e4, "temperature of the contrastive loss");
    list.number("dimension", dimension, 1, 1 << 14, "width of the embedding");
  }
};

/// InvaSpread (Ye et al. 2019, arXiv:1904.03436; mangye16/Unsupervised_Embedding_Learning, demo_seen.py): the pictures of
/// a batch are its classes; a view falls to its pair's and to no other. No bank. Both views pass batch norm together;
/// head: a linear layer.
template <class Encoder, class Augmentation>
auto invaspread(Encoder encoder, Augmentation augment, const InvaSpreadConfig& config, Rng rng) {
  const std::int64_t features = encoder.features();
  Method method(std::move(encoder), Linear(features, config.dimension, rng / "projector"), Identity{},
                InvariantSpread{config.temperature, config.negative_weight}, std::move(augment), Shared{});
  method.views_together = true;
  return method;
}

}  // namespace contrastive
