// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "contrastive/encoders/stage.hpp"
#include "contrastive/nn/conv.hpp"
#include "contrastive/nn/drop_path.hpp"
#include "contrastive/nn/positions.hpp"
#include "contrastive/nn/transformer.hpp"
#include "contrastive/ops/index.hpp"

namespace contrastive {

/// Sizes of CLIP's vision transformer; the defaults are ViT-B/32's.
struct ClipVisionConfig {
  int image_size = 224;
  int patch = 32;
  std::int64_t width = 768;
  int layers = 12;
  int heads = 12;  // OpenAI's: width / 64
  Activation activation = Activation::quick_gelu;
  double patch_dropout = 0;  // share of the patches that a training step leaves out (FLIP, Li et al. 2023)
  int channels = 3;

  int grid() const { return image_size / patch; }
};

/// CLIP's vision transformer without its projection (Radford et al. 2021, arXiv:2103.00020; OpenAI, clip/model.py,
/// VisionTransformer): (N, H, W, C) -> (N, width). Patches without bias, a class token, learned positions, a layer norm
/// before the blocks, and one after them on the class token alone; eps 1e-5. Names are OpenAI's below `visual.`. Images
/// of another size take positions resized as open_clip does.
class ClipVision {
 public:
  ClipVision() = default;
  ClipVision(const ClipVisionConfig& config, Rng rng)
      : ln_pre(config.width, 1e-5),
        ln_post(config.width, 1e-5),
        config_(config),
        patch_dropout_(config.patch_dropout, 1, rng / "patch_dropout") {
    require(config.patch >= 1 && config.image_size >= config.patch && config.image_size % config.patch == 0,
            "[clip_vision] a patch of ", config.patch, " pixels does not divide an image of ", config.image_size);
    const std::int64_t D = config.width, patches = std::int64_t{config.grid()} * config.grid();
    conv1 = Conv2d(config.channels, D, {.kernel = config.patch, .stride = config.patch}, rng / "conv1");
    // As torch starts a convolution, and the blocks as torch starts theirs: OpenAI's start is for the text alone.
    conv1.weight.copy_from(init::uniform(conv1.weight.shape(),
                                         1 / std::sqrt(static_cast<double>(conv1.weight.shape().count(1, 4))),
                                         rng / "conv1" / "weight"));
    const double deviation = 1 / std::sqrt(static_cast<double>(D));
    class_embedding = Parameter(init::normal({D}, deviation, rng / "class_embedding"));
    positional_embedding = Parameter(init::normal({patches + 1, D}, deviation, rng / "positional_embedding"));
    for (int i = 0; i < config.layers; ++i) {
      const Rng stream = rng / "resblocks" / static_cast<std::uint64_t>(i);
      resblocks.emplace_back(
          D, config.heads, 4 * D, stream,
          BlockOptions{.activation = config.activation, .eps = 1e-5, .names = BlockOptions::Names::clip});
      SelfAttention& attention = resblocks.back().attn;  // torch.nn.MultiheadAttention: Xavier, biases 0
      attention.qkv.weight.copy_from(init::xavier_uniform({3 * D, D}, stream / "in_proj"));
      attention.qkv.bias.copy_from(Tensor::zeros({3 * D}));
      attention.proj.bias.copy_from(Tensor::zeros({D}));
    }
  }

  std::int64_t features() const { return config_.width; }
  const ClipVisionConfig& config() const { return config_; }

  Tensor operator()(const Tensor& images) const {
    return ln_post(class_row(through_blocks(images, [](std::size_t, const Tensor&) {})));
  }
  /// The class token and the patches after all blocks and `ln_post`, (N, 1 + patches, width): dense features.
  Tensor tokens(const Tensor& images) const {
    const Eval whole;  // no patch is left out
    return ln_post(through_blocks(images, [](std::size_t, const Tensor&) {}));
  }
  std::vector<Stage> stage_list() const { return token_stages(config_.width, config_.patch, resblocks.size()); }
  /// The rows after the blocks at each quarter of the depth, class token first (encoders/stage.hpp).
  std::vector<Tensor> stage_maps(const Tensor& images) const {
    require(config_.patch_dropout == 0, "[clip_vision] maps need all patches: no patch dropout");
    std::vector<Tensor> rows;
    through_blocks(images, [&](std::size_t i, const Tensor& x) {
      if (ends_quarter(i, resblocks.size())) rows.push_back(x);
    });
    return rows;
  }
  /// All blocks, without `ln_post`. `each(i, x)` sees the rows after block i.
  template <class Each>
  Tensor through_blocks(const Tensor& images, Each&& each) const {
    Tensor x = ln_pre(with_class(patches(images)));
    for (std::size_t i = 0; i < resblocks.size(); ++i) {
      x = resblocks[i](x);
      each(i, x);
    }
    return x;
  }
  static Tensor class_row(const Tensor& x) { return narrow(x, 1, 0, 1).reshape({x.size(0), x.size(2)}); }

  template <class F>
  void members(F&& f) {
    f("class_embedding", class_embedding);
    f("positional_embedding", positional_embedding);
    f("conv1", conv1);
    f("ln_pre", ln_pre);
    f("transformer.resblocks", resblocks);
    f("ln_post", ln_post);
    f("patch_dropout", patch_dropout_);
  }

  Parameter class_embedding;       // (width)
  Parameter positional_embedding;  // (1 + patches, width)
  Conv2d conv1;
  LayerNorm ln_pre, ln_post;
  std::vector<TransformerBlock> resblocks;

 private:
  /// Projected patches at their positions, (N, patches, width); a training step with patch dropout keeps some of them.
  Tensor patches(const Tensor& images) const {
    require(images.rank() == 4 && images.size(1) >= config_.patch && images.size(1) % config_.patch == 0 &&
                images.size(2) >= config_.patch && images.size(2) % config_.patch == 0,
            "[clip_vision] a patch of ", config_.patch, " pixels does not divide images ", images.shape());
    const Tensor x = conv1(images);
    const std::int64_t N = x.size(0), height = x.size(1), width = x.size(2), D = config_.width, side = config_.grid();
    Tensor grid = narrow(positional_embedding, 0, 1, side * side + 1);
    if (height != side || width != side)
      grid = resize_positions(grid, side, side, height, width, PositionResize::antialias);
    const Tensor all = x.reshape({N, height * width, D}) + cast(grid, x.dtype()).reshape({1, height * width, D});
    if (config_.patch_dropout <= 0 || !training() || !ln_pre.weight.requires_grad()) return all;
    return kept(all);
  }
  Tensor with_class(const Tensor& patch_rows) const {
    const Tensor token = cast(class_embedding + narrow(positional_embedding, 0, 0, 1), patch_rows.dtype());
    const std::int64_t N = patch_rows.size(0), D = config_.width;
    return concat(
        {token.reshape({1, 1, D}) + Tensor::zeros({N, 1, D}, patch_rows.dtype(), patch_rows.device()), patch_rows}, 1);
  }
  /// A random choice of each image's patches.
  Tensor kept(const Tensor& all) const {
    const std::int64_t N = all.size(0), P = all.size(1), D = all.size(2);
    const auto count =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(P) * (1 - config_.patch_dropout)));
    const Rng pass = patch_dropout_.next();
    const Tensor rows({N, count}, DType::i64);
    std::vector<std::int64_t> order(static_cast<std::size_t>(P));
    for (std::int64_t n = 0; n < N; ++n) {
      std::iota(order.begin(), order.end(), n * P);
      Stream draw(pass / static_cast<std::uint64_t>(n));
      for (std::int64_t k = 0; k < count; ++k) {
        const auto other = k + static_cast<std::int64_t>(draw.below(static_cast<std::uint64_t>(P - k)));
        std::swap(order[static_cast<std::size_t>(k)], order[static_cast<std::size_t>(other)]);
        rows.data<std::int64_t>()[n * count + k] = order[static_cast<std::size_t>(k)];
      }
    }
    return gather(all.reshape({N * P, D}), rows.to(all.device()));
  }

  ClipVisionConfig config_;
  DropPath patch_dropout_;  // numbers the steps, so that a resumed run leaves out the same patches
};

}  // namespace contrastive
