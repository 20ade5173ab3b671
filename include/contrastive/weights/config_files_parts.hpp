// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

#include "contrastive/core/compiled.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/weights/config_files.hpp"
#include "contrastive/weights/config_object.hpp"
#include "contrastive/weights/timm_towers.hpp"

namespace contrastive {

namespace detail {

/// transformers' names (activations.py).
inline Activation hf_activation(const ConfigObject& config, Activation otherwise) {
  const std::optional<std::string> name = config.text("hidden_act");
  if (!name) return otherwise;
  if (*name == "gelu") return Activation::gelu;
  if (*name == "quick_gelu") return Activation::quick_gelu;
  if (*name == "gelu_pytorch_tanh" || *name == "gelu_new") return Activation::gelu_tanh;
  fail("[weights] ", config.where(), ": the activation ", *name,
       " is not available, expected gelu, quick_gelu or gelu_pytorch_tanh");
}

/// open_clip's: one flag for both towers, and torch.nn.GELU's argument for each.
inline Activation open_clip_activation(const ConfigObject& tower, bool quick) {
  const std::optional<ConfigObject> arguments = tower.object("act_kwargs");
  const bool tanh = arguments && arguments->text("approximate").value_or("none") == "tanh";
  return quick ? Activation::quick_gelu : tanh ? Activation::gelu_tanh : Activation::gelu;
}

inline void open_clip_image(const ConfigObject& tower, bool quick, ModelFacts& facts) {
  for (const char* flag : {"final_ln_after_pool", "attentional_pool", "no_ln_pre"})
    tower.refuse(tower.flag(flag).value_or(false), flag);
  tower.refuse(tower.text("pos_embed_type").value_or("learnable") != "learnable", "pos_embed_type");
  if (!tower.is_list("image_size")) facts.image_size = tower.whole("image_size").value_or(224);
  if (const std::optional<std::string> timm = tower.text("timm_model_name")) {
    const std::optional<TimmTower> known = timm_siglip(*timm);
    tower.refuse(!known || tower.text("timm_pool").value_or("avg") != "map", "timm_model_name");
    facts.image_width = known->width, facts.image_layers = known->layers, facts.image_heads = known->heads;
    facts.image_activation = known->activation;
    return;
  }
  tower.refuse(tower.text("pool_type").value_or("tok") != "tok", "pool_type");
  const std::int64_t width = tower.whole("width").value_or(768), head = tower.whole("head_width").value_or(64);
  facts.image_width = width;
  if (tower.is_list("layers")) {  // ModifiedResNet: a number of blocks for each stage
    facts.image_heads = 32 * width / head;
    return;
  }
  facts.image_layers = tower.whole("layers").value_or(12);
  facts.image_heads = width / head;
  facts.image_activation = open_clip_activation(tower, quick);
  if (const auto norm = tower.object("norm_kwargs")) facts.image_eps = norm->number("eps");
}

inline void open_clip_text(const ConfigObject& tower, bool quick, ModelFacts& facts) {
  for (const char* name : {"hf_model_name", "proj_type"})
    tower.refuse(tower.text(name).value_or("linear") != "linear", name);
  for (const char* flag : {"embed_cls", "final_ln_after_pool"}) tower.refuse(tower.flag(flag).value_or(false), flag);
  facts.text_width = tower.whole("width").value_or(512);
  facts.text_layers = tower.whole("layers").value_or(12);
  facts.text_heads = tower.whole("heads").value_or(8);
  facts.context_length = tower.whole("context_length").value_or(77);
  facts.text_activation = open_clip_activation(tower, quick);
  if (const auto norm = tower.object("norm_kwargs")) facts.text_eps = norm->number("eps");
  const std::string pool = tower.text("pool_type").value_or("argmax");
  tower.refuse(pool != "argmax" && pool != "last", "pool_type");
  facts.pooling = pool == "last" ? TextPooling::last : TextPooling::end;
  tower.refuse(tower.flag("no_causal_mask").value_or(false) != (pool == "last"), "no_causal_mask");
  const bool foreign = tower.has("hf_tokenizer_name");  // whose padding its own configuration says
  if (!foreign) facts.pad = tower.whole("pad_id", 0).value_or(0);
  facts.cleaning = foreign ? TextCleaning::whitespace : TextCleaning::lower;
  if (const auto tokenizer = tower.object("tokenizer_kwargs"))
    if (const auto cleaning = tokenizer->word<TextCleaning>("clean")) facts.cleaning = cleaning;
}

/// transformers' defaults: what a key means that config.json leaves out.
struct HuggingFaceDefaults {
  std::int64_t width, layers, heads;
  Activation activation;
  double eps;
};
inline void hf_image(const ConfigObject& tower, const HuggingFaceDefaults& defaults, ModelFacts& facts) {
  facts.image_width = tower.whole("hidden_size").value_or(defaults.width);
  facts.image_layers = tower.whole("num_hidden_layers").value_or(defaults.layers);
  facts.image_heads = tower.whole("num_attention_heads").value_or(defaults.heads);
  facts.image_activation = hf_activation(tower, defaults.activation);
  facts.image_eps = tower.number("layer_norm_eps").value_or(defaults.eps);
  facts.image_size = tower.whole("image_size").value_or(224);
}
inline void hf_text(const ConfigObject& tower, const HuggingFaceDefaults& defaults, ModelFacts& facts) {
  facts.text_width = tower.whole("hidden_size").value_or(defaults.width);
  facts.text_layers = tower.whole("num_hidden_layers").value_or(defaults.layers);
  facts.text_heads = tower.whole("num_attention_heads").value_or(defaults.heads);
  facts.text_activation = hf_activation(tower, defaults.activation);
  facts.text_eps = tower.number("layer_norm_eps").value_or(defaults.eps);
}

}  // namespace detail

// NOLINTBEGIN(misc-definitions-in-headers): one file of src/ compiles them
CONTRASTIVE_ONCE ModelFacts facts_of_open_clip(const Json& config, std::string_view name) {
  const detail::ConfigObject all(config, name);
  const auto model = all.object("model_cfg");
  require(model && model->object("vision_cfg") && model->object("text_cfg"), "[weights] ", name,
          " has no model_cfg with vision_cfg and text_cfg");
  ModelFacts facts;
  const bool quick = model->flag("quick_gelu").value_or(false);
  detail::open_clip_image(*model->object("vision_cfg"), quick, facts);
  detail::open_clip_text(*model->object("text_cfg"), quick, facts);
  facts.resize = ResizeMode::shortest;
  facts.interpolation = Filter::bicubic;
  facts.mean = clip_statistics.mean;
  facts.deviation = clip_statistics.std;
  if (const auto images = all.object("preprocess_cfg")) {
    if (const auto resize = images->word<ResizeMode>("resize_mode")) facts.resize = resize;
    if (const auto filter = images->word<Filter>("interpolation")) facts.interpolation = filter;
    if (const auto mean = images->three_numbers("mean", false)) facts.mean = mean;
    if (const auto deviation = images->three_numbers("std", true)) facts.deviation = deviation;
  }
  return facts;
}

CONTRASTIVE_ONCE ModelFacts facts_of_hugging_face(const Json& config, std::string_view name) {
  const detail::ConfigObject all(config, name);
  const std::string type = all.text("model_type").value_or("");
  ModelFacts facts;
  if (type == "bert") {
    all.refuse(all.text("position_embedding_type").value_or("absolute") != "absolute", "position_embedding_type");
    all.refuse(all.flag("is_decoder").value_or(false), "is_decoder");
    detail::hf_text(all, {768, 12, 12, Activation::gelu, 1e-12}, facts);
    facts.pad = all.whole("pad_token_id", 0).value_or(0);
    return facts;
  }
  require(type == "clip" || type == "siglip", "[weights] ", name,
          ": a model_type of clip, siglip or bert is expected, ", type.empty() ? "there is none" : "got " + type);
  const Json none = Json::object();
  // Old files of CLIP hold the same twice, and `.._config_dict` wins (configuration_clip.py).
  const auto part = [&](const char* key, const char* older) {
    if (const auto object = all.object(older)) return *object;
    if (const auto object = all.object(key)) return *object;
    return detail::ConfigObject(none, name);
  };
  const detail::ConfigObject image = part("vision_config", "vision_config_dict"),
                             text = part("text_config", "text_config_dict");
  if (type == "siglip") {
    const detail::HuggingFaceDefaults both{768, 12, 12, Activation::gelu_tanh, 1e-6};
    detail::hf_image(image, both, facts);
    detail::hf_text(text, both, facts);
    facts.context_length = text.whole("max_position_embeddings").value_or(64);
    facts.pooling = TextPooling::last;
  } else {
    detail::hf_image(image, {768, 12, 12, Activation::quick_gelu, 1e-5}, facts);
    detail::hf_text(text, {512, 12, 8, Activation::quick_gelu, 1e-5}, facts);
    facts.context_length = text.whole("max_position_embeddings").value_or(77);
    // Id 2 stands for the largest id, others for their first place: the same where no id is larger.
    const std::int64_t end = text.whole("eos_token_id", 0).value_or(49407);
    text.refuse(end != 2 && end != 49407 && end + 1 != text.whole("vocab_size").value_or(49408), "eos_token_id");
    facts.pooling = TextPooling::end;
    facts.cleaning = TextCleaning::lower;  // by its tokenizer, CLIPTokenizer
  }
  return facts;
}

CONTRASTIVE_ONCE ModelFacts facts_of_image_processor(const Json& config, std::string_view name) {
  const detail::ConfigObject all(config, name);
  ModelFacts facts;
  if (all.is_object("size")) {
    const detail::ConfigObject size = *all.object("size");
    if (size.has("shortest_edge"))
      facts.resize = ResizeMode::shortest;
    else if (size.has("height") && size.has("width"))
      facts.resize = ResizeMode::squash;
  } else if (all.has("size") && all.flag("do_center_crop").value_or(false)) {
    facts.resize = ResizeMode::shortest;  // older files: one number, and a crop after it
  }
  if (!all.flag("do_resize").value_or(true)) facts.resize.reset();
  if (const auto filter = all.whole("resample", 0)) {
    constexpr Filter by_number[] = {Filter::nearest, Filter::lanczos, Filter::bilinear, Filter::bicubic};  // Pillow's
    all.refuse(*filter > 3, "resample");
    facts.interpolation = by_number[*filter];
  }
  if (!all.flag("do_normalize").value_or(true)) {
    facts.mean = std::array{0.0, 0.0, 0.0};
    facts.deviation = std::array{1.0, 1.0, 1.0};
  } else {
    facts.mean = all.three_numbers("image_mean", false);
    facts.deviation = all.three_numbers("image_std", true);
  }
  return facts;
}

CONTRASTIVE_ONCE ModelFacts facts_of_tokenizer(const Json& config, std::string_view name) {
  const detail::ConfigObject all(config, name);
  std::string kind = all.text("tokenizer_class").value_or("");
  if (kind.ends_with("Fast")) kind.resize(kind.size() - 4);
  ModelFacts facts;
  if (kind == "SiglipTokenizer") facts.cleaning = TextCleaning::canonicalize;
  if (kind == "CLIPTokenizer" || kind == "GemmaTokenizer" || kind == "Siglip2Tokenizer")
    facts.cleaning = TextCleaning::lower;
  if (kind == "BertTokenizer")
    facts.cleaning = all.flag("do_lower_case").value_or(true) ? TextCleaning::lower : TextCleaning::whitespace;

  std::string pad;
  if (all.is_object("pad_token"))
    pad = all.object("pad_token")->text("content").value_or("");
  else
    pad = all.text("pad_token").value_or("");
  const auto tokens = all.object("added_tokens_decoder");
  if (pad.empty() || !tokens) return facts;
  for (const auto& [id, token] : config.at("added_tokens_decoder").items()) {
    const detail::ConfigObject one(token, tokens->where());
    const bool number = !id.empty() && id.size() <= 9 && id.find_first_not_of("0123456789") == id.npos;
    if (number && one.text("content") == pad) facts.pad = std::stoll(id);
  }
  return facts;
}

CONTRASTIVE_ONCE ModelFacts facts_of_sentence_model(const Json& config, std::string_view name) {
  const detail::ConfigObject all(config, name);
  ModelFacts facts;
  facts.context_length = all.whole("max_seq_length");
  const auto on = [&](const char* way) { return all.flag(join("pooling_mode_", way).c_str()).value_or(false); };
  for (const char* way : {"max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"})
    all.refuse(on(way), join("pooling_mode_", way).c_str());
  all.refuse(on("cls_token") && on("mean_tokens"), "pooling_mode_cls_token");
  if (on("mean_tokens")) facts.pooling = TextPooling::mean;
  if (on("cls_token")) facts.pooling = TextPooling::first;
  return facts;
}

CONTRASTIVE_ONCE Json facts_to_json(const ModelFacts& facts) {
  Json json = Json::object();
  each_fact([&](const char* name, auto member) {
    const auto& fact = facts.*member;
    if (!fact) return;
    if constexpr (std::is_enum_v<std::remove_cvref_t<decltype(*fact)>>)
      json[name] = word_of(*fact);
    else
      json[name] = *fact;
  });
  return json;
}

CONTRASTIVE_ONCE ModelFacts facts_from_json(const Json& json, std::string_view name) {
  const detail::ConfigObject all(json, name);
  ModelFacts facts;
  each_fact([&](const char* key, auto member) {
    using T = typename std::remove_cvref_t<decltype(facts.*member)>::value_type;
    if constexpr (std::is_enum_v<T>)
      facts.*member = all.word<T>(key);
    else if constexpr (std::is_same_v<T, std::int64_t>)
      facts.*member = all.whole(key, 0);
    else if constexpr (std::is_same_v<T, double>)
      facts.*member = all.number(key);
    else
      facts.*member = all.three_numbers(key, std::string_view(key) == "deviation");
  });
  return facts;
}

CONTRASTIVE_ONCE ModelFacts facts_next_to(const std::string& path, WeightLayout layout) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "" : path.substr(0, slash + 1);
  ModelFacts facts;
  const auto read = [&](const char* file, ModelFacts (*facts_of)(const Json&, std::string_view)) {
    const std::string config = folder + file;
    std::error_code error;
    if (!std::filesystem::is_regular_file(config, error)) return false;
    facts.fill_from(facts_of(parse_json(read_text(config), config), config));
    return true;
  };
  const auto read_hugging_face = [&] {
    if (!read("config.json", facts_of_hugging_face)) return false;
    if (!read("preprocessor_config.json", facts_of_image_processor))
      read("processor_config.json", [](const Json& config, std::string_view name) {
        const detail::ConfigObject all(config, name);
        return all.has("image_processor") ? facts_of_image_processor(config.at("image_processor"), name) : ModelFacts();
      });
    return true;
  };
  const auto read_open_clip = [&] { return read("open_clip_config.json", facts_of_open_clip); };
  if (layout == WeightLayout::hf_bert) {
    read("config.json", facts_of_hugging_face);
    read("sentence_bert_config.json", facts_of_sentence_model);
    read("1_Pooling/config.json", facts_of_sentence_model);
  } else if (layout == WeightLayout::hf_clip || layout == WeightLayout::hf_siglip) {
    if (!read_hugging_face()) read_open_clip();
  } else {
    if (!read_open_clip()) read_hugging_face();
  }
  read("tokenizer_config.json", facts_of_tokenizer);
  return facts;
}
// NOLINTEND(misc-definitions-in-headers)

}  // namespace contrastive
