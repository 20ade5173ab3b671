// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/core/setting.hpp"
#include "contrastive/encoders/split_channels.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/objectives/nce.hpp"
#include "contrastive/ops/softmax.hpp"

namespace contrastive {

/// Which views of a picture are compared (Tian et al. 2020, section 3.4): the first with each other one, or all pairs.
enum class ViewGraph { core, full };

/// V views of a picture, side by side in the rows of the first embedding (N, V D), each with a bank: a view is scored
/// against another's bank, at the rows that were drawn once for all. All banks move after all scores.
struct CrossViewNce {
  std::vector<MemoryBank> banks;  // V
  std::vector<Buffer> Z;          // of each pair, by `pairs`
  std::int64_t negatives = 16384;
  bool softmax = false;  // cross entropy over the drawn rows instead of NCE
  ViewGraph graph = ViewGraph::full;
  double temperature = 0.07;
  double momentum = 0.5;  // of a row
  Rng rng{};

  CrossViewNce(std::size_t views, std::int64_t pictures, std::int64_t dimension, Rng from) : rng(from) {
    require(views >= 2, "[cmc] expected two views or more, got ", views);
    for (std::size_t v = 0; v < views; ++v) banks.emplace_back(pictures, dimension, from / v);
    for (std::size_t p = 0; p < views * (views - 1); ++p) Z.emplace_back(Tensor::zeros({}, DType::f64));
  }

  /// (view, the view whose bank scores it), the order of `Z`.
  std::vector<std::pair<std::size_t, std::size_t>> pairs() const {
    std::vector<std::pair<std::size_t, std::size_t>> list;
    for (std::size_t u = 0; u < banks.size(); ++u)
      for (std::size_t v = 0; v < banks.size(); ++v)
        if (u != v && (graph == ViewGraph::full || u == 0 || v == 0)) list.push_back({u, v});
    return list;
  }

  Tensor operator()(const Embeddings& z) {
    const std::int64_t V = static_cast<std::int64_t>(banks.size()), D = banks[0].rows.size(1);
    const Tensor& all = z.online.at(0);
    require(all.rank() == 2 && all.size(1) == V * D, "[cmc] expected embeddings (N, ", V, " x ", D, "), got ",
            all.shape());
    for (const std::int64_t picture : z.sample)
      require(picture >= 0 && picture < banks[0].size(), "[cmc] picture ", picture, " has no row in banks of ",
              banks[0].size(), ": they hold one for each picture of the training set");
    std::vector<Tensor> f;
    for (std::int64_t v = 0; v < V; ++v) f.push_back(normalize(narrow(all, 1, v * D, (v + 1) * D)));
    const Tensor sampled = banks[0].draw(z.sample, negatives, rng / z.progress.draw());
    Tensor loss;
    const auto list = pairs();
    for (std::size_t p = 0; p < list.size(); ++p) {
      const auto [u, v] = list[p];
      MemoryBank scored = banks[v];
      scored.Z = Z[p];
      const Tensor one = softmax ? sampled_softmax(f[u], scored, sampled, temperature)
                                 : nce(f[u], scored, sampled, {.temperature = temperature});
      loss = loss.defined() ? loss + one : one;
    }
    for (std::size_t v = 0; v < f.size(); ++v) banks[v].update(z.sample, f[v].detach(), momentum);
    return loss;
  }

  template <class F>
  void members(F&& f) {
    f("banks", banks);
    f("Z", Z);
  }
};

struct CmcConfig {
  std::int64_t pictures = 0;       // of the training set
  std::int64_t negatives = 16384;  // the README's tables: 4096
  bool softmax = false;
  ViewGraph graph = ViewGraph::full;  // of two views both graphs are the same
  double temperature = 0.07;          // STL-10: 0.1
  double momentum = 0.5;
  std::int64_t dimension = 128;

  void settings(SettingList& list) {
    list.number("temperature", temperature, 1e-4, 1e4, "temperature of the contrastive loss");
    list.number("negatives", negatives, 1, 1 << 22, "rows of the memory bank drawn for each image");
    list.number("bank-momentum", momentum, 0, 1, "momentum of the rows of the memory banks");
    list.number("dimension", dimension, 1, 1 << 14, "width of the embedding");
  }
};

/// CMC (Tian et al. 2020, arXiv:1906.05849; HobbitLong/CMC, train_CMC.py): the colour channels of a picture are its views,
/// L and ab, each with an encoder and a linear head of its own, and a view falls to the other view of its picture.
/// `encoder` is a `SplitChannels`; the augmentation ends in `Lab` or `YCbCr`.
template <class Encoder, class Augmentation>
auto cmc(SplitChannels<Encoder> encoder, Augmentation augment, const CmcConfig& config, Rng rng) {
  require(config.pictures > 0, "[cmc] the banks need the number of pictures of the training set, got ",
          config.pictures);
  require(config.negatives > 0 && config.negatives <= config.pictures, "[cmc] ", config.negatives,
          " negatives cannot be drawn from a data set of ", config.pictures, " pictures");
  const std::vector<std::int64_t> widths = encoder.widths();
  CrossViewNce objective(widths.size(), config.pictures, config.dimension, rng / "cmc");
  objective.negatives = config.negatives;
  objective.softmax = config.softmax;
  objective.graph = config.graph;
  objective.temperature = config.temperature;
  objective.momentum = config.momentum;
  return Method(std::move(encoder), SplitLinear(widths, config.dimension, rng / "projector"), Identity{},
                std::move(objective), std::move(augment), Shared{});
}

}  // namespace contrastive
