// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "contrastive/nn/conv.hpp"
#include "contrastive/nn/drop_path.hpp"
#include "contrastive/nn/grouping.hpp"
#include "contrastive/nn/positions.hpp"
#include "contrastive/nn/transformer.hpp"
#include "contrastive/ops/reduce.hpp"

namespace contrastive {

/// Sizes of GroupViT; the defaults are the paper's ViT-S. Stage i has depths[i] blocks and, but for the last, tokens[i]
/// group tokens that end as groups[i] groups.
struct GroupVitConfig {
  int image_size = 224;
  int patch = 16;
  std::int64_t width = 384;
  int heads = 6;
  std::vector<int> depths = {6, 3, 3};
  std::vector<std::int64_t> tokens = {64, 8}, groups = {64, 8};
  bool hard = true;      // false: soft assignment without noise, a control
  double drop_path = 0;  // of the last block; the official recipe 0.1
  int channels = 3;

  int grid() const { return image_size / patch; }
};

/// A stage of GroupViT: group tokens behind the segments, blocks over both, then the segments go into groups.
struct GroupingLayer {
  Parameter group_token;  // (1, T, D); empty in the last stage
  LayerNorm from_norm;    // of the tokens of the stage before, which are mixed into this one's
  FeedForward from_mix;
  std::vector<TransformerBlock> blocks;
  GroupingBlock downsample;

  bool groups() const { return group_token.defined(); }

  template <class F>
  void members(F&& f) {
    f("group_token", group_token);
    f("blocks", blocks);
    if (groups()) f("downsample", downsample);
    if (from_mix.fc1.weight.defined()) f("group_projector.0", from_norm), f("group_projector.1", from_mix);
  }
};

/// GroupViT's output for images: the last groups after the norm, and the assignment of each stage.
struct GroupVitOutput {
  Tensor groups;                     // (N, G, D)
  std::vector<Tensor> soft, chosen;  // each (N, S, G) of its stage's segments and groups
};

/// GroupViT's image encoder (Xu et al. 2022, arXiv:2202.11094; NVlabs/GroupViT, models/group_vit.py): patches, normalised,
/// at learned positions; no class token; stages that gather their segments into groups; the mean of the last groups:
/// (N, H, W, C) -> (N, width). In training each segment's scores get Gumbel noise, named by the step (`PassCounter`) and
/// the image's place in the batch. Images of other sizes than `image_size` take bicubic positions.
class GroupVit {
 public:
  GroupVit() = default;
  GroupVit(const GroupVitConfig& config, Rng rng) : config_(config), noise_(rng / "noise") {
    const std::size_t stages = config.depths.size();
    require(stages >= 2 && config.tokens.size() == stages - 1 && config.groups.size() == stages - 1,
            "[group_vit] expected tokens and groups of all stages but the last of ", stages, ", got ",
            config.tokens.size(), " and ", config.groups.size());
    require(config.patch >= 1 && config.image_size >= config.patch && config.image_size % config.patch == 0,
            "[group_vit] a patch of ", config.patch, " pixels does not divide an image of ", config.image_size);
    const std::int64_t D = config.width, patches = std::int64_t{config.grid()} * config.grid();
    patch_projection =
        Conv2d(config.channels, D, {.kernel = config.patch, .stride = config.patch}, rng / "patch_embed");
    const double torch_bound = 1 / std::sqrt(static_cast<double>(patch_projection.weight.shape().count(1, 4)));
    patch_projection.weight.copy_from(
        init::uniform(patch_projection.weight.shape(), torch_bound, rng / "patch_embed" / "weight"));
    patch_bias = Parameter(init::uniform({D}, torch_bound, rng / "patch_embed" / "bias"));
    patch_norm = LayerNorm(D, eps);
    pos_embed = Parameter(init::truncated_normal({1, patches, D}, 0.02, rng / "pos_embed"));
    int depth = 0;
    for (std::size_t s = 0; s < stages; ++s) {
      const Rng own = rng / "layers" / s;
      GroupingLayer layer;
      for (int i = 0; i < config.depths[s]; ++i)
        layer.blocks.emplace_back(D, config.heads, 4 * D, own / "blocks" / static_cast<std::uint64_t>(i),
                                  BlockOptions{.eps = eps});
      depth += config.depths[s];
      if (s + 1 < stages) {
        const std::int64_t T = config.tokens[s];
        // Those of later stages begin at 0: what is mixed from the stage before tells them apart.
        layer.group_token =
            Parameter(s == 0 ? init::truncated_normal({1, T, D}, 0.02, own / "group_token") : Tensor::zeros({1, T, D}));
        layer.downsample = GroupingBlock(D, config.heads, T, config.groups[s], own / "downsample", eps);
        layer.downsample.assign.hard = config.hard;
        if (s > 0) {
          layer.from_norm = LayerNorm(D, eps);
          layer.from_mix.fc1 = Linear(config.tokens[s - 1], D / 2, own / "group_projector" / "fc1");
          layer.from_mix.fc2 = Linear(D / 2, T, own / "group_projector" / "fc2");
        }
      }
      layers.push_back(std::move(layer));
    }
    norm = LayerNorm(D, eps);
    drop_path = DropPath(config.drop_path, depth, rng / "drop_path");
    // The official 0.02 at its width of 384. Narrower ones with 0.02 would begin with scores of nearly 0, under the noise.
    const double deviation = 0.02 * std::sqrt(384 / static_cast<double>(D));
    std::uint64_t place = 0;
    each_module<Linear>(*this, [&](Linear& linear) {
      linear.weight.copy_from(init::truncated_normal(linear.weight.shape(), deviation, rng / "linear" / place++));
      linear.bias.kernels().fill(linear.bias.view_to_write(), 0);
    });
  }

  std::int64_t features() const { return config_.width; }
  const GroupVitConfig& config() const { return config_; }

  Tensor operator()(const Tensor& images) const { return mean(grouped(images).groups, 1); }

  GroupVitOutput grouped(const Tensor& images) const {
    const bool learns = training() && norm.weight.requires_grad();
    const Rng pass = learns && config_.hard ? noise_.next() : Rng();
    return grouped(images, [&](std::size_t stage, const Tensor& scores) {
      return learns && config_.hard ? gumbel_noise(scores, pass / stage) : Tensor();
    });
  }
  /// The same with noise of the caller's: `noise(stage, scores)`, like the scores (N, S, G) or empty.
  template <class Noise>
  GroupVitOutput grouped(const Tensor& images, Noise&& noise) const {
    Tensor x = segments(images), tokens;
    const std::int64_t N = x.size(0), D = x.size(2);
    const bool drops = drop_path.on() && training() && norm.weight.requires_grad();
    const Rng pass = drops ? drop_path.next() : Rng();
    GroupVitOutput found;
    int block = 0;
    for (std::size_t s = 0; s < layers.size(); ++s) {
      const GroupingLayer& layer = layers[s];
      const std::int64_t S = x.size(1);
      if (layer.groups()) {
        Tensor own = cast(layer.group_token, x.dtype()) +
                     Tensor::zeros({N, layer.group_token.size(1), D}, x.dtype(), x.device());
        if (tokens.defined()) own = own + GroupingBlock::over_tokens(layer.from_mix, layer.from_norm(tokens));
        x = concat({x, own}, 1);
      }
      for (const TransformerBlock& one : layer.blocks) {
        TransformerBlock::Keep keep;
        if (drops) {
          keep.attn = drop_path.keep(pass, block, 0, N, x.device());
          keep.mlp = drop_path.keep(pass, block, 1, N, x.device());
        }
        x = one(x, keep);
        ++block;
      }
      if (!layer.groups()) continue;
      tokens = narrow(x, 1, S, x.size(1));
      Grouped here =
          layer.downsample(narrow(x, 1, 0, S), tokens, [&](const Tensor& scores) { return Tensor(noise(s, scores)); });
      x = here.groups;
      found.soft.push_back(here.soft), found.chosen.push_back(here.chosen);
    }
    found.groups = norm(x);
    return found;
  }

  template <class F>
  void members(F&& f) {
    f("pos_embed", pos_embed);
    f("patch_embed.proj.weight", patch_projection.weight);
    f("patch_embed.proj.bias", patch_bias);
    f("patch_embed.norm", patch_norm);
    f("layers", layers);
    f("norm", norm);
    f("drop_path", drop_path);
    f("noise", noise_);
  }

  static constexpr double eps = 1e-5;  // of the layer norms
  Parameter pos_embed;                 // (1, patches, width)
  Conv2d patch_projection;
  Parameter patch_bias;
  LayerNorm patch_norm;
  std::vector<GroupingLayer> layers;
  LayerNorm norm;
  DropPath drop_path;

 private:
  /// The projected patches, normalised, at their positions: (N, patches, width).
  Tensor segments(const Tensor& images) const {
    require(images.rank() == 4 && images.size(1) >= config_.patch && images.size(1) % config_.patch == 0 &&
                images.size(2) >= config_.patch && images.size(2) % config_.patch == 0,
            "[group_vit] a patch of ", config_.patch, " pixels does not divide images ", images.shape());
    const Tensor x = patch_projection(images);
    const std::int64_t N = x.size(0), h = x.size(1), w = x.size(2), D = config_.width, side = config_.grid();
    const Tensor rows = patch_norm(x.reshape({N, h * w, D}) + cast(patch_bias, x.dtype()));
    Tensor grid = pos_embed.reshape({side * side, D});
    if (h != side || w != side) grid = resize_positions(grid, side, side, h, w, PositionResize::plain);
    return rows + cast(grid, x.dtype()).reshape({1, h * w, D});
  }

  GroupVitConfig config_;
  PassCounter noise_;
};

}  // namespace contrastive
