// SPDX-License-Identifier: MIT

// Models for benchmarks/peers/weights.py, which loads them in open_clip and transformers, and models that it wrote. Hidden:
// CONTRASTIVE_PEERS=FOLDER test_weights "[peers]" writes models of ours with the features that their towers give, and
// "[theirs]" reads those of transformers.

#include <cstdlib>

#include "contrastive/methods/dual_encoder.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "contrastive/weights/dual_encoder_weights.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/formula_weights.hpp"

using namespace contrastive;

namespace {

/// Ids below `end`, then `end`, the largest, then padding.
Tensor some_ids(std::int64_t length, std::int32_t end, std::int32_t pad) {
  const Tensor ids = Tensor::full({3, length}, pad, DType::i32);
  for (std::int64_t n = 0; n < 3; ++n)
    for (std::int64_t i = 0; i <= 3 + n; ++i)
      ids.data<std::int32_t>()[n * length + i] =
          i == 3 + n ? end : static_cast<std::int32_t>((7 * n + 5 * i) % (end - 1) + 1);
  return ids;
}

template <class Tower>
Tensor features(Tower tower, const TensorMap& tensors, const std::string& prefix, const Tensor& input) {
  std::map<std::string, Tensor> mine;
  for (const auto& [name, tensor] : handles(tower)) mine[name] = tensors.at(prefix + name);
  REQUIRE(load_state(tower, mine).ok());
  const NoGrad no_grad;
  const Eval eval;
  return tower(input);
}

Tensor projected(const Tensor& x, const TensorMap& tensors, const char* matrix) {
  return tensors.contains(matrix) ? matmul(x, tensors.at(matrix)) : x;
}
Tensor image_features(const DualEncoderConfig& config, const TensorMap& tensors, const Tensor& pixels) {
  const Tensor images = permute(pixels, {0, 2, 3, 1});
  Tensor rows;
  if (const auto* vit = std::get_if<ClipVisionConfig>(&config.image))
    rows = features(ClipVision(*vit, Rng(0)), tensors, "visual.", images);
  if (const auto* resnet = std::get_if<ModifiedResNetConfig>(&config.image))
    rows = features(ModifiedResNet(*resnet, Rng(0)), tensors, "visual.", images);
  if (const auto* siglip = std::get_if<SiglipVisionConfig>(&config.image))
    rows = features(SiglipVision(*siglip, Rng(0)), tensors, "visual.", images);
  return projected(rows, tensors, "visual.proj");
}
Tensor text_features(const DualEncoderConfig& config, const TensorMap& tensors, const Tensor& ids) {
  Tensor rows;
  if (const auto* text = std::get_if<TextTransformerConfig>(&config.text))
    rows = features(TextTransformer(*text, Rng(0)), tensors, "", ids);
  if (const auto* text = std::get_if<SiglipTextConfig>(&config.text))
    rows = features(SiglipText(*text, Rng(0)), tensors, "", ids);
  if (const auto* text = std::get_if<BertConfig>(&config.text)) rows = features(Bert(*text, Rng(0)), tensors, "", ids);
  return projected(rows, tensors, "text_projection");
}

void write_model(const std::string& name, const DualEncoderConfig& config, WeightLayout layout, std::int32_t end) {
  const std::string folder = std::string(std::getenv("CONTRASTIVE_PEERS")) + "/" + name;
  TensorMap tensors;
  for (const auto& [tensor, shape] : tensor_shapes(config))
    tensors[tensor] =
        tensor.ends_with("num_batches_tracked") ? Tensor::zeros(shape, DType::i64) : formula::weight(shape, tensor);
  save_dual_encoder(folder, config, tensors, layout);
  NamedTensors expected;
  if (config.image.index() != 0) {
    const std::int64_t size = config.images.size;
    expected.emplace_back("pixels", formula::fill({2, 3, size, size}, "alpha:input", 0, 4));
    expected.emplace_back("image_features", image_features(config, tensors, expected[0].second));
  }
  const Tensor ids = some_ids(config.texts.context_length, end, static_cast<std::int32_t>(config.texts.pad));
  expected.emplace_back("ids", ids.to(DType::i64));
  expected.emplace_back("text_features", text_features(config, tensors, ids));
  save_safetensors(folder + ".expected.safetensors", expected);
}

}  // namespace

TEST_CASE("models for other programs", "[.peers]") {
  REQUIRE(std::getenv("CONTRASTIVE_PEERS"));
  DualEncoderConfig clip;
  clip.image = ClipVisionConfig{.image_size = 32, .patch = 8, .width = 64, .layers = 2, .heads = 2};
  clip.text = TextTransformerConfig{.width = 64, .layers = 2, .heads = 2};
  clip.dimension = 32;
  clip.images.size = 32;
  write_model("open_clip", clip, WeightLayout::open_clip, 49407);
  write_model("open_clip_custom", clip, WeightLayout::open_clip_custom, 49407);
  write_model("hf_clip", clip, WeightLayout::hf_clip, 49407);
  std::get<ClipVisionConfig>(clip.image).activation = Activation::gelu;
  std::get<TextTransformerConfig>(clip.text).activation = Activation::gelu_tanh;
  std::get<TextTransformerConfig>(clip.text).vocabulary = 100;
  write_model("open_clip_gelu", clip, WeightLayout::open_clip, 99);
  write_model("hf_clip_gelu", clip, WeightLayout::hf_clip, 99);

  DualEncoderConfig resnet = clip;
  resnet.image = ModifiedResNetConfig{.blocks = {1, 2, 1, 1}, .width = 8, .image_size = 64, .heads = 4, .output = 32};
  resnet.images.size = 64;
  write_model("open_clip_resnet", resnet, WeightLayout::open_clip, 99);

  DualEncoderConfig siglip;
  siglip.image = SiglipVisionConfig{.image_size = 20, .patch = 8, .width = 24, .layers = 2, .heads = 3, .hidden = 40};
  siglip.text = SiglipTextConfig{
      .vocabulary = 37, .context_length = 9, .width = 18, .layers = 2, .heads = 3, .hidden = 28, .output = 24};
  siglip.dimension = 24;
  siglip.has_bias = true;
  siglip.images = {20, ResizeMode::squash, Filter::bicubic, {{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}}};
  siglip.texts = {TextCleaning::canonicalize, 9, 1, TextPooling::last};
  write_model("hf_siglip", siglip, WeightLayout::hf_siglip, 36);
  siglip.image = SiglipVisionConfig{.image_size = 256, .patch = 32};  // of timm's, the one with the fewest patches
  std::get<SiglipTextConfig>(siglip.text).output = siglip.dimension = 768;
  siglip.images.size = 256;
  write_model("open_clip_siglip", siglip, WeightLayout::open_clip_custom, 36);

  DualEncoderConfig bert;
  bert.text = BertConfig{.vocabulary = 61, .positions = 20, .width = 24, .layers = 2, .heads = 3, .hidden = 40};
  bert.dimension = 24;
  bert.texts = {TextCleaning::lower, 16, 0, TextPooling::mean};
  write_model("hf_bert", bert, WeightLayout::hf_bert, 60);
}

TEST_CASE("models of other programs", "[.theirs]") {
  REQUIRE(std::getenv("CONTRASTIVE_PEERS"));
  for (const char* name : {"clip", "clip_half", "siglip", "siglip_half", "bert", "bert_half"}) {
    INFO(name);
    const std::string folder = std::string(std::getenv("CONTRASTIVE_PEERS")) + "/theirs/" + name;
    ModelFacts facts;  // what a folder without a tokenizer does not say
    facts.cleaning = TextCleaning::lower;
    if (std::string_view(name).starts_with("siglip")) facts.pad = 1;
    if (std::string_view(name).starts_with("bert")) facts.pooling = TextPooling::mean, facts.context_length = 9;
    const DualEncoderWeights weights = load_dual_encoder(folder, facts);
    const Safetensors expected = load_safetensors(folder + ".expected.safetensors");
    const Tensor ids = expected.tensors.at("ids").to(DType::i32);
    check_close(text_features(weights.config, weights.tensors, ids), expected.tensors.at("text_features"), 1e-5, 0);
    if (weights.config.image.index() != 0)
      check_close(image_features(weights.config, weights.tensors, expected.tensors.at("pixels")),
                  expected.tensors.at("image_features"), 1e-5, 0);
  }
}
