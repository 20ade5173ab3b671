// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/ops/index.hpp"

/// How published models name and shape their tensors. Ours are called as OpenAI's: `visual.*` is the image tower, the
/// text tower has no prefix, and `logit_scale`, `logit_bias`, `visual.proj` and `text_projection` stand beside them.
namespace contrastive {

using TensorMap = std::map<std::string, Tensor>;

enum class WeightLayout {
  open_clip,         // OpenAI's archives and open_clip's `CLIP`
  open_clip_custom,  // open_clip's `CustomTextCLIP`: the text tower behind `text.`, SigLIP's image tower as timm's
  hf_clip,           // transformers, CLIPModel
  hf_siglip,         // transformers, SiglipModel
  hf_bert,           // transformers, BertModel
};

inline const char* to_string(WeightLayout layout) {
  switch (layout) {
    case WeightLayout::open_clip: return "open_clip";
    case WeightLayout::open_clip_custom: return "open_clip_custom";
    case WeightLayout::hf_clip: return "hf_clip";
    case WeightLayout::hf_siglip: return "hf_siglip";
    case WeightLayout::hf_bert: return "hf_bert";
  }
  return "unknown";
}

/// A tensor of a file: all of one of ours or some of its rows, perhaps turned.
struct WeightPiece {
  std::string name;
  int first = 0, last = 3;   // thirds of our rows
  bool transposed = false;   // a matrix (in, out) here is (out, in) there
  bool leading_one = false;  // the file has one more axis, of size 1, in front
};

namespace detail {

using Renaming = std::pair<std::string_view, std::string_view>;  // ours, theirs

/// The name with what begins it, or all of it, replaced; empty if none of the rules fits.
inline std::string renamed(std::string_view name, std::span<const Renaming> rules) {
  for (const auto& [ours, theirs] : rules)
    if (name == ours || (name.starts_with(ours) && (ours.ends_with('.') || name[ours.size()] == '.')))
      return std::string(theirs) + std::string(name.substr(ours.size()));
  return {};
}

inline constexpr Renaming hf_outside[] = {
    {"visual.class_embedding", "vision_model.embeddings.class_embedding"},
    {"visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"},
    {"visual.conv1", "vision_model.embeddings.patch_embedding"},
    {"visual.ln_pre", "vision_model.pre_layrnorm"},
    {"visual.ln_post", "vision_model.post_layernorm"},
    {"visual.transformer.resblocks.", "vision_model.encoder.layers."},
    {"visual.proj", "visual_projection.weight"},
    {"visual.attn_pool.probe", "vision_model.head.probe"},
    {"visual.attn_pool.in_proj_weight", "vision_model.head.attention.in_proj_weight"},
    {"visual.attn_pool.in_proj_bias", "vision_model.head.attention.in_proj_bias"},
    {"visual.attn_pool.out_proj", "vision_model.head.attention.out_proj"},
    {"visual.attn_pool.ln", "vision_model.head.layernorm"},
    {"visual.attn_pool.mlp.c_fc", "vision_model.head.mlp.fc1"},
    {"visual.attn_pool.mlp.c_proj", "vision_model.head.mlp.fc2"},
    {"token_embedding", "text_model.embeddings.token_embedding"},
    {"positional_embedding", "text_model.embeddings.position_embedding.weight"},
    {"transformer.resblocks.", "text_model.encoder.layers."},
    {"ln_final", "text_model.final_layer_norm"},
    {"text_projection.weight", "text_model.head.weight"},  // SigLIP's, a layer of the text tower
    {"text_projection.bias", "text_model.head.bias"},
    {"text_projection", "text_projection.weight"},  // CLIP's, a matrix
    {"logit_scale", "logit_scale"},
    {"logit_bias", "logit_bias"},
};
inline constexpr Renaming hf_inside[] = {
    {"ln_1", "layer_norm1"}, {"ln_2", "layer_norm2"},   {"attn.out_proj", "self_attn.out_proj"},
    {"mlp.c_fc", "mlp.fc1"}, {"mlp.c_proj", "mlp.fc2"},
};
inline constexpr Renaming timm_outside[] = {
    {"visual.conv1", "visual.trunk.patch_embed.proj"},
    {"visual.positional_embedding", "visual.trunk.pos_embed"},
    {"visual.transformer.resblocks.", "visual.trunk.blocks."},
    {"visual.ln_post", "visual.trunk.norm"},
    {"visual.attn_pool.probe", "visual.trunk.attn_pool.latent"},
    {"visual.attn_pool.out_proj", "visual.trunk.attn_pool.proj"},
    {"visual.attn_pool.ln", "visual.trunk.attn_pool.norm"},
    {"visual.attn_pool.mlp.c_fc", "visual.trunk.attn_pool.mlp.fc1"},
    {"visual.attn_pool.mlp.c_proj", "visual.trunk.attn_pool.mlp.fc2"},
};
inline constexpr Renaming timm_inside[] = {
    {"ln_1", "norm1"},
    {"ln_2", "norm2"},
    {"attn.in_proj_weight", "attn.qkv.weight"},
    {"attn.in_proj_bias", "attn.qkv.bias"},
    {"attn.out_proj", "attn.proj"},
    {"mlp.c_fc", "mlp.fc1"},
    {"mlp.c_proj", "mlp.fc2"},
};
inline constexpr Renaming bert_inside[] = {
    {"attn.proj", "attention.output.dense"}, {"norm1", "attention.output.LayerNorm"},
    {"mlp.fc1", "intermediate.dense"},       {"mlp.fc2", "output.dense"},
    {"norm2", "output.LayerNorm"},
};

/// "a.layers.3.b.c" -> {"a.layers.3.", "b.c"}, where `name` begins with the blocks' prefix; {name, ""} where not.
inline std::pair<std::string, std::string> split_at_block(const std::string& name, std::string_view blocks) {
  if (!name.starts_with(blocks)) return {name, ""};
  const std::size_t dot = name.find('.', blocks.size());
  return dot == name.npos ? std::pair(name, std::string()) : std::pair(name.substr(0, dot + 1), name.substr(dot + 1));
}

/// `stem` + {query, key, value} + end, a third of the rows each.
inline std::vector<WeightPiece> thirds(const std::string& stem, const std::array<std::string_view, 3>& parts,
                                       std::string_view end) {
  std::vector<WeightPiece> pieces;
  for (int i = 0; i < 3; ++i)
    pieces.push_back({stem + std::string(parts[static_cast<std::size_t>(i)]) + std::string(end), i, i + 1});
  return pieces;
}

inline std::vector<WeightPiece> hf_pieces(const std::string& name) {
  for (const char* blocks : {"visual.transformer.resblocks.", "transformer.resblocks."}) {
    const auto [block, inside] = split_at_block(name, blocks);
    if (inside.empty()) continue;
    const std::string stem = renamed(block, hf_outside);
    for (const char* kind : {"weight", "bias"})
      if (inside == std::string("attn.in_proj_") + kind)
        return thirds(stem + "self_attn.", {"q_proj.", "k_proj.", "v_proj."}, kind);
    const std::string within = renamed(inside, hf_inside);
    return within.empty() ? std::vector<WeightPiece>() : std::vector{WeightPiece{stem + within}};
  }
  const std::string theirs = renamed(name, hf_outside);
  if (theirs.empty()) return {};
  return {{.name = theirs, .transposed = name == "visual.proj" || name == "text_projection"}};
}

inline std::vector<WeightPiece> timm_pieces(const std::string& name) {
  const auto [block, inside] = split_at_block(name, "visual.transformer.resblocks.");
  if (!inside.empty()) {
    const std::string within = renamed(inside, timm_inside);
    return within.empty() ? std::vector<WeightPiece>()
                          : std::vector{WeightPiece{renamed(block, timm_outside) + within}};
  }
  for (const char* kind : {"weight", "bias"})
    if (name == std::string("visual.attn_pool.in_proj_") + kind)
      return {{join("visual.trunk.attn_pool.q.", kind), 0, 1}, {join("visual.trunk.attn_pool.kv.", kind), 1, 3}};
  const std::string theirs = renamed(name, timm_outside);
  if (theirs.empty()) return {};
  return {{.name = theirs, .leading_one = name == "visual.positional_embedding"}};
}

inline std::vector<WeightPiece> bert_pieces(const std::string& name) {
  const auto [block, inside] = split_at_block(name, "encoder.layer.");
  if (inside.empty()) return {{name}};
  for (const char* kind : {"weight", "bias"})
    if (inside == std::string("attn.qkv.") + kind)
      return thirds(block + "attention.self.", {"query.", "key.", "value."}, kind);
  const std::string within = renamed(inside, bert_inside);
  return within.empty() ? std::vector<WeightPiece>() : std::vector{WeightPiece{block + within}};
}

}  // namespace detail

/// Where a tensor of ours lies in a file of a layout; empty if the layout has no such tensor. `siglip_image` says that the
/// image tower is SigLIP's, which open_clip takes from timm.
inline std::vector<WeightPiece> pieces_of(WeightLayout layout, const std::string& name, bool siglip_image = false) {
  switch (layout) {
    case WeightLayout::open_clip: return {{name}};
    case WeightLayout::open_clip_custom:
      if (siglip_image && name.starts_with("visual.")) return detail::timm_pieces(name);
      if (name.starts_with("visual.") || name == "logit_scale" || name == "logit_bias") return {{name}};
      return {{"text." + name}};
    case WeightLayout::hf_clip:
    case WeightLayout::hf_siglip: return detail::hf_pieces(name);
    case WeightLayout::hf_bert: return detail::bert_pieces(name);
  }
  fail("[weights] unknown layout");
}

/// The shape of a piece of a tensor of ours; both as files have them, convolutions as (out, in, k, k).
inline Shape shape_of_piece(const WeightPiece& piece, Shape ours) {
  if (piece.last - piece.first < 3) ours[0] = ours[0] / 3 * (piece.last - piece.first);
  if (piece.transposed) std::swap(ours[0], ours[1]);
  if (!piece.leading_one) return ours;
  Shape longer{1};
  for (int axis = 0; axis < ours.rank; ++axis) longer.push_back(ours[axis]);
  return longer;
}

/// A piece cut out of a tensor of ours.
inline Tensor cut_piece(const WeightPiece& piece, const Tensor& ours) {
  const NoGrad no_grad;
  Tensor x = ours.detach();
  if (piece.last - piece.first < 3) {
    const std::int64_t third = x.size(0) / 3;
    x = x.slice(piece.first * third, piece.last * third).clone();
  }
  if (piece.transposed) x = permute(x, {1, 0});
  return x.reshape(shape_of_piece(piece, ours.shape()));
}

/// Puts a piece into its place in a tensor of ours, cast to its dtype.
inline void place_piece(const WeightPiece& piece, const Tensor& given, const Tensor& ours) {
  const NoGrad no_grad;
  Tensor x = given.detach().to(ours.dtype());
  if (piece.transposed) x = permute(x, {1, 0});
  const std::int64_t third = piece.last - piece.first < 3 ? ours.size(0) / 3 : 0;
  const Tensor place = third ? ours.slice(piece.first * third, piece.last * third) : ours;
  place.copy_from(x.reshape(place.shape()));
}

}  // namespace contrastive
