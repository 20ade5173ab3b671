// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "contrastive/core/compiled.hpp"
#include "contrastive/io/atomic_file.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/weights/config_files.hpp"
#include "contrastive/weights/dual_encoder_weights.hpp"
#include "contrastive/weights/timm_towers.hpp"

namespace contrastive {

namespace detail {

inline const char* hf_word(Activation activation) {
  return activation == Activation::gelu_tanh ? "gelu_pytorch_tanh" : word_of(activation);
}

template <class Tower>
Json hf_tower(const char* type, const Tower& tower, std::int64_t hidden, double eps) {
  return {{"model_type", type},
          {"hidden_size", tower.width},
          {"intermediate_size", hidden},
          {"num_hidden_layers", tower.layers},
          {"num_attention_heads", tower.heads},
          {"hidden_act", hf_word(tower.activation)},
          {"layer_norm_eps", eps}};
}
template <class Tower>
void hf_image_sizes(Json& json, const Tower& tower) {
  json["image_size"] = tower.image_size;
  json["patch_size"] = tower.patch;
  json["num_channels"] = tower.channels;
}

/// config.json
inline Json hf_config(const DualEncoderConfig& config, WeightLayout layout) {
  if (layout == WeightLayout::hf_bert) {
    const auto& bert = std::get<BertConfig>(config.text);
    Json json = hf_tower("bert", bert, bert.hidden, bert.eps);
    json["architectures"] = {"BertModel"};
    json["vocab_size"] = bert.vocabulary;
    json["max_position_embeddings"] = bert.positions;
    json["type_vocab_size"] = bert.types;
    json["pad_token_id"] = 0;
    return json;
  }
  Json image, text, json;
  if (layout == WeightLayout::hf_siglip) {
    const auto& vision = std::get<SiglipVisionConfig>(config.image);
    const auto& words = std::get<SiglipTextConfig>(config.text);
    json = {{"architectures", {"SiglipModel"}}, {"model_type", "siglip"}};
    image = hf_tower("siglip_vision_model", vision, vision.hidden, vision.eps);
    hf_image_sizes(image, vision);
    text = hf_tower("siglip_text_model", words, words.hidden, words.eps);
    text["vocab_size"] = words.vocabulary;
    text["max_position_embeddings"] = words.context_length;
    text["projection_size"] = words.output;
    text["pad_token_id"] = config.texts.pad;
  } else {
    const auto& vision = std::get<ClipVisionConfig>(config.image);
    const auto& words = std::get<TextTransformerConfig>(config.text);
    json = {{"architectures", {"CLIPModel"}}, {"model_type", "clip"}, {"projection_dim", config.dimension}};
    image = hf_tower("clip_vision_model", vision, 4 * vision.width, 1e-5);
    hf_image_sizes(image, vision);
    text = hf_tower("clip_text_model", words, 4 * words.width, 1e-5);
    text["vocab_size"] = words.vocabulary;
    text["max_position_embeddings"] = words.context_length;
    text["eos_token_id"] = words.vocabulary == 49408 ? 49407 : 2;  // 2 stands for the largest id
    image["projection_dim"] = text["projection_dim"] = config.dimension;
  }
  json["vision_config"] = std::move(image);
  json["text_config"] = std::move(text);
  return json;
}

/// preprocessor_config.json
inline Json hf_image_processor(const ImagePreparation& images) {
  require(images.resize != ResizeMode::longest, "[weights] transformers' image processors cannot pad (resize longest)");
  constexpr int by_filter[] = {0, 2, 3, 1};  // Pillow's numbers of nearest, bilinear, bicubic, lanczos
  const Json square = {{"height", images.size}, {"width", images.size}};
  const bool squash = images.resize == ResizeMode::squash;
  Json json = {{"image_processor_type", squash ? "SiglipImageProcessor" : "CLIPImageProcessor"},
               {"do_resize", true},
               {"size", squash ? square : Json{{"shortest_edge", images.size}}},
               {"resample", by_filter[static_cast<int>(images.interpolation)]},
               {"do_rescale", true},
               {"rescale_factor", 1.0 / 255},
               {"do_normalize", true},
               {"image_mean", images.normalize.mean},
               {"image_std", images.normalize.std},
               {"do_convert_rgb", true}};
  if (!squash) json["do_center_crop"] = true, json["crop_size"] = square;
  return json;
}

/// SigLIP's tower of timm that has these sizes; throws where timm has none.
inline std::string timm_name(const SiglipVisionConfig& c) {
  for (const char* size : {"base", "large", "so400m", "giantopt"}) {
    const std::string name = join("vit_", size, "_patch", c.patch, "_siglip_", c.image_size);
    const std::optional<TimmTower> known = timm_siglip(name);
    if (known && known->width == c.width && known->layers == c.layers && known->heads == c.heads &&
        known->activation == c.activation)
      return name;
  }
  fail("[weights] open_clip takes SigLIP's image tower from timm, which has none of width ", c.width, ", ", c.layers,
       " layers, ", c.heads, " heads and ", word_of(c.activation), ": write hf_siglip");
}

/// open_clip_config.json
inline Json open_clip_config(const DualEncoderConfig& config, WeightLayout layout) {
  Json image, text = {{"context_length", config.texts.context_length}};
  Activation first = Activation::gelu, second = first;
  image["image_size"] = config.images.size;
  if (const auto* net = std::get_if<ModifiedResNetConfig>(&config.image)) {
    image["layers"] = net->blocks;
    image["width"] = net->width;
    image["head_width"] = 32 * net->width / net->heads;
    image["patch_size"] = nullptr;
  } else if (const auto* siglip = std::get_if<SiglipVisionConfig>(&config.image)) {
    image.update({{"timm_model_name", timm_name(*siglip)},
                  {"timm_model_pretrained", false},
                  {"timm_pool", "map"},
                  {"timm_proj", "none"}});
  } else {
    const auto& vit = std::get<ClipVisionConfig>(config.image);
    image.update({{"layers", vit.layers},
                  {"width", vit.width},
                  {"head_width", vit.width / vit.heads},
                  {"patch_size", vit.patch}});
    first = vit.activation;
    if (first == Activation::gelu_tanh) image["act_kwargs"] = {{"approximate", "tanh"}};
  }
  const auto add_text = [&](const auto& tower) {
    text.update(
        {{"vocab_size", tower.vocabulary}, {"width", tower.width}, {"heads", tower.heads}, {"layers", tower.layers}});
    second = tower.activation;
    if (second == Activation::gelu_tanh) text["act_kwargs"] = {{"approximate", "tanh"}};
  };
  if (const auto* words = std::get_if<SiglipTextConfig>(&config.text)) {
    add_text(*words);
    text.update({{"mlp_ratio", static_cast<double>(words->hidden) / static_cast<double>(words->width)},
                 {"no_causal_mask", true},
                 {"proj_bias", true},
                 {"pool_type", "last"},
                 {"norm_kwargs", {{"eps", words->eps}}}});
  } else {
    add_text(std::get<TextTransformerConfig>(config.text));
  }
  if (config.texts.cleaning != TextCleaning::lower)
    text["tokenizer_kwargs"] = {{"clean", word_of(config.texts.cleaning)}};
  const bool vit = std::holds_alternative<ClipVisionConfig>(config.image);
  const bool quick = second == Activation::quick_gelu;
  require(!vit || quick == (first == Activation::quick_gelu),
          "[weights] open_clip has quick_gelu in both towers or in none");
  Json model = {{"embed_dim", config.dimension}, {"quick_gelu", quick}};
  if (layout == WeightLayout::open_clip_custom) model["custom_text"] = true;
  if (config.has_bias) model["init_logit_bias"] = -10;
  model["vision_cfg"] = std::move(image);
  model["text_cfg"] = std::move(text);
  return {{"model_cfg", std::move(model)},
          {"preprocess_cfg",
           {{"mean", config.images.normalize.mean},
            {"std", config.images.normalize.std},
            {"interpolation", word_of(config.images.interpolation)},
            {"resize_mode", word_of(config.images.resize)}}}};
}

inline void check_layout(const DualEncoderConfig& config, WeightLayout layout) {
  const bool vit = std::holds_alternative<ClipVisionConfig>(config.image),
             resnet = std::holds_alternative<ModifiedResNetConfig>(config.image),
             siglip = std::holds_alternative<SiglipVisionConfig>(config.image),
             causal = std::holds_alternative<TextTransformerConfig>(config.text),
             siglip_text = std::holds_alternative<SiglipTextConfig>(config.text),
             bert = std::holds_alternative<BertConfig>(config.text);
  bool fits = false;
  switch (layout) {
    case WeightLayout::open_clip: fits = (vit || resnet) && causal; break;
    case WeightLayout::open_clip_custom: fits = (vit || resnet || siglip) && (causal || siglip_text); break;
    case WeightLayout::hf_clip: fits = vit && causal; break;
    case WeightLayout::hf_siglip: fits = siglip && siglip_text && config.has_bias; break;
    case WeightLayout::hf_bert: fits = config.image.index() == 0 && bert; break;
  }
  require(fits, "[weights] a model with these towers cannot be written as ", to_string(layout));
}

inline void write_json(const std::string& path, const Json& json) {
  AtomicFile file(path);
  file.write(dump_json(json, 2) + "\n");
  file.commit();
}

}  // namespace detail

// NOLINTBEGIN(misc-definitions-in-headers): one file of src/ compiles them
CONTRASTIVE_ONCE ModelFacts facts_of(const DualEncoderConfig& config) {
  ModelFacts facts;
  std::visit(
      [&](const auto& tower) {
        if constexpr (requires { tower.heads; }) facts.image_heads = tower.heads;
        if constexpr (requires { tower.activation; }) facts.image_activation = tower.activation;
        if constexpr (requires { tower.eps; }) facts.image_eps = tower.eps;
      },
      config.image);
  std::visit(
      [&](const auto& tower) {
        if constexpr (requires { tower.heads; }) facts.text_heads = tower.heads;
        if constexpr (requires { tower.activation; }) facts.text_activation = tower.activation;
        if constexpr (requires { tower.eps; }) facts.text_eps = tower.eps;
      },
      config.text);
  facts.cleaning = config.texts.cleaning;
  facts.context_length = config.texts.context_length;
  facts.pad = config.texts.pad;
  facts.pooling = config.texts.pooling;
  if (config.image.index() == 0) return facts;
  facts.image_size = config.images.size;
  facts.resize = config.images.resize;
  facts.interpolation = config.images.interpolation;
  facts.mean = config.images.normalize.mean;
  facts.deviation = config.images.normalize.std;
  return facts;
}

CONTRASTIVE_ONCE NamedTensors tensors_in_layout(const DualEncoderConfig& config, const TensorMap& tensors,
                                                WeightLayout layout) {
  detail::check_layout(config, layout);
  const bool siglip_image = std::holds_alternative<SiglipVisionConfig>(config.image);
  NamedTensors named;
  for (const auto& [name, shape] : tensor_shapes(config)) {
    const auto found = tensors.find(name);
    require(found != tensors.end(), "[weights] the model to write has no ", name);
    const Tensor host = found->second.detach().to(Device::cpu);
    require(shape.rank == 0 ? host.count() == 1 : host.shape() == shape, "[weights] the model to write has ", name, " ",
            host.shape(), ", expected ", shape);
    for (const WeightPiece& piece : pieces_of(layout, name, siglip_image)) {
      if (shape.rank == 0)  // transformers' SigLIP alone has them with an axis
        named.emplace_back(piece.name, host.reshape(layout == WeightLayout::hf_siglip ? Shape{1} : Shape{}));
      else
        named.emplace_back(piece.name, cut_piece(piece, host));
    }
  }
  return named;
}

CONTRASTIVE_ONCE void save_dual_encoder(const std::string& folder, const DualEncoderConfig& config,
                                        const TensorMap& tensors, WeightLayout layout) {
  const NamedTensors named = tensors_in_layout(config, tensors, layout);
  const bool open_clip = layout == WeightLayout::open_clip || layout == WeightLayout::open_clip_custom;
  const Json model = open_clip ? detail::open_clip_config(config, layout) : detail::hf_config(config, layout);
  const bool images = !open_clip && config.image.index() != 0;
  const Json processor = images ? detail::hf_image_processor(config.images) : Json();
  make_folders(folder);
  // transformers asks for the format, "pt".
  save_safetensors(folder + (open_clip ? "/open_clip_model.safetensors" : "/model.safetensors"), named,
                   {{"format", "pt"}, {detail::facts_key, dump_json(facts_to_json(facts_of(config)))}});
  detail::write_json(folder + (open_clip ? "/open_clip_config.json" : "/config.json"), model);
  if (images) detail::write_json(folder + "/preprocessor_config.json", processor);
}
// NOLINTEND(misc-definitions-in-headers)

}  // namespace contrastive
