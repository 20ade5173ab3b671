// SPDX-License-Identifier: MIT
#include "contrastive/weights/layouts.hpp"

#include <map>
#include <set>

#include "contrastive/io/file.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "contrastive/weights/dual_encoder_config.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

using Shapes = std::map<std::string, std::string>;

Json golden_json(const std::string& name) {
  const std::string path = golden_path("models/" + name + ".json");
  return parse_json(read_text(path), path);
}

/// Names and shapes of a published model; all types must be ones that are read.
Shapes published(const std::string& name) {
  Shapes all;
  const Json names = golden_json(name + ".names");
  for (const Json& entry : names.at("tensors")) {
    Shape shape;
    for (const Json& size : entry[1]) shape.push_back(size.get<std::int64_t>());
    const std::string tensor = entry[0].get<std::string>(), type = entry[2].get<std::string>();
    INFO(tensor << " " << type);
    CHECK((tensor.ends_with("num_batches_tracked") ? type == "int64" : type == "float32" || type == "float16"));
    all[tensor] = to_string(shape);
  }
  return all;
}

Shapes in_layout(const DualEncoderConfig& config, WeightLayout layout) {
  Shapes all;
  for (const auto& [name, shape] : tensor_shapes(config))
    for (const WeightPiece& piece : pieces_of(layout, name, std::holds_alternative<SiglipVisionConfig>(config.image)))
      CHECK(all.emplace(piece.name, to_string(shape_of_piece(piece, shape))).second);
  return all;
}

DualEncoderConfig of(decltype(DualEncoderConfig::image) image, decltype(DualEncoderConfig::text) text,
                     std::int64_t dimension, bool bias = false) {
  DualEncoderConfig config;
  config.image = std::move(image);
  config.text = std::move(text);
  config.dimension = dimension;
  config.has_bias = bias;
  return config;
}

template <class Module>
void add_state(Shapes& all, Module module, const std::string& prefix) {
  for (const auto& [name, tensor] : state_of(module, prefix)) all[name] = to_string(tensor.shape());
}

}  // namespace

TEST_CASE("each tensor of ViT-B/32 goes where the published mapping sends it") {
  const Json mapping = golden_json("clip_name_mapping");
  std::set<std::string> pieces;
  for (const Json& row : mapping.at("rows")) {
    const std::string ours = row[0].get<std::string>(), theirs = row[2].get<std::string>(),
                      operation = row[3].get<std::string>();
    INFO(ours << " -> " << theirs);
    REQUIRE(pieces_of(WeightLayout::open_clip, ours).size() == 1);
    CHECK(pieces_of(WeightLayout::open_clip, ours)[0].name == row[1].get<std::string>());
    int found = 0;
    for (const WeightPiece& piece : pieces_of(WeightLayout::hf_clip, ours)) {
      if (piece.name != theirs) continue;
      ++found;
      CHECK(piece.transposed == (operation == "transpose"));
      const bool third = operation.starts_with("rows ");
      CHECK(piece.last - piece.first == (third ? 1 : 3));
      if (third) CHECK(operation == join("rows ", piece.first, "/3"));
    }
    CHECK(found == 1);
    pieces.insert(theirs);
  }
  CHECK(pieces.size() == 398);
}

TEST_CASE("names and shapes of published models") {
  const DualEncoderConfig vit = of(ClipVisionConfig{}, TextTransformerConfig{}, 512);
  CHECK(in_layout(vit, WeightLayout::open_clip) == published("openai_clip_vit_b32"));
  CHECK(in_layout(vit, WeightLayout::open_clip) == published("open_clip_vit_b32"));
  CHECK(in_layout(vit, WeightLayout::hf_clip) == published("hf_clip_vit_b32"));
  const DualEncoderConfig resnet = of(ModifiedResNetConfig{}, TextTransformerConfig{}, 1024);
  CHECK(in_layout(resnet, WeightLayout::open_clip) == published("openai_clip_rn50"));
  CHECK(in_layout(resnet, WeightLayout::open_clip) == published("open_clip_rn50"));
}

TEST_CASE("the tensors of a model are those of its towers") {
  const ClipVisionConfig vit{.image_size = 24, .patch = 8, .width = 16, .layers = 2, .heads = 2};
  const ModifiedResNetConfig resnet{.blocks = {2, 1, 1, 1}, .width = 8, .image_size = 64, .heads = 4, .output = 12};
  const SiglipVisionConfig siglip{.image_size = 20, .patch = 8, .width = 16, .layers = 2, .heads = 2, .hidden = 20};
  const TextTransformerConfig causal{.vocabulary = 30, .context_length = 9, .width = 16, .layers = 2, .heads = 2};
  const SiglipTextConfig siglip_text{
      .vocabulary = 30, .context_length = 9, .width = 12, .layers = 2, .heads = 2, .hidden = 20, .output = 16};
  const BertConfig bert{.vocabulary = 30, .positions = 12, .width = 16, .layers = 2, .heads = 2, .hidden = 24};
  const auto ours = [](const DualEncoderConfig& config) {
    Shapes all;
    for (const auto& [name, shape] : tensor_shapes(config)) all[name] = to_string(shape);
    return all;
  };
  const auto with = [](Shapes& all, const char* name, Shape shape) { all[name] = to_string(shape); };
  Shapes clip;
  add_state(clip, ClipVision(vit, Rng(0)), "visual.");
  add_state(clip, TextTransformer(causal, Rng(0)), "");
  with(clip, "visual.proj", {16, 12}), with(clip, "text_projection", {16, 12}), with(clip, "logit_scale", {});
  CHECK(ours(of(vit, causal, 12)) == clip);

  Shapes with_resnet;
  add_state(with_resnet, ModifiedResNet(resnet, Rng(0)), "visual.");
  add_state(with_resnet, TextTransformer(causal, Rng(0)), "");
  with(with_resnet, "text_projection", {16, 12}), with(with_resnet, "logit_scale", {});
  CHECK(ours(of(resnet, causal, 12)) == with_resnet);

  Shapes sigmoid;
  add_state(sigmoid, SiglipVision(siglip, Rng(0)), "visual.");
  add_state(sigmoid, SiglipText(siglip_text, Rng(0)), "");
  with(sigmoid, "logit_scale", {}), with(sigmoid, "logit_bias", {});
  CHECK(ours(of(siglip, siglip_text, 16, true)) == sigmoid);

  Shapes sentences;
  add_state(sentences, Bert(bert, Rng(0)), "");
  CHECK(ours(of(std::monostate{}, bert, 16)) == sentences);
}

TEST_CASE("SigLIP's image tower has timm's names in open_clip's layout") {
  const auto name = [](const std::string& ours) {
    const auto pieces = pieces_of(WeightLayout::open_clip_custom, ours, true);
    std::string all;
    for (const WeightPiece& piece : pieces) all += piece.name + " ";
    return all;
  };
  CHECK(name("visual.conv1.bias") == "visual.trunk.patch_embed.proj.bias ");
  CHECK(name("visual.transformer.resblocks.11.attn.in_proj_weight") == "visual.trunk.blocks.11.attn.qkv.weight ");
  CHECK(name("visual.attn_pool.in_proj_bias") == "visual.trunk.attn_pool.q.bias visual.trunk.attn_pool.kv.bias ");
  CHECK(name("visual.attn_pool.ln.weight") == "visual.trunk.attn_pool.norm.weight ");
  CHECK(name("text_projection.bias") == "text.text_projection.bias ");
  CHECK(name("logit_bias") == "logit_bias ");
  const auto kv = pieces_of(WeightLayout::open_clip_custom, "visual.attn_pool.in_proj_weight", true)[1];
  CHECK(shape_of_piece(kv, {36, 12}) == Shape{24, 12});
  const auto places = pieces_of(WeightLayout::open_clip_custom, "visual.positional_embedding", true)[0];
  CHECK(shape_of_piece(places, {4, 12}) == Shape{1, 4, 12});
}

TEST_CASE("a tensor cut in pieces and put together is the same") {
  const Tensor fused = init::normal({12, 4}, 1, Rng(1)), again = Tensor::zeros({12, 4});
  for (const WeightPiece& piece : pieces_of(WeightLayout::hf_clip, "transformer.resblocks.0.attn.in_proj_weight"))
    place_piece(piece, cut_piece(piece, fused), again);
  CHECK(std::equal(again.span<float>().begin(), again.span<float>().end(), fused.span<float>().begin()));
  const WeightPiece turned = pieces_of(WeightLayout::hf_clip, "visual.proj")[0];
  const Tensor there = cut_piece(turned, fused), back = Tensor::zeros({12, 4});
  CHECK(there.shape() == Shape{4, 12});
  CHECK(there.span<float>()[1] == fused.span<float>()[4]);
  place_piece(turned, there, back);
  CHECK(std::equal(back.span<float>().begin(), back.span<float>().end(), fused.span<float>().begin()));
}
