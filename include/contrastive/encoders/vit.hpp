// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "contrastive/encoders/stage.hpp"
#include "contrastive/nn/conv.hpp"
#include "contrastive/nn/drop_path.hpp"
#include "contrastive/nn/positions.hpp"
#include "contrastive/nn/transformer.hpp"
#include "contrastive/ops/reduce.hpp"

namespace contrastive {

enum class ViTPool {
  class_token,
  mean,  // of the patches, then the norm: timm's global_pool="avg", MAE's --global_pool
};
enum class ViTPositions {
  learned,
  sincos_mae,      // fixed
  sincos_moco_v3,  // fixed
};
enum class ViTInit {
  dino,     // truncated N(0, 0.02), biases 0; the patch projection as torch starts a convolution (timm too)
  mae,      // Xavier uniform, the patch projection as a matrix; class token N(0, 0.02)
  moco_v3,  // Xavier uniform with q, k, v as three matrices; class token N(0, 1e-6); patch bias 0
};

struct ViTConfig {
  int image_size = 224;
  int patch = 16;
  std::int64_t width = 384;
  int depth = 12;
  int heads = 6;
  int mlp_ratio = 4;
  ViTPool pool = ViTPool::class_token;
  ViTPositions positions = ViTPositions::learned;
  PositionResize resize = PositionResize::dino;  // for pictures of another size
  ViTInit init = ViTInit::dino;
  bool frozen_patches = false;  // the patch projection stays at its random start (MoCo v3)
  double drop_path = 0;         // of the last block
  int channels = 3;

  int grid() const { return image_size / patch; }
};

/// A vision transformer (Dosovitskiy et al. 2021, arXiv:2010.11929) without its classifier: (N, H, W, C) -> (N, width).
/// Pre-norm, exact GELU, LayerNorm eps 1e-6; names, shapes and arithmetic are timm's and DINO's. Pictures of other sizes
/// than `image_size` take interpolated positions. A branch whose weights are frozen (a momentum teacher) has no drop
/// path.
class ViT {
 public:
  ViT() = default;
  ViT(const ViTConfig& config, Rng rng) : config_(config) {
    require(config.patch >= 1 && config.image_size >= config.patch && config.image_size % config.patch == 0,
            "[vit] a patch of ", config.patch, " pixels does not divide a picture of ", config.image_size);
    const std::int64_t D = config.width, patches = std::int64_t{config.grid()} * config.grid();
    patch_projection =
        Conv2d(config.channels, D, {.kernel = config.patch, .stride = config.patch}, rng / "patch_embed");
    patch_bias = Parameter(Tensor::zeros({D}));
    cls_token = Parameter(Tensor::zeros({1, 1, D}));
    pos_embed = Parameter(Tensor::zeros({1, patches + 1, D}));
    for (int i = 0; i < config.depth; ++i)
      blocks.emplace_back(D, config.heads, D * config.mlp_ratio, rng / "blocks" / static_cast<std::uint64_t>(i));
    norm = LayerNorm(D);
    drop_path = DropPath(config.drop_path, config.depth, rng / "drop_path");
    start(rng / "start");
  }

  std::int64_t features() const { return config_.width; }
  const ViTConfig& config() const { return config_; }

  Tensor operator()(const Tensor& images) const {
    const Tensor x = through_blocks(with_class(patches(images)));
    if (config_.pool == ViTPool::class_token) return norm(class_row(x));
    return norm(mean(narrow(x, 1, 1, x.size(1)), 1));
  }

  /// The projected patches at their positions, (N, patches, D).
  Tensor patches(const Tensor& images) const {
    require(images.rank() == 4 && images.size(1) >= config_.patch && images.size(1) % config_.patch == 0 &&
                images.size(2) >= config_.patch && images.size(2) % config_.patch == 0,
            "[vit] a patch of ", config_.patch, " pixels does not divide pictures ", images.shape());
    const Tensor x = patch_projection(images);
    const std::int64_t N = x.size(0), height = x.size(1), width = x.size(2), D = config_.width;
    return x.reshape({N, height * width, D}) +
           cast(positions(height, width) + patch_bias, x.dtype()).reshape({1, height * width, D});
  }
  /// The class token at its position before the patches, (N, 1 + patches, D).
  Tensor with_class(const Tensor& patch_rows) const {
    const Tensor token = cast(cls_token + narrow(pos_embed, 1, 0, 1), patch_rows.dtype());
    const Shape shape{patch_rows.size(0), 1, config_.width};
    return concat({token + Tensor::zeros(shape, patch_rows.dtype(), patch_rows.device()), patch_rows}, 1);
  }
  /// All blocks, without the last norm. `each(i, x)` sees the rows after block i.
  template <class Each>
  Tensor through_blocks(Tensor x, Each&& each) const {
    const bool drops = drop_path.on() && training() && norm.weight.requires_grad();
    const Rng pass = drops ? drop_path.next() : Rng();
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      TransformerBlock::Keep keep;
      if (drops) {
        keep.attn = drop_path.keep(pass, static_cast<int>(i), 0, x.size(0), x.device());
        keep.mlp = drop_path.keep(pass, static_cast<int>(i), 1, x.size(0), x.device());
      }
      x = blocks[i](x, keep);
      each(i, x);
    }
    return x;
  }
  Tensor through_blocks(Tensor x) const {
    return through_blocks(std::move(x), [](std::size_t, const Tensor&) {});
  }
  static Tensor class_row(const Tensor& x) { return narrow(x, 1, 0, 1).reshape({x.size(0), x.size(2)}); }

  std::vector<Stage> stage_list() const { return token_stages(config_.width, config_.patch, blocks.size()); }
  /// The rows after the blocks at each quarter of the depth, class token first (encoders/stage.hpp).
  std::vector<Tensor> stage_maps(const Tensor& images) const {
    std::vector<Tensor> rows;
    through_blocks(with_class(patches(images)), [&](std::size_t i, const Tensor& x) {
      if (ends_quarter(i, blocks.size())) rows.push_back(x);
    });
    return rows;
  }

  /// What each head's class token looks at in the last block, (N, heads, rows, columns) of the patches' grid: DINO's
  /// attention maps. Weights on the class token itself are left out.
  Tensor class_attention(const Tensor& images) const {
    const std::int64_t height = images.size(1) / config_.patch, width = images.size(2) / config_.patch;
    const Tensor weights = last_attention(images, 1);
    return narrow(weights, 3, 1, weights.size(3)).reshape({images.size(0), config_.heads, height, width});
  }
  /// The last block's attention of the first `queries` positions to all: (N, heads, queries, 1 + patches).
  Tensor last_attention(const Tensor& images, std::int64_t queries) const {
    const NoGrad no_grad;
    const Eval eval;
    Tensor before = with_class(patches(images));
    through_blocks(before, [&](std::size_t i, const Tensor& x) {
      if (i + 2 == blocks.size()) before = x;
    });
    return blocks.back().attn.weights(blocks.back().norm1(before), queries);
  }

  /// The patches' positions for a grid, (height * width, D).
  Tensor positions(std::int64_t height, std::int64_t width) const {
    const std::int64_t side = config_.grid();
    const Tensor grid = narrow(pos_embed, 1, 1, side * side + 1).reshape({side * side, config_.width});
    if (height == side && width == side) return grid;
    return resize_positions(grid, side, side, height, width, config_.resize);
  }

  template <class F>
  void members(F&& f) {
    f("cls_token", cls_token);
    f("pos_embed", pos_embed);
    f("patch_embed.proj.weight", patch_projection.weight);
    f("patch_embed.proj.bias", patch_bias);
    f("blocks", blocks);
    f("norm", norm);
    f("drop_path", drop_path);
  }

  Parameter cls_token, pos_embed;
  Conv2d patch_projection;
  Parameter patch_bias;
  std::vector<TransformerBlock> blocks;
  LayerNorm norm;
  DropPath drop_path;

 private:
  void start(Rng rng) {
    const std::int64_t D = config_.width;
    const bool xavier = config_.init != ViTInit::dino;
    const auto linear = [&](Linear& layer, Rng stream, bool three = false) {
      const Shape shape = layer.weight.shape();
      Tensor w;
      if (!xavier)
        w = init::truncated_normal(shape, 0.02, stream);
      else if (three && config_.init == ViTInit::moco_v3)
        w = init::uniform(shape, std::sqrt(6.0 / static_cast<double>(2 * D)), stream);
      else
        w = init::xavier_uniform(shape, stream);
      layer.weight.copy_from(w);
      layer.bias.kernels().fill(layer.bias.view_to_write(), 0);
    };
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      linear(blocks[i].attn.qkv, rng / i / "qkv", true);
      linear(blocks[i].attn.proj, rng / i / "proj");
      linear(blocks[i].mlp.fc1, rng / i / "fc1");
      linear(blocks[i].mlp.fc2, rng / i / "fc2");
    }
    const Shape patch = patch_projection.weight.shape();
    const double torch_bound = 1 / std::sqrt(static_cast<double>(patch.count(1, 4)));
    patch_projection.weight.copy_from(xavier ? init::xavier_uniform(patch, rng / "patch")
                                             : init::uniform(patch, torch_bound, rng / "patch"));
    if (config_.init != ViTInit::moco_v3) patch_bias.copy_from(init::uniform({D}, torch_bound, rng / "patch_bias"));
    cls_token.copy_from(config_.init == ViTInit::dino
                            ? init::truncated_normal({1, 1, D}, 0.02, rng / "cls_token")
                            : init::normal({1, 1, D}, config_.init == ViTInit::mae ? 0.02 : 1e-6, rng / "cls_token"));
    if (config_.positions == ViTPositions::learned) {
      pos_embed.copy_from(init::truncated_normal(pos_embed.shape(), 0.02, rng / "pos_embed"));
    } else {
      const SinCosOrder order = config_.positions == ViTPositions::sincos_mae ? SinCosOrder::mae : SinCosOrder::moco_v3;
      const Tensor table = sincos_positions(config_.grid(), config_.grid(), D, order);
      pos_embed.detach().reshape({-1, D}).slice(1, table.size(0) + 1).copy_from(table);  // the class token's stays 0
      pos_embed.set_requires_grad(false);
    }
    if (config_.frozen_patches) {
      patch_projection.weight.set_requires_grad(false);
      patch_bias.set_requires_grad(false);
    }
  }

  ViTConfig config_;
};

/// The sizes of DeiT and DINO, and one for pictures of 28 or 32 pixels. `with` sets all but the size.
inline ViTConfig vit_tiny(ViTConfig with = {}) {
  with.width = 192, with.depth = 12, with.heads = 3;
  return with;
}
inline ViTConfig vit_small(ViTConfig with = {}) {
  with.width = 384, with.depth = 12, with.heads = 6;  // MoCo v3: 12 heads
  return with;
}
inline ViTConfig vit_base(ViTConfig with = {}) {
  with.width = 768, with.depth = 12, with.heads = 12;
  return with;
}
inline ViTConfig vit_micro(ViTConfig with = {}) {
  with.width = 192, with.depth = 6, with.heads = 3;
  return with;
}

}  // namespace contrastive
