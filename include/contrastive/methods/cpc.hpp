// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/core/setting.hpp"
#include "contrastive/encoders/context.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/objectives/cpc.hpp"

namespace contrastive {

/// The autoregressor in the projector's place: it summarises the encoder's grid, and hands on features and contexts of
/// all positions, (N, R S (D + C)). Of features that are already pooled it makes nothing.
template <class Context>
struct CpcHead {
  Context context;
  bool evaluate_context = false;

  template <class Encoder>
  Tensor through(const Encoder& encoder, const Views& views, std::size_t v) const {
    const Tensor z = encoder.grid(views.view.at(v));  // (N, R, S, D)
    return concat({z, context(z)}, 3).reshape({z.size(0), -1});
  }
  Tensor operator()(const Tensor& features) const { return features; }
  /// What evaluation looks at: the mean context, or what the encoder gives.
  template <class Encoder>
  Tensor features(const Encoder& encoder, const Tensor& view) const {
    if (!evaluate_context) return encoder(view);
    const Tensor c = context(encoder.grid(view));  // (N, R, S, C)
    return mean(c.reshape({c.size(0), c.size(1) * c.size(2), c.size(3)}), 1);
  }

  template <class F>
  void members(F&& f) {
    f("context", context);
  }
};

/// CPC's loss of what `CpcHead` hands on, with a W for each step ahead. What is drawn depends on (seed, step) alone.
struct ContextPrediction {
  std::vector<Parameter> W{};  // (C, D) each
  std::int64_t columns = 0;    // of the grid; 0: as many as rows
  std::int64_t skip = 1;
  std::int64_t negatives = 16;  // 0: all positions of the batch
  double epsilon = 1e-11;
  Rng rng{};

  Tensor operator()(const Embeddings& z) const {
    const Tensor& all = z.online.at(0);
    const std::int64_t N = all.size(0), C = W.at(0).size(0), D = W[0].size(1), positions = all.size(1) / (C + D);
    const std::int64_t S = columns > 0 ? columns : std::llround(std::sqrt(static_cast<double>(positions)));
    require(positions * (C + D) == all.size(1) && S > 0 && positions % S == 0, "[cpc] ", all.shape(), " is no grid of ",
            S, " columns with ", D, " features and ", C, " of context");
    const std::int64_t R = positions / S, K = static_cast<std::int64_t>(W.size());
    const Tensor grid = all.reshape({N, R, S, D + C});
    std::vector<Tensor> drawn;
    if (negatives > 0 && R > K + skip)
      for (std::int64_t k = 1; k <= K; ++k)
        drawn.push_back(
            draw_positions((R - k - skip) * S * N, negatives, rng / z.progress.draw() / static_cast<std::uint64_t>(k)));
    const std::vector<Tensor> weights(W.begin(), W.end());
    return cpc_loss(narrow(grid, 3, 0, D), narrow(grid, 3, D, D + C), weights, skip, drawn, epsilon);
  }

  template <class F>
  void members(F&& f) {
    f("W", W);
  }
};

struct CpcConfig {
  std::int64_t steps = 5;         // K: rows ahead; audio: 12
  std::int64_t skip = 1;          // 0 where features do not overlap
  std::int64_t negatives = 16;    // 0: all positions of the batch
  std::int64_t context = 0;       // its channels; 0: as many as features
  std::int64_t columns = 0;       // of the grid; 0: as many as rows; a sequence: 1
  bool evaluate_context = false;  // evaluation looks at the mean context (audio), not at the encoder's features

  void settings(SettingList& list) {
    list.number("negatives", negatives, 0, 1 << 22, "drawn for each prediction; 0: all of the batch");
    list.number("predictions", steps, 1, 1000, "steps ahead that are predicted");
  }
};

/// CPC (van den Oord et al. 2018, arXiv:1807.03748; loweX/Greedy_InfoMax for pictures): the top of a picture, or the past
/// of a sequence, predicts what follows it. `encoder` has `grid(x)`, (N, R, S, D): a `PatchEncoder` or a `WaveEncoder`.
/// `Context`: `PixelCnn`, or `GruContext` as for audio. One view.
///
///     auto method = cpc<PixelCnn>(cpc_encoder(rng), cpc(64, 96), {}, rng);
///
/// Deviation from the paper: patches are not cropped once more each.
template <class Context, class Encoder, class Augmentation>
auto cpc(Encoder encoder, Augmentation augment, const CpcConfig& config, Rng rng) {
  const std::int64_t D = encoder.features(), C = config.context > 0 ? config.context : D;
  require(config.steps > 0 && config.skip >= 0 && config.negatives >= 0, "[cpc] expected steps above 0, skip and ",
          "negatives of 0 or more, got ", config.steps, ", ", config.skip, ", ", config.negatives);
  ContextPrediction objective{
      .columns = config.columns, .skip = config.skip, .negatives = config.negatives, .rng = rng / "cpc"};
  for (std::int64_t k = 0; k < config.steps; ++k)
    objective.W.emplace_back(
        init::uniform({C, D}, 1 / std::sqrt(static_cast<double>(D)), rng / "W" / static_cast<std::uint64_t>(k)));
  return Method(std::move(encoder), CpcHead<Context>{Context(D, C, rng / "context"), config.evaluate_context},
                Identity{}, std::move(objective), std::move(augment), Shared{});
}

}  // namespace contrastive
