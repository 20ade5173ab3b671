// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "contrastive/encoders/bert.hpp"
#include "contrastive/encoders/clip_vision.hpp"
#include "contrastive/encoders/modified_resnet.hpp"
#include "contrastive/encoders/siglip.hpp"
#include "contrastive/encoders/text_transformer.hpp"
#include "contrastive/weights/model_facts.hpp"

namespace contrastive {

/// How images are prepared for a model.
struct ImagePreparation {
  std::int64_t size = 224;  // pixels
  ResizeMode resize = ResizeMode::shortest;
  Filter interpolation = Filter::bicubic;
  Normalize normalize = clip_statistics;
};

/// How texts are prepared for a model. The tokenizer goes with the tower: byte pairs for CLIP's, a sentencepiece model for
/// SigLIP's, word pieces for BERT.
struct TextPreparation {
  TextCleaning cleaning = TextCleaning::lower;
  std::int64_t context_length = 77;
  std::int64_t pad = 0;
  TextPooling pooling = TextPooling::end;
};

/// All that a program needs to build the towers of a model and to feed them. A sentence model has no image tower.
struct DualEncoderConfig {
  std::variant<std::monostate, ClipVisionConfig, ModifiedResNetConfig, SiglipVisionConfig> image;
  std::variant<std::monostate, TextTransformerConfig, SiglipTextConfig, BertConfig> text;
  std::int64_t dimension = 512;  // of the space that images and texts share
  bool has_bias = false;         // `logit_bias` beside `logit_scale`
  ImagePreparation images;
  TextPreparation texts;
};

using TensorShapes = std::vector<std::pair<std::string, Shape>>;

namespace detail {

struct ShapeList {
  TensorShapes list;

  void add(const std::string& name, Shape shape) { list.emplace_back(name, shape); }
  void linear(const std::string& name, std::int64_t in, std::int64_t out) {
    add(name + ".weight", {out, in});
    add(name + ".bias", {out});
  }
  void norm(const std::string& name, std::int64_t width) {
    add(name + ".weight", {width});
    add(name + ".bias", {width});
  }
  void block(const std::string& name, std::int64_t D, std::int64_t hidden) {
    norm(name + ".ln_1", D);
    add(name + ".attn.in_proj_weight", {3 * D, D});
    add(name + ".attn.in_proj_bias", {3 * D});
    linear(name + ".attn.out_proj", D, D);
    norm(name + ".ln_2", D);
    linear(name + ".mlp.c_fc", D, hidden);
    linear(name + ".mlp.c_proj", hidden, D);
  }
  void blocks(const std::string& prefix, int layers, std::int64_t D, std::int64_t hidden) {
    for (int i = 0; i < layers; ++i) block(join(prefix, "transformer.resblocks.", i), D, hidden);
  }
  /// A convolution and its batch norm.
  void convolution(const std::string& conv, const std::string& bn, std::int64_t in, std::int64_t out, int kernel) {
    add(conv + ".weight", {out, in, kernel, kernel});
    norm(bn, out);
    add(bn + ".running_mean", {out});
    add(bn + ".running_var", {out});
    add(bn + ".num_batches_tracked", {});
  }

  void tower(const std::monostate&) {}
  void tower(const ClipVisionConfig& c) {
    const std::int64_t D = c.width;
    add("visual.class_embedding", {D});
    add("visual.positional_embedding", {1 + std::int64_t{c.grid()} * c.grid(), D});
    add("visual.conv1.weight", {D, c.channels, c.patch, c.patch});
    norm("visual.ln_pre", D);
    blocks("visual.", c.layers, D, 4 * D);
    norm("visual.ln_post", D);
  }
  void tower(const ModifiedResNetConfig& c) {
    const std::int64_t W = c.width;
    convolution("visual.conv1", "visual.bn1", c.channels, W / 2, 3);
    convolution("visual.conv2", "visual.bn2", W / 2, W / 2, 3);
    convolution("visual.conv3", "visual.bn3", W / 2, W, 3);
    std::int64_t in = W;
    for (std::size_t s = 0; s < c.blocks.size(); ++s)
      for (int b = 0; b < c.blocks[s]; ++b) {
        const std::int64_t width = W << s;
        const std::string block = join("visual.layer", s + 1, ".", b);
        convolution(block + ".conv1", block + ".bn1", in, width, 1);
        convolution(block + ".conv2", block + ".bn2", width, width, 3);
        convolution(block + ".conv3", block + ".bn3", width, 4 * width, 1);
        if (b == 0) convolution(block + ".downsample.0", block + ".downsample.1", in, 4 * width, 1);
        in = 4 * width;
      }
    add("visual.attnpool.positional_embedding", {1 + std::int64_t{c.grid()} * c.grid(), in});
    for (const char* layer : {"q_proj", "k_proj", "v_proj"}) linear(join("visual.attnpool.", layer), in, in);
    linear("visual.attnpool.c_proj", in, c.output);
  }
  void tower(const SiglipVisionConfig& c) {
    const std::int64_t D = c.width;
    add("visual.conv1.weight", {D, c.channels, c.patch, c.patch});
    add("visual.conv1.bias", {D});
    add("visual.positional_embedding", {std::int64_t{c.grid()} * c.grid(), D});
    blocks("visual.", c.layers, D, c.hidden);
    norm("visual.ln_post", D);
    add("visual.attn_pool.probe", {1, 1, D});
    add("visual.attn_pool.in_proj_weight", {3 * D, D});
    add("visual.attn_pool.in_proj_bias", {3 * D});
    linear("visual.attn_pool.out_proj", D, D);
    norm("visual.attn_pool.ln", D);
    linear("visual.attn_pool.mlp.c_fc", D, c.hidden);
    linear("visual.attn_pool.mlp.c_proj", c.hidden, D);
  }
  void tower(const TextTransformerConfig& c) {
    add("token_embedding.weight", {c.vocabulary, c.width});
    add("positional_embedding", {c.context_length, c.width});
    blocks("", c.layers, c.width, 4 * c.width);
    norm("ln_final", c.width);
  }
  void tower(const SiglipTextConfig& c) {
    add("token_embedding.weight", {c.vocabulary, c.width});
    add("positional_embedding", {c.context_length, c.width});
    blocks("", c.layers, c.width, c.hidden);
    norm("ln_final", c.width);
    linear("text_projection", c.width, c.output);
  }
  void tower(const BertConfig& c) {
    const std::int64_t D = c.width;
    add("embeddings.word_embeddings.weight", {c.vocabulary, D});
    add("embeddings.position_embeddings.weight", {c.positions, D});
    add("embeddings.token_type_embeddings.weight", {c.types, D});
    norm("embeddings.LayerNorm", D);
    for (int i = 0; i < c.layers; ++i) {
      const std::string block = join("encoder.layer.", i);
      norm(block + ".norm1", D);
      linear(block + ".attn.qkv", D, 3 * D);
      linear(block + ".attn.proj", D, D);
      norm(block + ".norm2", D);
      linear(block + ".mlp.fc1", D, c.hidden);
      linear(block + ".mlp.fc2", c.hidden, D);
    }
  }
};

}  // namespace detail

/// Every tensor of a model by our name, with its shape as files have it: convolutions are (out, in, k, k). What the
/// towers' modules hold, behind `visual.` for images, and what stands beside them.
inline TensorShapes tensor_shapes(const DualEncoderConfig& config) {
  detail::ShapeList shapes;
  std::visit([&](const auto& tower) { shapes.tower(tower); }, config.image);
  std::visit([&](const auto& tower) { shapes.tower(tower); }, config.text);
  if (const auto* image = std::get_if<ClipVisionConfig>(&config.image))
    shapes.add("visual.proj", {image->width, config.dimension});
  if (const auto* text = std::get_if<TextTransformerConfig>(&config.text))
    shapes.add("text_projection", {text->width, config.dimension});
  if (config.image.index() != 0) shapes.add("logit_scale", {});
  if (config.has_bias) shapes.add("logit_bias", {});
  return shapes.list;
}

}  // namespace contrastive
