// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include "contrastive/core/setting.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/linear.hpp"
#include "contrastive/objectives/nce.hpp"
#include "contrastive/ops/softmax.hpp"

namespace contrastive {

/// The first view's embedding against a bank with a row for each picture of the training set, by NCE over drawn rows or,
/// without `negatives`, by the softmax over all of them. A row moves after it was scored: one that moved before would
/// hold the answer. What is drawn depends on (seed, step) alone.
struct InstanceDiscrimination {
  MemoryBank bank;
  std::int64_t negatives = 4096;
  double temperature = 0.07;
  double momentum = 0.5;  // of a row
  Rng rng{};

  Tensor operator()(const Embeddings& z) {
    const Tensor f = normalize(z.online.at(0));
    for (const std::int64_t picture : z.sample)
      require(picture >= 0 && picture < bank.size(), "[instdisc] picture ", picture, " has no row in a bank of ",
              bank.size(), ": the bank holds one for each picture of the training set");
    const Tensor loss = negatives == 0 ? bank_softmax(f, bank, z.sample, temperature)
                                       : nce(f, bank, bank.draw(z.sample, negatives, rng / z.progress.draw()),
                                             {.temperature = temperature});
    bank.update(z.sample, f.detach(), momentum);
    return loss;
  }

  template <class F>
  void members(F&& f) {
    f("bank", bank);
  }
};

struct InstDiscConfig {
  std::int64_t pictures = 0;      // of the training set
  std::int64_t negatives = 4096;  // 0: all pictures, by a softmax
  double temperature = 0.07;      // CIFAR: 0.1
  double momentum = 0.5;
  std::int64_t dimension = 128;

  void settings(SettingList& list) {
    list.number("temperature", temperature, 1e-4, 1e4, "temperature of the contrastive loss");
    list.number("negatives", negatives, 0, 1 << 22, "rows of the memory bank drawn for each image");
    list.number("bank-momentum", momentum, 0, 1, "momentum of the rows of the memory bank");
    list.number("dimension", dimension, 1, 1 << 14, "width of the embedding");
  }
};

/// InstDisc (Wu et al. 2018, arXiv:1805.01978; zhirongw/lemniscate.pytorch, main.py, cifar.py): every picture is a class
/// of its own, whose weights are a moving average of its embeddings. One view; head: a linear layer.
template <class Encoder, class Augmentation>
auto instdisc(Encoder encoder, Augmentation augment, const InstDiscConfig& config, Rng rng) {
  require(config.pictures > 0, "[instdisc] the bank needs the number of pictures of the training set, got ",
          config.pictures);
  require(config.negatives >= 0 && config.negatives <= config.pictures, "[instdisc] ", config.negatives,
          " negatives cannot be drawn from a data set of ", config.pictures,
          " pictures: take fewer, or the softmax over all (--loss softmax)");
  const std::int64_t features = encoder.features();
  return Method(std::move(encoder), Linear(features, config.dimension, rng / "projector"), Identity{},
                InstanceDiscrimination{MemoryBank(config.pictures, config.dimension, rng), config.negatives,
                                       config.temperature, config.momentum, rng / "instdisc"},
                std::move(augment), Shared{});
}

}  // namespace contrastive
