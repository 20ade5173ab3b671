// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <utility>
#include <vector>

#include "contrastive/nn/init.hpp"
#include "contrastive/nn/module.hpp"
#include "contrastive/ops/conv2d.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/patches.hpp"
#include "contrastive/ops/pool.hpp"

namespace contrastive {

/// Convolution with a bias, begun as torch.nn.Conv2d: both uniform in +-1/sqrt(fan in). The kernel may be lower and
/// narrower than the square window that it is placed in the middle of: rows x columns, (out, rows, columns, in).
struct BiasedConv2d {
  Parameter weight, bias;
  WindowSpec window;
  int above = 0;  // rows of zeros over the kernel

  BiasedConv2d() = default;
  BiasedConv2d(std::int64_t in, std::int64_t out, WindowSpec spec, Rng rng)
      : BiasedConv2d(in, out, spec, spec.kernel, spec.kernel, 0, rng) {}
  BiasedConv2d(std::int64_t in, std::int64_t out, WindowSpec spec, int rows, int columns, int rows_above, Rng rng)
      : window(spec), above(rows_above) {
    const double bound = 1 / std::sqrt(static_cast<double>(in * rows * columns));
    weight = Parameter(init::uniform({out, rows, columns, in}, bound, rng / "weight"));
    bias = Parameter(init::uniform({out}, bound, rng / "bias"));
  }

  Tensor operator()(const Tensor& x) const { return add_bias(conv2d(x, placed(), window), bias); }
  /// max(0, it), with the bias in the same pass.
  Tensor relu(const Tensor& x) const { return contrastive::relu(conv2d(x, placed(), window), bias); }

  template <class F>
  void members(F&& f) {
    f("weight", weight);
    f("bias", bias);
  }

 private:
  Tensor placed() const {
    const std::int64_t below = window.kernel - above - weight.size(1);
    if (above == 0 && below == 0) return weight;
    const auto zeros = [&](std::int64_t rows) {
      return Tensor::zeros({weight.size(0), rows, weight.size(2), weight.size(3)}, weight.dtype(), weight.device());
    };
    return concat({zeros(above), weight, zeros(below)}, 1);
  }
};

struct PreactResNetConfig {
  std::vector<int> blocks = {3, 4, 6};
  bool bottleneck = true;  // 1x1 - 3x3 - 1x1 with four times the width out
  int width = 64;          // of the first stage; each next one doubles
  int stem = 5;            // side of the first kernel
  int channels = 1;        // of the picture
};

/// A pre-activation residual network without any norm, as CPC encodes a patch (loweX/Greedy_InfoMax,
/// vision/models/Resnet_Encoder.py: three stages of ResNet-50): (N, H, W, C) -> (N, features). With batch norm, patches
/// would tell each other which picture they are from.
class PreactResNet {
 public:
  PreactResNet() = default;
  PreactResNet(const PreactResNetConfig& config, Rng rng) {
    stem = BiasedConv2d(config.channels, config.width, {config.stem, 1, config.stem / 2}, rng / "stem");
    std::int64_t in = config.width;
    for (std::size_t s = 0; s < config.blocks.size(); ++s)
      for (int b = 0; b < config.blocks[s]; ++b) {
        const Rng at = rng / "layer" / s / static_cast<std::uint64_t>(b);
        const std::int64_t width = config.width << s;
        blocks.emplace_back(in, width, s > 0 && b == 0 ? 2 : 1, config.bottleneck, at);
        in = width * (config.bottleneck ? 4 : 1);
      }
    features_ = in;
  }

  std::int64_t features() const { return features_; }

  Tensor operator()(const Tensor& x) const {
    Tensor y = stem(x);
    for (const Block& block : blocks) y = block(y);
    return global_avg_pool(y);
  }

  template <class F>
  void members(F&& f) {
    f("stem", stem);
    f("blocks", blocks);
  }

  struct Block {
    std::vector<BiasedConv2d> convs;
    std::vector<BiasedConv2d> shortcut;  // one, where the size changes

    Block(std::int64_t in, std::int64_t width, int stride, bool bottleneck, Rng rng) {
      const std::int64_t out = bottleneck ? width * 4 : width;
      if (bottleneck) {
        convs.emplace_back(in, width, WindowSpec{1, 1, 0}, rng / 0);
        convs.emplace_back(width, width, WindowSpec{3, stride, 1}, rng / 1);
        convs.emplace_back(width, out, WindowSpec{1, 1, 0}, rng / 2);
      } else {
        convs.emplace_back(in, width, WindowSpec{3, stride, 1}, rng / 0);
        convs.emplace_back(width, out, WindowSpec{3, 1, 1}, rng / 1);
      }
      if (stride != 1 || in != out) shortcut.emplace_back(in, out, WindowSpec{1, stride, 0}, rng / "shortcut");
    }

    Tensor operator()(const Tensor& x) const {
      const Tensor active = relu(x);
      Tensor y = active;
      for (std::size_t i = 0; i + 1 < convs.size(); ++i) y = convs[i].relu(y);
      return convs.back()(y) + (shortcut.empty() ? x : shortcut[0](active));
    }

    template <class F>
    void members(F&& f) {
      f("convs", convs);
      f("shortcut", shortcut);
    }
  };

  BiasedConv2d stem;
  std::vector<Block> blocks;

 private:
  std::int64_t features_ = 0;
};

/// A network over each patch of a picture by itself. `grid(x)`: (N, H, W, C) -> (N, R, S, D); the picture's features are
/// their mean, (N, D).
template <class Net>
struct PatchEncoder {
  PatchGrid layout;
  Net net;

  std::int64_t features() const { return net.features(); }

  Tensor grid(const Tensor& x) const {
    const std::int64_t N = x.size(0), R = layout.along(x.size(1)), S = layout.along(x.size(2));
    return net(patches(x, layout)).reshape({N, R, S, features()});
  }
  Tensor operator()(const Tensor& x) const { return global_avg_pool(grid(x)); }

  template <class F>
  void members(F&& f) {
    f("net", net);
  }
};

/// CPC's on STL-10 (loweX/Greedy_InfoMax): 16 pixels every 8, 7 x 7 of a 64-pixel picture; 1024 features.
inline PatchEncoder<PreactResNet> cpc_encoder(Rng rng, int channels = 1) {
  return {{16, 8}, PreactResNet({.channels = channels}, rng)};
}
/// For pictures of 28 or 32 pixels: 8 every 4, 6 x 6 or 7 x 7; 128 features.
inline PatchEncoder<PreactResNet> cpc_encoder_small(Rng rng, int channels = 1) {
  return {{8, 4},
          PreactResNet({.blocks = {1, 1, 1}, .bottleneck = false, .width = 32, .stem = 3, .channels = channels}, rng)};
}

}  // namespace contrastive
