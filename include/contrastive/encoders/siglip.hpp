// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "contrastive/nn/conv.hpp"
#include "contrastive/nn/embedding.hpp"
#include "contrastive/nn/positions.hpp"
#include "contrastive/nn/transformer.hpp"
#include "contrastive/ops/cross_attention.hpp"

/// The towers of SigLIP (Zhai et al. 2023, arXiv:2303.15343; google-research/big_vision, models/vit.py and
/// models/proj/image_text/text_transformer.py; transformers, modeling_siglip.py). Both end in the common space.
namespace contrastive {

/// Sizes of SigLIP's vision tower; the defaults are ViT-B/16's. Its width is that of the embedding.
struct SiglipVisionConfig {
  int image_size = 224;
  int patch = 16;
  std::int64_t width = 768;
  int layers = 12;
  int heads = 12;
  std::int64_t hidden = 3072;  // of the feed-forward parts
  Activation activation = Activation::gelu_tanh;
  double eps = 1e-6;
  int channels = 3;

  int grid() const { return image_size / patch; }
};

/// Sizes of SigLIP's text tower; the defaults are those beside ViT-B/16.
struct SiglipTextConfig {
  std::int64_t vocabulary = 32000;
  std::int64_t context_length = 64;
  std::int64_t width = 768;
  int layers = 12;
  int heads = 12;
  std::int64_t hidden = 3072;  // of the feed-forward parts
  std::int64_t output = 768;   // width of the embedding
  Activation activation = Activation::gelu_tanh;
  double eps = 1e-6;
};

namespace detail {

/// Both towers' blocks, started as SigLIP starts them: Xavier, biases 0 and nearly 0.
inline std::vector<TransformerBlock> siglip_blocks(int layers, std::int64_t D, int heads, std::int64_t hidden,
                                                   Activation activation, double eps, Rng rng) {
  std::vector<TransformerBlock> blocks;
  for (int i = 0; i < layers; ++i) {
    const Rng stream = rng / static_cast<std::uint64_t>(i);
    blocks.emplace_back(D, heads, hidden, stream,
                        BlockOptions{.activation = activation, .eps = eps, .names = BlockOptions::Names::clip});
    TransformerBlock& block = blocks.back();
    for (std::int64_t part = 0; part < 3; ++part)
      block.attn.qkv.weight.detach()
          .slice(part * D, (part + 1) * D)
          .copy_from(init::xavier_uniform({D, D}, stream / "qkv" / static_cast<std::uint64_t>(part)));
    block.attn.qkv.bias.copy_from(Tensor::zeros({3 * D}));
    block.attn.proj.weight.copy_from(init::xavier_uniform({D, D}, stream / "proj"));
    block.attn.proj.bias.copy_from(Tensor::zeros({D}));
    block.mlp.fc1.weight.copy_from(init::xavier_uniform({hidden, D}, stream / "fc1"));
    block.mlp.fc1.bias.copy_from(init::normal({hidden}, 1e-6, stream / "fc1" / "bias"));
    block.mlp.fc2.weight.copy_from(init::xavier_uniform({D, hidden}, stream / "fc2"));
    block.mlp.fc2.bias.copy_from(init::normal({D}, 1e-6, stream / "fc2" / "bias"));
  }
  return blocks;
}

}  // namespace detail

/// The MAP head ("multihead attention pooling"): one learned query pays attention to all patches, and a feed-forward part
/// with a norm before it is added. (N, L, D) -> (N, D).
struct AttentionPoolHead {
  Parameter probe;           // (1, 1, D)
  Parameter in_proj_weight;  // (3 D, D): of the query, the keys, the values
  Parameter in_proj_bias;    // (3 D)
  Linear out_proj;
  LayerNorm norm;
  FeedForward mlp;
  int heads = 1;

  AttentionPoolHead() = default;
  AttentionPoolHead(std::int64_t D, int head_count, std::int64_t hidden, Activation activation, double eps, Rng rng)
      : probe(init::xavier_uniform({1, 1, D}, rng / "probe")),
        in_proj_weight(init::xavier_uniform({3 * D, D}, rng / "in_proj")),
        in_proj_bias(Tensor::zeros({3 * D})),
        out_proj(D, D, rng / "out_proj"),
        norm(D, eps),
        mlp(D, hidden, rng / "mlp", activation),
        heads(head_count) {
    require(heads >= 1 && D % heads == 0, "[siglip] ", heads, " heads do not divide a width of ", D);
    out_proj.bias.copy_from(Tensor::zeros({D}));
  }

  Tensor operator()(const Tensor& x) const {
    const std::int64_t N = x.size(0), L = x.size(1), D = x.size(2);
    const Tensor rows = x.reshape({N * L, D}), one = cast(probe, x.dtype()).reshape({1, D});
    const auto projected = [&](const Tensor& of, std::int64_t part) {
      return matmul(of, in_proj_weight.slice(part * D, (part + 1) * D), false, true, 1,
                    in_proj_bias.slice(part * D, (part + 1) * D));
    };
    const Tensor query = projected(one, 0).reshape({1, 1, D}) + Tensor::zeros({N, 1, D}, x.dtype(), x.device());
    const Tensor keys = projected(rows, 1).reshape({N, L, D}), values = projected(rows, 2).reshape({N, L, D});
    const Tensor pooled = out_proj(cross_attention(query, keys, values, heads).reshape({N, D}));
    return pooled + mlp(norm(pooled));
  }

  template <class F>
  void members(F&& f) {
    f("probe", probe);
    f("in_proj_weight", in_proj_weight);
    f("in_proj_bias", in_proj_bias);
    f("out_proj", out_proj);
    f("ln", norm);
    f("mlp.c_fc", mlp.fc1);
    f("mlp.c_proj", mlp.fc2);
  }
};

/// Images (N, H, W, C) -> (N, width): patches at learned positions, pre-norm blocks, a layer norm, the MAP head. There is
/// no class token. Names are OpenAI's below `visual.` where OpenAI has such a tensor. Images of another size than
/// `image_size` take resized positions.
class SiglipVision {
 public:
  SiglipVision() = default;
  SiglipVision(const SiglipVisionConfig& config, Rng rng) : ln_post(config.width, config.eps), config_(config) {
    require(config.patch >= 1 && config.image_size >= config.patch, "[siglip] a patch of ", config.patch,
            " pixels does not fit an image of ", config.image_size);
    const std::int64_t D = config.width;
    conv1 = Conv2d(config.channels, D, {.kernel = config.patch, .stride = config.patch}, rng / "conv1");
    const Shape patch = conv1.weight.shape();
    conv1.weight.copy_from(
        init::normal(patch, 1 / std::sqrt(static_cast<double>(patch.count(1, 4))), rng / "conv1" / "start"));
    conv1_bias = Parameter(Tensor::zeros({D}));
    positional_embedding = Parameter(init::normal({std::int64_t{config.grid()} * config.grid(), D},
                                                  1 / std::sqrt(static_cast<double>(D)), rng / "positional_embedding"));
    resblocks = detail::siglip_blocks(config.layers, D, config.heads, config.hidden, config.activation, config.eps,
                                      rng / "resblocks");
    attn_pool = AttentionPoolHead(D, config.heads, config.hidden, config.activation, config.eps, rng / "attn_pool");
  }

  std::int64_t features() const { return config_.width; }
  const SiglipVisionConfig& config() const { return config_; }

  Tensor operator()(const Tensor& images) const { return attn_pool(tokens(images)); }
  /// The patches after all blocks and the last norm, (N, patches, width): dense features.
  Tensor tokens(const Tensor& images) const {
    require(images.rank() == 4 && images.size(1) >= config_.patch && images.size(2) >= config_.patch,
            "[siglip] a patch of ", config_.patch, " pixels does not fit images ", images.shape());
    const Tensor grid = conv1(images);
    const std::int64_t N = grid.size(0), height = grid.size(1), width = grid.size(2), D = config_.width;
    Tensor places = positional_embedding;
    if (height != config_.grid() || width != config_.grid())
      places = resize_positions(places, config_.grid(), config_.grid(), height, width, PositionResize::antialias);
    Tensor x = grid.reshape({N, height * width, D}) + cast(places + conv1_bias, grid.dtype());
    for (const TransformerBlock& block : resblocks) x = block(x);
    return ln_post(x);
  }

  template <class F>
  void members(F&& f) {
    f("conv1.weight", conv1.weight);
    f("conv1.bias", conv1_bias);
    f("positional_embedding", positional_embedding);
    f("transformer.resblocks", resblocks);
    f("ln_post", ln_post);
    f("attn_pool", attn_pool);
  }

  Conv2d conv1;
  Parameter conv1_bias;            // (width)
  Parameter positional_embedding;  // (patches, width)
  std::vector<TransformerBlock> resblocks;
  LayerNorm ln_post;
  AttentionPoolHead attn_pool;

 private:
  SiglipVisionConfig config_;
};

/// Token ids (N, context length), i32 -> (N, output): blocks without any mask, so that padding is seen like every token;
/// the last position, through a projection with bias. Every text must be padded to the context's length, as in training.
/// Names are OpenAI's, the projection's are open_clip's.
class SiglipText {
 public:
  SiglipText() = default;
  SiglipText(const SiglipTextConfig& config, Rng rng) : ln_final(config.width, config.eps), config_(config) {
    const std::int64_t D = config.width;
    const double deviation = 1 / std::sqrt(static_cast<double>(D));
    token_embedding = Embedding(config.vocabulary, D, rng / "token_embedding", deviation);
    positional_embedding = Parameter(init::normal({config.context_length, D}, deviation, rng / "positional_embedding"));
    resblocks = detail::siglip_blocks(config.layers, D, config.heads, config.hidden, config.activation, config.eps,
                                      rng / "resblocks");
    text_projection = Linear(D, config.output, rng / "text_projection");
    text_projection.weight.copy_from(init::normal({config.output, D}, deviation, rng / "text_projection" / "start"));
    text_projection.bias.copy_from(Tensor::zeros({config.output}));
  }

  std::int64_t features() const { return config_.output; }
  const SiglipTextConfig& config() const { return config_; }

  Tensor operator()(const Tensor& ids) const {
    const Tensor x = tokens(ids);
    const std::int64_t N = x.size(0), L = x.size(1);
    return text_projection(narrow(x, 1, L - 1, L).reshape({N, x.size(2)}));
  }
  /// Each token's row after all blocks and the last norm, (N, context length, width).
  Tensor tokens(const Tensor& ids) const {
    require(ids.rank() == 2 && ids.dtype() == DType::i32 && ids.size(1) == config_.context_length,
            "[siglip] expected i32 ids (N, ", config_.context_length, "), padded to that length, got ", ids.shape(),
            " ", to_string(ids.dtype()));
    const Tensor table = token_embedding(ids);
    Tensor x = table + cast(positional_embedding, table.dtype());
    for (const TransformerBlock& block : resblocks) x = block(x);
    return ln_final(x);
  }

  template <class F>
  void members(F&& f) {
    f("token_embedding", token_embedding);
    f("positional_embedding", positional_embedding);
    f("transformer.resblocks", resblocks);
    f("ln_final", ln_final);
    f("text_projection", text_projection);
  }

  Embedding token_embedding;
  Parameter positional_embedding;  // (context length, width)
  std::vector<TransformerBlock> resblocks;
  LayerNorm ln_final;
  Linear text_projection;

 private:
  SiglipTextConfig config_;
};

}  // namespace contrastive
