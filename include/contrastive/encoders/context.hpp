// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "contrastive/encoders/patch_encoder.hpp"
#include "contrastive/nn/gru.hpp"
#include "contrastive/nn/linear.hpp"

/// What summarises a grid of features (N, R, S, D) from its top down: context (N, R, S, C), where row r has seen rows up to
/// r and none below.
namespace contrastive {

/// A gated PixelCNN layer with a vertical and a horizontal path (van den Oord et al. 2016, arXiv:1606.05328; as
/// loweX/Greedy_InfoMax has it, vision/models/PixelCNN.py, mask mode only_vert): the vertical 3x3 kernel lacks the row
/// below, the horizontal 1x3 sees its whole row.
struct GatedLayer {
  BiasedConv2d vertical;         // to 2 C
  BiasedConv2d horizontal;       // to 2 C
  Linear across;                 // vertical to horizontal
  Linear out;                    // of the horizontal path
  std::vector<Linear> residual;  // of the vertical path: all layers but the first

  GatedLayer(std::int64_t in, std::int64_t channels, bool first, Rng rng) {
    vertical = BiasedConv2d(in, 2 * channels, {3, 1, 1}, 2, 3, 0, rng / "vertical");
    horizontal = BiasedConv2d(in, 2 * channels, {3, 1, 1}, 1, 3, 1, rng / "horizontal");
    across = Linear(2 * channels, 2 * channels, rng / "across");
    out = Linear(channels, channels, rng / "out");
    if (!first) residual.emplace_back(in, 2 * channels, rng / "residual");
  }

  /// Both paths move on.
  void operator()(Tensor& v, Tensor& h) const {
    const auto pointwise = [](const Linear& layer, const Tensor& x) {
      const Shape s = x.shape();
      return layer(x.reshape({s[0] * s[1] * s[2], s[3]})).reshape({s[0], s[1], s[2], layer.weight.size(0)});
    };
    const auto gate = [](const Tensor& x) {
      const std::int64_t C = x.size(3) / 2;
      return tanh(narrow(x, 3, 0, C)) * sigmoid(narrow(x, 3, C, 2 * C));
    };
    Tensor down = vertical(v);
    const Tensor beside = horizontal(h) + pointwise(across, down);
    if (!residual.empty()) down = down + pointwise(residual[0], v);
    const Tensor y = pointwise(out, gate(beside));
    h = residual.empty() ? y : h + y;
    v = gate(down);
  }

  template <class F>
  void members(F&& f) {
    f("vertical", vertical);
    f("horizontal", horizontal);
    f("across", across);
    f("out", out);
    f("residual", residual);
  }
};

/// Layers of a gated PixelCNN and a 1x1 convolution.
struct PixelCnn {
  std::vector<GatedLayer> layers;
  Linear last;

  PixelCnn() = default;
  PixelCnn(std::int64_t in, std::int64_t channels, Rng rng, int depth = 4) {
    for (int i = 0; i < depth; ++i)
      layers.emplace_back(i == 0 ? in : channels, channels, i == 0, rng / "layers" / static_cast<std::uint64_t>(i));
    last = Linear(channels, channels, rng / "last");
  }

  std::int64_t channels() const { return last.weight.size(0); }

  Tensor operator()(const Tensor& z) const {
    Tensor v = z, h = z;
    for (const GatedLayer& layer : layers) layer(v, h);
    const Shape s = h.shape();
    return last(h.reshape({s[0] * s[1] * s[2], s[3]})).reshape(s);
  }

  template <class F>
  void members(F&& f) {
    f("layers", layers);
    f("last", last);
  }
};

/// A GRU down each column by itself; of one column, a GRU along a sequence.
struct GruContext {
  Gru gru;

  GruContext() = default;
  GruContext(std::int64_t in, std::int64_t channels, Rng rng) : gru(in, channels, rng) {}

  std::int64_t channels() const { return gru.hidden(); }

  Tensor operator()(const Tensor& z) const {
    const std::int64_t N = z.size(0), R = z.size(1), S = z.size(2), D = z.size(3), C = channels();
    const Tensor columns = permute(z, {0, 2, 1, 3}).reshape({N * S, R, D});
    return permute(gru(columns).reshape({N, S, R, C}), {0, 2, 1, 3});
  }

  template <class F>
  void members(F&& f) {
    f("gru", gru);
  }
};

}  // namespace contrastive
