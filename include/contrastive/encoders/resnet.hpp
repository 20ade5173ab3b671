// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "contrastive/encoders/selective_kernel.hpp"
#include "contrastive/encoders/stage.hpp"
#include "contrastive/nn/batch_norm.hpp"
#include "contrastive/nn/conv.hpp"
#include "contrastive/ops/pool.hpp"

namespace contrastive {

enum class ResNetStem {
  imagenet,  // 7x7 stride 2, then 3x3 max pool stride 2
  small,     // 3x3 stride 1 and no pool, for pictures of 32 pixels (SimCLR, appendix B.9)
};

struct ResNetConfig {
  std::vector<int> blocks = {2, 2, 2, 2};  // residual blocks a stage
  bool bottleneck = false;                 // 1x1 - 3x3 - 1x1 with four times the width out
  int width = 64;                          // channels of the first stage; each next one doubles
  ResNetStem stem = ResNetStem::imagenet;
  bool zero_init_residual = false;  // last gain of each block starts at 0 (SimSiam, MoCo v3)
  int channels = 3;                 // of the picture
  /// ResNet-D (He et al. 2019, arXiv:1812.01187) as SimCLR v2 has it: the large stem is three 3x3 convolutions, half as
  /// wide at first, and each shortcut's 1x1 convolution sees 2x2 means, at every pixel where the block does not stride.
  bool resnet_d = false;
  bool same_pool = false;  // `max_pool_same` in the large stem (SimCLR)
  double sk_ratio = 0;     // above 0: bottlenecks have selective kernels (SimCLR v2: 0.0625, with resnet_d)
};

/// A residual network (He et al. 2016, arXiv:1512.03385) without its classifier: (N, H, W, C) -> (N, features).
/// Names, layout and arithmetic are torchvision's (v1.5: a bottleneck strides in its 3x3 convolution).
class ResNet {
 public:
  ResNet() = default;
  ResNet(const ResNetConfig& config, Rng rng) : config_(config) {
    const int width = config.width;
    require(config.sk_ratio == 0 || config.bottleneck, "[resnet] selective kernels are for bottleneck blocks");
    if (config.resnet_d && config.stem == ResNetStem::imagenet) {
      deep.push_back({Conv2d(config.channels, width / 2, {.kernel = 3, .stride = 2, .padding = 1}, rng / "deep" / 0),
                      BatchNorm(width / 2)});
      deep.push_back(
          {Conv2d(width / 2, width / 2, {.kernel = 3, .padding = 1}, rng / "deep" / 1), BatchNorm(width / 2)});
      conv1 = Conv2d(width / 2, width, {.kernel = 3, .padding = 1}, rng / "conv1");
    } else if (config.stem == ResNetStem::imagenet) {
      conv1 = Conv2d(config.channels, width, {.kernel = 7, .stride = 2, .padding = 3}, rng / "conv1");
    } else {
      conv1 = Conv2d(config.channels, width, {.kernel = 3, .stride = 1, .padding = 1}, rng / "conv1");
    }
    bn1 = BatchNorm(width);
    std::int64_t in = width;
    for (std::size_t s = 0; s < config.blocks.size(); ++s) {
      std::vector<Block>& stage = stages.emplace_back();
      for (int b = 0; b < config.blocks[s]; ++b) {
        const int stride = s > 0 && b == 0 ? 2 : 1;
        stage.emplace_back(in, width << s, stride, config, rng / "layer" / s / static_cast<std::uint64_t>(b));
        in = (width << s) * (config.bottleneck ? 4 : 1);
      }
    }
    features_ = in;
  }

  std::int64_t features() const { return features_; }
  const ResNetConfig& config() const { return config_; }

  Tensor operator()(const Tensor& images) const {
    Tensor x = stem(images);
    for (const auto& stage : stages)
      for (const Block& block : stage) x = block(x);
    return global_avg_pool(x);
  }

  std::vector<Stage> stage_list() const {
    std::vector<Stage> list;
    const int first = config_.stem == ResNetStem::imagenet ? 4 : 1, wider = config_.bottleneck ? 4 : 1;
    for (std::size_t s = 0; s < stages.size(); ++s)
      list.push_back({std::int64_t{config_.width << s} * wider, first << s});
    return list;
  }
  /// The map after each stage, the largest first (encoders/stage.hpp).
  std::vector<Tensor> stage_maps(const Tensor& images) const {
    Tensor x = stem(images);
    std::vector<Tensor> maps;
    for (const auto& stage : stages) {
      for (const Block& block : stage) x = block(x);
      maps.push_back(x);
    }
    return maps;
  }

  /// Spatial features after the stem (before its pool) and each stage, averaged: what parity tests look at.
  std::vector<Tensor> stage_means(const Tensor& images) const {
    Tensor x = before_pool(images);
    std::vector<Tensor> means{global_avg_pool(x)};
    x = pool(x);
    for (const auto& stage : stages) {
      for (const Block& block : stage) x = block(x);
      means.push_back(global_avg_pool(x));
    }
    return means;
  }

  template <class F>
  void members(F&& f) {
    if (!deep.empty()) f("deep", deep);
    f("conv1", conv1);
    f("bn1", bn1);
    for (std::size_t s = 0; s < stages.size(); ++s) f("layer" + std::to_string(s + 1), stages[s]);
  }

  /// A residual block; `conv3` and `downsample` only where they exist, and `sk` for `conv2` and `bn2`.
  struct Block {
    Conv2d conv1, conv2, conv3, shortcut;
    BatchNorm bn1, bn2, bn3, shortcut_bn;
    SelectiveKernelConv sk;
    int mean_stride = 0;  // of the means before the shortcut's convolution; 0: none

    Block(std::int64_t in, std::int64_t width, int stride, const ResNetConfig& config, Rng rng) {
      const std::int64_t out = config.bottleneck ? width * 4 : width;
      if (config.bottleneck) {
        conv1 = Conv2d(in, width, {.kernel = 1}, rng / "conv1");
        if (config.sk_ratio > 0)
          sk = SelectiveKernelConv(width, width, stride, config.sk_ratio, rng / "sk");
        else
          conv2 = Conv2d(width, width, {.kernel = 3, .stride = stride, .padding = 1}, rng / "conv2");
        conv3 = Conv2d(width, out, {.kernel = 1}, rng / "conv3");
        bn3 = BatchNorm(out);
      } else {
        conv1 = Conv2d(in, width, {.kernel = 3, .stride = stride, .padding = 1}, rng / "conv1");
        conv2 = Conv2d(width, width, {.kernel = 3, .stride = 1, .padding = 1}, rng / "conv2");
      }
      bn1 = BatchNorm(width);
      if (config.sk_ratio == 0) bn2 = BatchNorm(width);
      if (stride != 1 || in != out) {
        mean_stride = config.resnet_d ? stride : 0;
        shortcut = Conv2d(in, out, {.kernel = 1, .stride = config.resnet_d ? 1 : stride}, rng / "downsample");
        shortcut_bn = BatchNorm(out);
      }
      if (config.zero_init_residual) {
        const Parameter& gain = config.bottleneck ? bn3.weight : bn2.weight;
        gain.kernels().fill(gain.view_to_write(), 0);
      }
    }

    Tensor operator()(const Tensor& x) const {
      const Tensor residual =
          shortcut.weight.defined() ? shortcut_bn(shortcut, mean_stride ? mean_2x2(x, mean_stride) : x) : x;
      const Tensor inner = bn1.relu(conv1, x);
      if (sk.conv.weight.defined()) return bn3.relu(conv3, sk(inner), residual);
      if (!conv3.weight.defined()) return bn2.relu(conv2, inner, residual);
      return bn3.relu(conv3, bn2.relu(conv2, inner), residual);
    }

    template <class F>
    void members(F&& f) {
      f("conv1", conv1);
      f("bn1", bn1);
      if (sk.conv.weight.defined()) {
        f("sk", sk);
      } else {
        f("conv2", conv2);
        f("bn2", bn2);
      }
      if (conv3.weight.defined()) {
        f("conv3", conv3);
        f("bn3", bn3);
      }
      if (shortcut.weight.defined()) {
        f("downsample.0", shortcut);
        f("downsample.1", shortcut_bn);
      }
    }
  };

  struct StemLayer {
    Conv2d conv;
    BatchNorm bn;
    template <class F>
    void members(F&& f) {
      f("conv", conv);
      f("bn", bn);
    }
  };

  std::vector<StemLayer> deep;  // of ResNet-D, before conv1
  Conv2d conv1;
  BatchNorm bn1;
  std::vector<std::vector<Block>> stages;

 private:
  Tensor before_pool(Tensor x) const {
    for (const StemLayer& layer : deep) x = layer.bn.relu(layer.conv, x);
    return bn1.relu(conv1, x);
  }
  Tensor pool(const Tensor& x) const {
    if (config_.stem == ResNetStem::small) return x;
    return config_.same_pool ? max_pool_same(x) : max_pool(x, {.kernel = 3, .stride = 2, .padding = 1});
  }
  Tensor stem(const Tensor& images) const { return pool(before_pool(images)); }

  ResNetConfig config_;
  std::int64_t features_ = 0;
};

inline ResNet resnet18(Rng rng, ResNetStem stem = ResNetStem::imagenet) { return ResNet({.stem = stem}, rng); }
inline ResNet resnet34(Rng rng, ResNetStem stem = ResNetStem::imagenet) {
  return ResNet({.blocks = {3, 4, 6, 3}, .stem = stem}, rng);
}
inline ResNet resnet50(Rng rng, ResNetStem stem = ResNetStem::imagenet) {
  return ResNet({.blocks = {3, 4, 6, 3}, .bottleneck = true, .stem = stem}, rng);
}
/// SimCLR v2's (Chen et al. 2020, arXiv:2006.10029; google-research/simclr, resnet.py): a ResNet-50 whose channels are
/// `multiplier` times as many, the last gain of each block 0 at first; `selective` with selective kernels and ResNet-D.
/// Without its classifier 24 million parameters, 35 with selective kernels.
inline ResNet resnet50_simclr_v2(Rng rng, int multiplier = 1, bool selective = true,
                                 ResNetStem stem = ResNetStem::imagenet, int channels = 3) {
  return ResNet({.blocks = {3, 4, 6, 3},
                 .bottleneck = true,
                 .width = 64 * multiplier,
                 .stem = stem,
                 .zero_init_residual = true,
                 .channels = channels,
                 .resnet_d = selective,
                 .same_pool = true,
                 .sk_ratio = selective ? 0.0625 : 0},
                rng);
}
/// The CIFAR networks of He et al. 2016, section 4.2: depth 6 n + 2 (20, 32, 44, 56), widths 16-32-64. Shortcuts that
/// change the size are 1x1 convolutions (option B).
inline ResNet resnet_cifar(int depth, Rng rng, int channels = 3) {
  require(depth >= 8 && (depth - 2) % 6 == 0, "[resnet] the CIFAR networks have depth 6 n + 2, got ", depth);
  const int n = (depth - 2) / 6;
  return ResNet({.blocks = {n, n, n}, .width = 16, .stem = ResNetStem::small, .channels = channels}, rng);
}

}  // namespace contrastive
