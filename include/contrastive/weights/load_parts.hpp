// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "contrastive/core/compiled.hpp"
#include "contrastive/weights/config_files.hpp"
#include "contrastive/weights/dual_encoder_weights.hpp"
#include "contrastive/weights/model_reader.hpp"

namespace contrastive {

namespace detail {

inline bool has_prefix(const TensorMap& tensors, const std::string& prefix) {
  const auto at = tensors.lower_bound(prefix);
  return at != tensors.end() && at->first.starts_with(prefix);
}

/// Whose names these are; throws where they are nobody's.
inline WeightLayout layout_of(const TensorMap& tensors, const std::string& file) {
  const auto has = [&](const char* prefix) { return has_prefix(tensors, prefix); };
  if (has("vision_model.") || has("text_model."))
    return has("vision_model.head.") || has("text_model.head.") ? WeightLayout::hf_siglip : WeightLayout::hf_clip;
  if (has("visual.")) return has("text.") ? WeightLayout::open_clip_custom : WeightLayout::open_clip;
  if (has("embeddings.word_embeddings") || has("encoder.layer.0.attention.self")) return WeightLayout::hf_bert;
  std::vector<std::string> first;
  for (const auto& [name, tensor] : tensors)
    if (first.size() < 3) first.push_back(name);
  fail("[weights] ", file, ": these are not the tensors of OpenAI's CLIP, open_clip, or transformers' CLIPModel, ",
       "SiglipModel or BertModel: ", first.empty() ? "there are none" : joined(first) + " ...");
}

/// What the file has beside the weights of a model.
inline bool is_ignored(const std::string& name, WeightLayout layout) {
  return name.ends_with("position_ids") || name == "input_resolution" || name == "context_length" ||
         name == "vocab_size" || (layout == WeightLayout::hf_bert && name.starts_with("pooler."));
}

inline std::int64_t image_size_of(const ModelFacts& facts, const FactReader& reader, int patch, int side) {
  const std::int64_t size = facts.image_size.value_or(std::int64_t{patch} * side);
  reader.same(side, size / patch, "patches along an image");
  return size;
}

inline void read_image_tower(SizeReader& size, FactReader& fact, const ModelFacts& facts, WeightLayout layout,
                             DualEncoderConfig& config) {
  const auto square_patch = [&] {
    return static_cast<int>(std::min(size("visual.conv1.weight", 2, 4), size("visual.conv1.weight", 3, 4)));
  };
  if (size.has("visual.layer1.0.conv1.weight")) {
    ModifiedResNetConfig net;
    net.width = size("visual.layer1.0.conv1.weight", 0, 4);
    net.channels = static_cast<int>(size("visual.conv1.weight", 1, 4));
    for (int s = 0; s < 4; ++s)
      net.blocks[static_cast<std::size_t>(s)] = size.numbers_after(join("visual.layer", s + 1, "."), ".conv1.weight");
    net.output = size("visual.attnpool.c_proj.weight", 0, 2);
    net.image_size = 32 * size.grid_side("visual.attnpool.positional_embedding", 1);
    size.finish();
    fact.same(facts.image_width, net.width, "width of the image tower");
    fact.same(facts.image_size, net.image_size, "size of an image");
    net.heads = fact.heads(facts.image_heads, 32 * net.width, "image");
    config.images.size = net.image_size;
    config.dimension = net.output;
    config.image = net;
    return;
  }
  const bool siglip = layout == WeightLayout::hf_siglip || size.has("visual.attn_pool.probe");
  const int patch = square_patch(), side = size.grid_side("visual.positional_embedding", siglip ? 0 : 1);
  const std::int64_t width = size("visual.conv1.weight", 0, 4);
  const int channels = static_cast<int>(size("visual.conv1.weight", 1, 4));
  const int layers = size.numbers_after("visual.transformer.resblocks.", ".ln_1.weight");
  const std::int64_t dimension = siglip ? width : size("visual.proj", 1, 2);
  const std::int64_t hidden = siglip ? size("visual.transformer.resblocks.0.mlp.c_fc.weight", 0, 2) : 0;
  size.finish();
  fact.same(facts.image_width, width, "width of the image tower");
  fact.same(facts.image_layers, layers, "layers of the image tower");
  const int heads = fact.heads(facts.image_heads, width, "image");
  const Activation activation = fact.need(facts.image_activation, "activation", "activation");
  config.images.size = image_size_of(facts, fact, patch, side);
  config.dimension = dimension;
  const int pixels = static_cast<int>(config.images.size);
  if (siglip) {
    config.image = SiglipVisionConfig{
        pixels, patch, width, layers, heads, hidden, activation, facts.image_eps.value_or(1e-6), channels};
    return;
  }
  fact.only(facts.image_eps.value_or(1e-5) == 1e-5, "eps of the layer norms");
  fact.only(pixels % patch == 0, "size of an image");
  config.image = ClipVisionConfig{.image_size = pixels,
                                  .patch = patch,
                                  .width = width,
                                  .layers = layers,
                                  .heads = heads,
                                  .activation = activation,
                                  .channels = channels};
}

inline void read_text_tower(SizeReader& size, FactReader& fact, const ModelFacts& facts, WeightLayout layout,
                            DualEncoderConfig& config) {
  const bool bert = layout == WeightLayout::hf_bert;
  const bool siglip = layout == WeightLayout::hf_siglip || (!bert && size.has("text_projection.weight"));
  const std::string words = bert ? "embeddings.word_embeddings.weight" : "token_embedding.weight";
  const std::string places = bert ? "embeddings.position_embeddings.weight" : "positional_embedding";
  const std::int64_t vocabulary = size(words, 0, 2), width = size(words, 1, 2), positions = size(places, 0, 2);
  const int layers = bert ? size.numbers_after("encoder.layer.", ".norm1.weight")
                          : size.numbers_after("transformer.resblocks.", ".ln_1.weight");
  const std::int64_t hidden = bert     ? size("encoder.layer.0.mlp.fc1.weight", 0, 2)
                              : siglip ? size("transformer.resblocks.0.mlp.c_fc.weight", 0, 2)
                                       : 0;
  const std::int64_t types = bert ? size("embeddings.token_type_embeddings.weight", 0, 2) : 0;
  const std::int64_t output = bert     ? width
                              : siglip ? size("text_projection.weight", 0, 2)
                                       : size("text_projection", 1, 2);
  size.finish();
  fact.same(facts.text_width, width, "width of the text tower");
  fact.same(facts.text_layers, layers, "layers of the text tower");
  const int heads = fact.heads(facts.text_heads, width, "text");
  const Activation activation = fact.need(facts.text_activation, "activation", "activation");
  const bool no_images = config.image.index() == 0;
  if (no_images) config.dimension = output;
  fact.same(config.dimension, output, "width of the space that images and texts share");

  TextPreparation& texts = config.texts;
  texts.cleaning = fact.need(facts.cleaning, "cleaning of texts", "clean");
  texts.pooling = fact.need(facts.pooling, "pooling of texts", "pooling");
  const TextPooling pooling = bert ? TextPooling::mean : siglip ? TextPooling::last : TextPooling::end;
  fact.only(!facts.pooling || *facts.pooling == pooling, "pooling of texts");
  if (bert) {
    config.text = BertConfig{
        vocabulary, positions, types, width, layers, heads, hidden, activation, facts.text_eps.value_or(1e-12)};
    texts.pad = facts.pad.value_or(0);
    fact.only(texts.pad == 0, "id of padding");
    fact.only(!facts.cleaning || *facts.cleaning == TextCleaning::lower, "cleaning of texts");
    texts.context_length = fact.need(facts.context_length, "number of tokens of a text", "context-length");
    fact.only(texts.context_length <= positions, "number of tokens of a text");
    return;
  }
  fact.same(facts.context_length, positions, "number of tokens of a text");
  texts.context_length = positions;
  if (siglip) {
    config.text = SiglipTextConfig{
        vocabulary, positions, width, layers, heads, hidden, output, activation, facts.text_eps.value_or(1e-6)};
    texts.pad = fact.need(facts.pad, "id of padding", "pad");
    return;
  }
  fact.only(facts.text_eps.value_or(1e-5) == 1e-5, "eps of the layer norms");
  texts.pad = facts.pad.value_or(0);  // what follows the end token changes nothing: attention is causal
  config.text = TextTransformerConfig{vocabulary, positions, width, layers, heads, activation};
}

/// All tensors of the model put together from those of the file; throws the list of what does not fit.
inline TensorMap read_tensors(const TensorMap& file, WeightLayout layout, const DualEncoderConfig& config,
                              const std::string& name) {
  const bool siglip_image = std::holds_alternative<SiglipVisionConfig>(config.image);
  std::vector<std::string> missing, unexpected, misshapen;
  std::set<std::string> used;
  TensorMap ours;
  for (const auto& [our_name, shape] : tensor_shapes(config)) {
    const bool counter = our_name.ends_with("num_batches_tracked"), scalar = shape.rank == 0;
    const auto pieces = pieces_of(layout, our_name, siglip_image);
    bool wide = false;
    for (const WeightPiece& piece : pieces) {
      const auto found = file.find(piece.name);
      wide = wide || (found != file.end() && found->second.dtype() == DType::f64);
    }
    const Tensor whole = Tensor::zeros(shape, counter ? DType::i64 : wide ? DType::f64 : DType::f32);
    for (const WeightPiece& piece : pieces) {
      const auto found = file.find(piece.name);
      if (found == file.end()) {
        if (!counter) missing.push_back(piece.name);
        continue;
      }
      used.insert(piece.name);
      const Tensor& given = found->second;
      const Shape wanted = shape_of_piece(piece, shape);
      if (scalar ? given.count() != 1 : given.shape() != wanted)
        misshapen.push_back(join(piece.name, " ", given.shape(), " in the file, ", wanted, " wanted"));
      else if (is_float(given.dtype()) == counter)
        misshapen.push_back(join(piece.name, " is ", to_string(given.dtype())));
      else
        place_piece(piece, given, whole);
    }
    ours.emplace(our_name, whole);
  }
  for (const auto& [their_name, tensor] : file)
    if (!used.contains(their_name) && !is_ignored(their_name, layout)) unexpected.push_back(their_name);
  std::string text;
  const auto list = [&](const char* what, const std::vector<std::string>& names) {
    if (!names.empty()) text += (text.empty() ? "" : "; ") + std::string(what) + " " + joined(names);
  };
  list("missing", missing);
  list("unexpected", unexpected);
  list("of another shape or type:", misshapen);
  require(text.empty(), "[weights] ", name, ": the tensors are not those of this model (", to_string(layout),
          "): ", text);
  return ours;
}

/// Refuses what PyTorch wrote, with the command that converts it. 80 02..05 begins a pickle, PK a zip archive of them.
inline void refuse_pickle(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  unsigned char start[4] = {};
  if (!file || std::fread(start, 1, 4, file.get()) != 4) return;  // reading it says why
  const bool zip = start[0] == 'P' && start[1] == 'K' && start[2] == 3 && start[3] == 4;
  if (!zip && !(start[0] == 0x80 && start[1] >= 2 && start[1] <= 5)) return;
  std::string end(1 << 20, '\0');  // the archive's list of files
  if (std::fseek(file.get(), -static_cast<long>(end.size()), SEEK_END) != 0) std::rewind(file.get());
  end.resize(std::fread(end.data(), 1, end.size(), file.get()));
  const bool script = zip && end.find("/constants.pkl") != end.npos;
  const auto quoted = [](const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
  };
  const std::string read = script ? "m = torch.jit.load(sys.argv[1], map_location='cpu').state_dict()"
                                  : "m = torch.load(sys.argv[1], map_location='cpu', weights_only=True)";
  fail("[weights] ", path, ": a PyTorch file, which may run code when it is read, is not loaded; convert it by: ",
       "python3 -c \"import sys, torch, safetensors.torch as s; ", read, "; m = m.get('state_dict', m); ",
       "s.save_file({k.removeprefix('module.'): v.clone().contiguous() for k, v in m.items()}, sys.argv[2])\" ",
       quoted(path), " ", quoted(path + ".safetensors"));
}

/// The file of weights in a folder.
inline std::string weights_in(const std::string& folder) {
  std::error_code error;
  for (const char* name : {"open_clip_model.safetensors", "model.safetensors"})
    if (std::filesystem::is_regular_file(folder + "/" + name, error)) return folder + "/" + name;
  for (const char* name : {"open_clip_pytorch_model.bin", "pytorch_model.bin"})
    if (std::filesystem::is_regular_file(folder + "/" + name, error)) refuse_pickle(folder + "/" + name);
  fail("[weights] ", folder, ": there is no model.safetensors or open_clip_model.safetensors in this folder");
}

}  // namespace detail

// NOLINTBEGIN(misc-definitions-in-headers): one file of src/ compiles them
CONTRASTIVE_ONCE DualEncoderWeights dual_encoder_of(const Safetensors& file, const ModelFacts& facts,
                                                    const std::string& name) {
  DualEncoderWeights weights;
  weights.layout = detail::layout_of(file.tensors, name);
  const bool trunk = detail::has_prefix(file.tensors, "visual.trunk.");
  require(!trunk || detail::has_prefix(file.tensors, "visual.trunk.attn_pool."), "[weights] ", name,
          ": of timm's image towers (visual.trunk.*) only SigLIP's are available");
  detail::SizeReader size(file.tensors, weights.layout, trunk, name);
  detail::FactReader fact(facts, name);
  DualEncoderConfig& config = weights.config;
  if (weights.layout != WeightLayout::hf_bert) {
    detail::read_image_tower(size, fact, facts, weights.layout, config);
    config.images.resize = fact.need(facts.resize, "resizing of images", "resize");
    config.images.interpolation = fact.need(facts.interpolation, "interpolation", "interpolation");
    config.images.normalize.mean = fact.need(facts.mean, "mean of the channels", "mean");
    config.images.normalize.std = fact.need(facts.deviation, "deviation of the channels", "std");
    config.has_bias = weights.layout == WeightLayout::hf_siglip || file.tensors.contains("logit_bias");
  }
  detail::read_text_tower(size, fact, facts, weights.layout, config);
  fact.finish();
  weights.tensors = detail::read_tensors(file.tensors, weights.layout, config, name);
  return weights;
}

CONTRASTIVE_ONCE DualEncoderWeights load_dual_encoder(const std::string& path, const ModelFacts& given) {
  std::error_code error;
  const std::string file = std::filesystem::is_directory(path, error) ? detail::weights_in(path) : path;
  detail::refuse_pickle(file);
  const Safetensors read = load_safetensors(file);
  ModelFacts facts = given;
  const auto ours = read.metadata.find(detail::facts_key);
  if (ours != read.metadata.end())
    facts.fill_from(facts_from_json(parse_json(ours->second, file), join(file, ", ", detail::facts_key)));
  else
    facts.fill_from(facts_next_to(file, detail::layout_of(read.tensors, file)));
  return dual_encoder_of(read, facts, file);
}
// NOLINTEND(misc-definitions-in-headers)

}  // namespace contrastive
