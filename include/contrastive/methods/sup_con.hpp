// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/core/setting.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/objectives/sup_con.hpp"
#include "contrastive/ops/index.hpp"

namespace contrastive {

/// The supervised contrastive loss over all views and the pictures' labels. A picture without a label (-1) is a class of
/// its own: its positives are its other views, as in SimCLR.
struct SupervisedContrast {
  SupConConfig config;

  Tensor operator()(const Embeddings& z) const {
    require(!z.online.empty() && z.label.size() == static_cast<std::size_t>(z.online[0].size(0)),
            "[sup_con] expected a label for each picture, got ", z.label.size());
    std::vector<std::int64_t> labels;
    for (std::size_t v = 0; v < z.online.size(); ++v)
      for (std::size_t i = 0; i < z.label.size(); ++i)
        labels.push_back(z.label[i] < 0 ? -1 - static_cast<std::int64_t>(i) : z.label[i]);
    return sup_con(concat(z.online), labels, config);
  }
};

struct SupConMethodConfig {
  SupConConfig loss{};  // CIFAR: temperature 0.1
  std::int64_t dimension = 128;

  void settings(SettingList& list) {
    list.number("temperature", loss.temperature, 1e-4, 1e4, "temperature of the contrastive loss");
    list.number("dimension", dimension, 1, 1 << 14, "width of the embedding");
  }
};

/// SupCon (Khosla et al. 2020, arXiv:2004.11362; HobbitLong/SupContrast, networks/resnet_big.py): all views of a class
/// are positives. Head: linear, ReLU, linear, as wide as the features between.
template <class Encoder, class Augmentation>
auto sup_con(Encoder encoder, Augmentation augment, const SupConMethodConfig& config, Rng rng) {
  const std::int64_t features = encoder.features();
  Mlp head(features, {{.out = features, .norm = false}, {.out = config.dimension, .norm = false, .relu = false}},
           rng / "projector");
  Method method(std::move(encoder), std::move(head), Identity{}, SupervisedContrast{config.loss}, std::move(augment),
                Shared{});
  method.views_together = true;
  return method;
}

}  // namespace contrastive
