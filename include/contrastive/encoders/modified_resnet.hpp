// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "contrastive/nn/batch_norm.hpp"
#include "contrastive/nn/conv.hpp"
#include "contrastive/nn/linear.hpp"
#include "contrastive/nn/positions.hpp"
#include "contrastive/ops/cross_attention.hpp"
#include "contrastive/ops/pool.hpp"

namespace contrastive {

/// Sizes of CLIP's residual network; the defaults are RN50's.
struct ModifiedResNetConfig {
  std::vector<int> blocks = {3, 4, 6, 3};
  std::int64_t width = 64;  // channels after the stem; the grid has 32 times as many
  int image_size = 224;
  int heads = 32;              // of the pool; OpenAI's: width / 2
  std::int64_t output = 1024;  // of the pool: the width of the embedding
  int channels = 3;

  int grid() const { return image_size / 32; }
};

/// One query, the mean of a grid of features, pays attention to itself and all cells: (N, H, W, C) -> (N, output)
/// (openai/CLIP, clip/model.py, AttentionPool2d).
struct AttentionPool {
  Parameter positional_embedding;  // (1 + side^2, C), the mean's first
  Linear q_proj, k_proj, v_proj, c_proj;
  int heads = 1;
  int side = 0;

  AttentionPool() = default;
  AttentionPool(std::int64_t C, int grid, int head_count, std::int64_t output, Rng rng)
      : q_proj(C, C, rng / "q_proj"),
        k_proj(C, C, rng / "k_proj"),
        v_proj(C, C, rng / "v_proj"),
        c_proj(C, output, rng / "c_proj"),
        heads(head_count),
        side(grid) {
    require(heads >= 1 && C % heads == 0, "[attention_pool] ", heads, " heads do not divide ", C, " channels");
    const double deviation = 1 / std::sqrt(static_cast<double>(C));
    positional_embedding =
        Parameter(init::normal({std::int64_t{side} * side + 1, C}, deviation, rng / "positional_embedding"));
    for (const auto& [layer, name] :
         {std::pair(&q_proj, "q_proj"), {&k_proj, "k_proj"}, {&v_proj, "v_proj"}, {&c_proj, "c_proj"}})
      layer->weight.copy_from(init::normal(layer->weight.shape(), deviation, rng / name / "start"));
  }

  Tensor operator()(const Tensor& grid) const {
    const Tensor x = tokens(grid), query = narrow(x, 1, 0, 1);
    const Tensor pooled = cross_attention(q_proj(query), k_proj(x), v_proj(x), heads);  // (N, 1, C)
    return c_proj(pooled).reshape({x.size(0), c_proj.weight.size(0)});
  }
  /// What the mean pays attention to, itself first: (N, heads, 1 + H W).
  Tensor weights(const Tensor& grid) const {
    const Tensor x = tokens(grid);
    return cross_attention_weights(q_proj(narrow(x, 1, 0, 1)), k_proj(x), heads).reshape({x.size(0), heads, x.size(1)});
  }

  template <class F>
  void members(F&& f) {
    f("positional_embedding", positional_embedding);
    f("q_proj", q_proj);
    f("k_proj", k_proj);
    f("v_proj", v_proj);
    f("c_proj", c_proj);
  }

 private:
  /// Mean and cells at their positions, (N, 1 + H W, C).
  Tensor tokens(const Tensor& grid) const {
    const std::int64_t N = grid.size(0), height = grid.size(1), width = grid.size(2), C = grid.size(3);
    const Tensor cells = grid.reshape({N, height * width, C});
    Tensor places = positional_embedding;
    if (height != side || width != side) {
      const Tensor known = narrow(places, 0, 1, places.size(0));
      places = concat(
          {narrow(places, 0, 0, 1), resize_positions(known, side, side, height, width, PositionResize::antialias)});
    }
    return concat({mean(cells, 1, true), cells}, 1) + cast(places, cells.dtype());
  }
};

/// CLIP's residual network with attention pooling (Radford et al. 2021, arXiv:2103.00020; openai/CLIP, clip/model.py,
/// ModifiedResNet): (N, H, W, C) -> (N, output). The stem is three 3x3 convolutions and a mean of 2x2; a stride is a mean
/// of 2x2 before a 1x1 convolution. Names are OpenAI's below `visual.`. Images of another size than `image_size` take
/// resized positions in the pool.
class ModifiedResNet {
 public:
  ModifiedResNet() = default;
  ModifiedResNet(const ModifiedResNetConfig& config, Rng rng) : config_(config) {
    const std::int64_t W = config.width;
    require(config.blocks.size() == 4 && W >= 2 && W % 2 == 0 && config.image_size >= 32 && config.image_size % 32 == 0,
            "[modified_resnet] expected 4 stages, an even width and images of a multiple of 32 pixels, got ",
            config.blocks.size(), ", ", W, " and ", config.image_size);
    conv1 = conv(config.channels, W / 2, {.kernel = 3, .stride = 2, .padding = 1}, rng / "conv1");
    conv2 = conv(W / 2, W / 2, {.kernel = 3, .padding = 1}, rng / "conv2");
    conv3 = conv(W / 2, W, {.kernel = 3, .padding = 1}, rng / "conv3");
    bn1 = BatchNorm(W / 2), bn2 = BatchNorm(W / 2), bn3 = BatchNorm(W);
    std::int64_t in = W;
    for (std::size_t s = 0; s < config.blocks.size(); ++s) {
      std::vector<Block>& stage = stages.emplace_back();
      for (int b = 0; b < config.blocks[s]; ++b) {
        stage.emplace_back(in, W << s, s > 0 && b == 0 ? 2 : 1, rng / "layer" / s / static_cast<std::uint64_t>(b));
        in = 4 * (W << s);
      }
    }
    attnpool = AttentionPool(in, config.grid(), config.heads, config.output, rng / "attnpool");
  }

  std::int64_t features() const { return config_.output; }
  const ModifiedResNetConfig& config() const { return config_; }

  Tensor operator()(const Tensor& images) const { return attnpool(grid(images)); }
  /// The features before the attention pool: (N, H, W, C) -> (N, H / 32, W / 32, 32 width).
  Tensor grid(const Tensor& images) const {
    return through_stages(images, [](const Tensor&) {});
  }
  /// The same; `each(x)` sees the features after the stem and after each stage.
  template <class Each>
  Tensor through_stages(const Tensor& images, Each&& each) const {
    Tensor x = avg_pool(bn3.relu(conv3, bn2.relu(conv2, bn1.relu(conv1, images))), {.kernel = 2, .stride = 2});
    each(x);
    for (const auto& stage : stages) {
      for (const Block& block : stage) x = block(x);
      each(x);
    }
    return x;
  }

  template <class F>
  void members(F&& f) {
    f("conv1", conv1);
    f("bn1", bn1);
    f("conv2", conv2);
    f("bn2", bn2);
    f("conv3", conv3);
    f("bn3", bn3);
    for (std::size_t s = 0; s < stages.size(); ++s) f("layer" + std::to_string(s + 1), stages[s]);
    f("attnpool", attnpool);
  }

  /// 1x1, 3x3 and 1x1 with four times the width out; `downsample` only where the size or the width changes.
  struct Block {
    Conv2d conv1, conv2, conv3, downsample;
    BatchNorm bn1, bn2, bn3, downsample_bn;
    int stride = 1;

    Block(std::int64_t in, std::int64_t width, int step, Rng rng)
        : conv1(conv(in, width, {.kernel = 1}, rng / "conv1")),
          conv2(conv(width, width, {.kernel = 3, .padding = 1}, rng / "conv2")),
          conv3(conv(width, 4 * width, {.kernel = 1}, rng / "conv3")),
          bn1(width),
          bn2(width),
          bn3(4 * width),
          stride(step) {
      if (stride != 1 || in != 4 * width) {
        downsample = conv(in, 4 * width, {.kernel = 1}, rng / "downsample");
        downsample_bn = BatchNorm(4 * width);
      }
      bn3.weight.copy_from(Tensor::zeros({4 * width}));  // each block starts as its shortcut
    }

    Tensor operator()(const Tensor& x) const {
      const Tensor shortcut = downsample.weight.defined() ? downsample_bn(downsample, smaller(x)) : x;
      return bn3.relu(conv3, smaller(bn2.relu(conv2, bn1.relu(conv1, x))), shortcut);
    }

    template <class F>
    void members(F&& f) {
      f("conv1", conv1);
      f("bn1", bn1);
      f("conv2", conv2);
      f("bn2", bn2);
      f("conv3", conv3);
      f("bn3", bn3);
      if (downsample.weight.defined()) {
        f("downsample.0", downsample);
        f("downsample.1", downsample_bn);
      }
    }

   private:
    Tensor smaller(const Tensor& x) const {
      return stride == 1 ? x : avg_pool(x, {.kernel = stride, .stride = stride});
    }
  };

  Conv2d conv1, conv2, conv3;
  BatchNorm bn1, bn2, bn3;
  std::vector<std::vector<Block>> stages;
  AttentionPool attnpool;

 private:
  /// Starts as torch starts a convolution: uniform in +-1/sqrt(fan-in).
  static Conv2d conv(std::int64_t in, std::int64_t out, WindowSpec window, Rng rng) {
    Conv2d made(in, out, window, rng);
    const Shape shape = made.weight.shape();
    made.weight.copy_from(init::uniform(shape, 1 / std::sqrt(static_cast<double>(shape.count(1, 4))), rng / "start"));
    return made;
  }

  ModifiedResNetConfig config_;
};

}  // namespace contrastive
