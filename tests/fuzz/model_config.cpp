// SPDX-License-Identifier: MIT
#include <cstdlib>

#include "contrastive/weights/config_files.hpp"
#include "contrastive/weights/dual_encoder_weights.hpp"

using namespace contrastive;

namespace {

/// A small CLIP in each of its layouts.
const Safetensors& model_in(WeightLayout layout) {
  static const auto models = [] {
    DualEncoderConfig config;
    config.image = ClipVisionConfig{.image_size = 8, .patch = 4, .width = 4, .layers = 1, .heads = 1};
    config.text = TextTransformerConfig{.vocabulary = 9, .context_length = 5, .width = 4, .layers = 1, .heads = 1};
    config.dimension = 3;
    TensorMap tensors;
    for (const auto& [name, shape] : tensor_shapes(config)) tensors[name] = Tensor::zeros(shape);
    std::map<WeightLayout, Safetensors> all;
    for (const WeightLayout layout : {WeightLayout::open_clip, WeightLayout::open_clip_custom, WeightLayout::hf_clip})
      for (const auto& [name, tensor] : tensors_in_layout(config, tensors, layout)) all[layout].tensors[name] = tensor;
    return all;
  }();
  return models.at(layout);
}

/// A model that is read can be written, and is then read as the same.
void check_model(const Safetensors& file, const ModelFacts& facts) {
  const DualEncoderWeights weights = dual_encoder_of(file, facts, "fuzz");
  Safetensors again;
  for (const auto& [name, tensor] : tensors_in_layout(weights.config, weights.tensors, weights.layout))
    again.tensors[name] = tensor;
  const DualEncoderWeights same = dual_encoder_of(again, facts_of(weights.config), "again");
  if (tensor_shapes(same.config) != tensor_shapes(weights.config)) std::abort();
  if (facts_to_json(facts_of(same.config)) != facts_to_json(facts_of(weights.config))) std::abort();
}

void check_json(const Json& json, ModelFacts (*facts_of_file)(const Json&, std::string_view)) {
  ModelFacts facts;
  try {
    facts = facts_of_file(json, "fuzz");
  } catch (const Error&) {
    return;
  }
  const Json written = facts_to_json(facts);
  if (facts_to_json(facts_from_json(parse_json(dump_json(written), "again"), "again")) != written) std::abort();
  for (const WeightLayout layout : {WeightLayout::open_clip, WeightLayout::open_clip_custom, WeightLayout::hf_clip}) {
    ModelFacts all = facts;
    all.image_width.reset(), all.text_width.reset(), all.image_layers.reset(), all.text_layers.reset();
    all.fill_from(facts_of_family("openai"));
    try {
      check_model(model_in(layout), all);
    } catch (const Error&) {
    }
  }
}

}  // namespace

// Any bytes as each of the configuration files next to weights, and as a file of weights.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const Json json = parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
    for (const auto facts_of_file : {facts_of_open_clip, facts_of_hugging_face, facts_of_image_processor,
                                     facts_of_tokenizer, facts_of_sentence_model, facts_from_json})
      check_json(json, facts_of_file);
  } catch (const Error&) {
  }
  try {
    ModelFacts facts = facts_of_family("siglip");
    facts.head_width = 2;
    facts.pooling.reset();
    for (const TextPooling pooling : {TextPooling::end, TextPooling::last}) {
      facts.pooling = pooling;
      check_model(parse_safetensors({reinterpret_cast<const std::byte*>(data), size}, "fuzz"), facts);
    }
  } catch (const Error&) {
  }
  return 0;
}
