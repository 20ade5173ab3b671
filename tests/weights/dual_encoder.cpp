// SPDX-License-Identifier: MIT

// Reading and writing models of all layouts, with the towers that they are for.

#include "contrastive/weights/dual_encoder_weights.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>

#include "../io/support.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/methods/dual_encoder.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "contrastive/weights/config_files.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/formula_weights.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

/// The model of golden/models/clip_tiny.
DualEncoderConfig tiny_clip() {
  DualEncoderConfig config;
  config.image = ClipVisionConfig{.image_size = 32, .patch = 8, .width = 64, .layers = 2, .heads = 2};
  config.text = TextTransformerConfig{.width = 64, .layers = 2, .heads = 2};
  config.dimension = 32;
  config.images.size = 32;
  return config;
}
DualEncoderConfig tiny_resnet() {
  DualEncoderConfig config = tiny_clip();
  config.image = ModifiedResNetConfig{.blocks = {1, 2, 1, 1}, .width = 4, .image_size = 64, .heads = 4, .output = 32};
  config.images.size = 64;
  return config;
}
DualEncoderConfig tiny_siglip() {
  DualEncoderConfig config;
  config.image = SiglipVisionConfig{
      .image_size = 20, .patch = 8, .width = 24, .layers = 2, .heads = 3, .hidden = 40};  // 4 pixels are left over
  config.text = SiglipTextConfig{
      .vocabulary = 37, .context_length = 9, .width = 18, .layers = 2, .heads = 3, .hidden = 28, .output = 24};
  config.dimension = 24;
  config.has_bias = true;
  config.images = {20, ResizeMode::squash, Filter::bilinear, {{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}}};
  config.texts = {TextCleaning::canonicalize, 9, 1, TextPooling::last};
  return config;
}
DualEncoderConfig tiny_bert() {
  DualEncoderConfig config;
  config.text = BertConfig{.vocabulary = 61, .positions = 20, .width = 24, .layers = 2, .heads = 3, .hidden = 40};
  config.dimension = 24;
  config.texts = {TextCleaning::lower, 16, 0, TextPooling::mean};
  return config;
}

/// With weights made of their names.
TensorMap by_formula(const DualEncoderConfig& config) {
  TensorMap tensors;
  for (const auto& [name, shape] : tensor_shapes(config))
    tensors[name] =
        name.ends_with("num_batches_tracked") ? Tensor::full(shape, 7, DType::i64) : formula::weight(shape, name);
  return tensors;
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.view().data, b.view().data, static_cast<std::size_t>(a.count()) * size_of(a.dtype())) == 0;
}

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

/// A file of a layout without metadata.
Safetensors file_of(const DualEncoderConfig& config, WeightLayout layout) {
  Safetensors file;
  for (const auto& [name, tensor] : tensors_in_layout(config, by_formula(config), layout)) file.tensors[name] = tensor;
  return file;
}

/// All that tensors do not say of `tiny_clip`.
ModelFacts openai() {
  ModelFacts facts = facts_of_family("openai");
  facts.head_width = 32;
  return facts;
}

std::string message_of(const Safetensors& file, const ModelFacts& facts) {
  try {
    dual_encoder_of(file, facts, "F");
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

auto model_of(const DualEncoderWeights& weights) {
  const DualEncoderConfig& config = weights.config;
  const auto image = std::get<ClipVisionConfig>(config.image);
  const auto text = std::get<TextTransformerConfig>(config.text);
  auto model = DualEncoder(ClipVision(image, Rng(0)), UnitProjection(image.width, config.dimension, Rng(0)),
                           TextTransformer(text, Rng(0)), UnitProjection(text.width, config.dimension, Rng(0)));
  INFO(to_string(load_state(model, weights.tensors)));
  REQUIRE(load_state(model, weights.tensors).ok());
  return model;
}

}  // namespace

TEST_CASE("a model that was written is read as it was, in every layout") {
  const std::pair<DualEncoderConfig, WeightLayout> cases[] = {
      {tiny_clip(), WeightLayout::open_clip},   {tiny_clip(), WeightLayout::open_clip_custom},
      {tiny_clip(), WeightLayout::hf_clip},     {tiny_resnet(), WeightLayout::open_clip},
      {tiny_siglip(), WeightLayout::hf_siglip}, {tiny_bert(), WeightLayout::hf_bert}};
  for (const auto& [config, layout] : cases) {
    INFO(to_string(layout));
    const Scratch scratch;
    const TensorMap tensors = by_formula(config);
    save_dual_encoder(scratch / "model", config, tensors, layout);
    const DualEncoderWeights read = load_dual_encoder(scratch / "model");
    CHECK(read.layout == layout);
    REQUIRE(read.tensors.size() == tensors.size());
    for (const auto& [name, tensor] : tensors) {
      INFO(name);
      CHECK(same_bytes(read.tensors.at(name), tensor));
    }
    CHECK(tensor_shapes(read.config) == tensor_shapes(config));
    CHECK(dump_json(facts_to_json(facts_of(read.config))) == dump_json(facts_to_json(facts_of(config))));
    const bool open_clip = layout == WeightLayout::open_clip || layout == WeightLayout::open_clip_custom;
    CHECK(std::filesystem::exists(scratch / (open_clip ? "model/open_clip_config.json" : "model/config.json")));
    // The configuration says the same as the metadata, but for what this program's has no word.
    const std::string file = scratch / (open_clip ? "model/open_clip_model.safetensors" : "model/model.safetensors");
    Safetensors bare = load_safetensors(file);
    ModelFacts facts = facts_next_to(file, layout);
    if (layout == WeightLayout::hf_siglip) facts.cleaning = TextCleaning::canonicalize, facts.pad = 1;
    if (layout == WeightLayout::hf_bert)
      facts.cleaning = TextCleaning::lower, facts.pooling = TextPooling::mean, facts.context_length = 16;
    const DualEncoderWeights again = dual_encoder_of(bare, facts, file);
    CHECK(dump_json(facts_to_json(facts_of(again.config))) == dump_json(facts_to_json(facts_of(config))));
  }
}

TEST_CASE("SigLIP in open_clip's layout, with timm's names, is SigLIP") {
  DualEncoderConfig config = tiny_siglip();
  const Safetensors file = file_of(config, WeightLayout::open_clip_custom);
  CHECK(file.tensors.at("visual.trunk.pos_embed").shape() == Shape{1, 4, 24});
  CHECK(file.tensors.at("visual.trunk.attn_pool.kv.weight").shape() == Shape{48, 24});
  ModelFacts facts = facts_of_family("siglip");
  facts.image_heads = facts.text_heads = 3;
  facts.image_size = 20;
  const DualEncoderWeights read = dual_encoder_of(file, facts, "F");
  CHECK(read.layout == WeightLayout::open_clip_custom);
  CHECK(tensor_shapes(read.config) == tensor_shapes(config));
  for (const auto& [name, tensor] : by_formula(config)) CHECK(same_bytes(read.tensors.at(name), tensor));
  // open_clip itself builds the tower by timm's name, and has none of this size.
  const Scratch scratch;
  CHECK_THROWS_WITH(save_dual_encoder(scratch.str(), config, by_formula(config), WeightLayout::open_clip_custom),
                    "[weights] open_clip takes SigLIP's image tower from timm, which has none of width 24, 2 layers, 3 "
                    "heads and gelu_tanh: write hf_siglip");
  CHECK(scratch.files() == 0);
}

TEST_CASE("a file of each layout gives the towers the features of open_clip", "[golden]") {
  const Golden g = load_golden("models/clip_tiny.safetensors");
  const Tensor images = permute(formula::fill({5, 3, 32, 32}, "alpha:input", 0, 4), {0, 2, 3, 1});
  for (const WeightLayout layout : {WeightLayout::open_clip, WeightLayout::open_clip_custom, WeightLayout::hf_clip}) {
    INFO(to_string(layout));
    const Scratch scratch;
    save_dual_encoder(scratch / "model", tiny_clip(), by_formula(tiny_clip()), layout);
    const auto model = model_of(load_dual_encoder(scratch / "model"));
    const NoGrad no_grad;
    check_close(model.image_projection.project(model.visual(images)), g.tensor("image_features"), 1e-5, 0);
    check_close(model.text_projection.project(model.text(g.tensor("token_ids"))), g.tensor("text_features"), 1e-5, 0);
    check_close(model.logits(images, g.tensor("token_ids")), g.tensor("logits_per_image"), 1e-5, 0);
  }
}

TEST_CASE("half precision becomes f32; what is no weight is left out") {
  Safetensors file = file_of(tiny_clip(), WeightLayout::open_clip);
  const TensorMap full = file.tensors;
  for (auto& [name, tensor] : file.tensors) {  // as openai/CLIP converts its archives
    if (name.ends_with("proj_weight") || name.ends_with("proj.weight")) tensor = tensor.to(DType::f16);
    if (name.ends_with("c_fc.weight")) tensor = tensor.to(DType::bf16);
  }
  for (const char* extra : {"input_resolution", "context_length", "vocab_size"})
    file.tensors[extra] = Tensor::full({}, 77, DType::i64);
  const DualEncoderWeights read = dual_encoder_of(file, openai(), "F");
  for (const auto& [name, tensor] : read.tensors) {
    INFO(name);
    CHECK(tensor.dtype() == DType::f32);
    CHECK(same_bytes(tensor, file.tensors.at(name).to(DType::f32)));
    CHECK(largest_difference(tensor, full.at(name)) < 0.004);
  }
  Safetensors hf = file_of(tiny_clip(), WeightLayout::hf_clip);
  hf.tensors["text_model.embeddings.position_ids"] = Tensor::zeros({1, 77}, DType::i64);
  hf.tensors["vision_model.embeddings.position_ids"] = Tensor::zeros({1, 17}, DType::i64);
  hf.tensors["logit_scale"] = hf.tensors.at("logit_scale").reshape({1});  // one number, whatever its shape
  CHECK(dual_encoder_of(hf, openai(), "F").tensors.at("logit_scale").item() == Approx(2.5));
  Safetensors bert = file_of(tiny_bert(), WeightLayout::hf_bert);
  bert.tensors["pooler.dense.weight"] = Tensor::zeros({24, 24});
  bert.tensors["embeddings.position_ids"] = Tensor::zeros({1, 20}, DType::i64);
  ModelFacts facts = facts_of(tiny_bert());
  CHECK(dual_encoder_of(bert, facts, "F").config.image.index() == 0);
}

TEST_CASE("every tensor that does not fit is listed") {
  Safetensors file = file_of(tiny_clip(), WeightLayout::hf_clip);
  file.tensors.erase("text_model.encoder.layers.1.self_attn.k_proj.bias");
  file.tensors.erase("vision_model.post_layernorm.weight");
  file.tensors["vision_model.extra"] = Tensor::zeros({2});
  file.tensors["text_model.encoder.layers.0.mlp.fc1.weight"] = Tensor::zeros({100, 64});
  file.tensors["logit_scale"] = Tensor::zeros({}, DType::i64);
  CHECK(message_of(file, openai()) ==
        "[weights] F: the tensors are not those of this model (hf_clip): missing vision_model.post_layernorm.weight, "
        "text_model.encoder.layers.1.self_attn.k_proj.bias; unexpected vision_model.extra; of another shape or type: "
        "text_model.encoder.layers.0.mlp.fc1.weight (100, 64) in the file, (256, 64) wanted, logit_scale is i64");
  // A gap in the numbers of the layers.
  Safetensors gap = file_of(tiny_clip(), WeightLayout::open_clip);
  for (const auto& [name, tensor] : TensorMap(gap.tensors))
    if (const std::size_t at = name.find("resblocks.1."); at != name.npos && !name.starts_with("visual.")) {
      gap.tensors.erase(name);
      gap.tensors[std::string(name).replace(at, 12, "resblocks.7.")] = tensor;
    }
  const std::string text = message_of(gap, openai());
  CHECK(text.find("missing transformer.resblocks.1.ln_1.weight") != text.npos);
  CHECK(text.find("unexpected transformer.resblocks.7.attn.in_proj_bias") != text.npos);
  CHECK(std::count(text.begin(), text.end(), ',') == 22);  // all twelve of both lists
  // Sizes that cannot be read.
  Safetensors sizes = file_of(tiny_clip(), WeightLayout::open_clip);
  sizes.tensors.erase("token_embedding.weight");
  sizes.tensors["visual.positional_embedding"] = Tensor::zeros({16, 64});
  sizes.tensors["visual.conv1.weight"] = Tensor::zeros({64});
  CHECK(message_of(sizes, openai()) ==
        "[weights] F: the model's sizes cannot be read: visual.conv1.weight (64) instead of 4 axes, "
        "visual.positional_embedding has positions for 15 cells, which is no square");
  sizes = file_of(tiny_clip(), WeightLayout::open_clip);
  sizes.tensors.erase("token_embedding.weight");
  CHECK(message_of(sizes, openai()) == "[weights] F: the model's sizes cannot be read: missing token_embedding.weight");
  Safetensors other;
  other.tensors["fc.weight"] = Tensor::zeros({2});
  CHECK(
      message_of(other, {}) ==
      "[weights] F: these are not the tensors of OpenAI's CLIP, open_clip, or transformers' CLIPModel, SiglipModel or "
      "BertModel: fc.weight ...");
  Safetensors timm = file_of(tiny_siglip(), WeightLayout::open_clip_custom);
  std::erase_if(timm.tensors, [](const auto& one) { return one.first.starts_with("visual.trunk.attn_pool."); });
  CHECK(message_of(timm, {}) == "[weights] F: of timm's image towers (visual.trunk.*) only SigLIP's are available");
}

TEST_CASE("what nothing says is asked for by its flag, and is never guessed") {
  const Safetensors clip = file_of(tiny_clip(), WeightLayout::open_clip);
  CHECK(
      message_of(clip, {}) ==
      "[weights] F: its tensors do not say the activation (--activation), the cleaning of texts (--clean), the "
      "deviation of the channels (--std), the interpolation (--interpolation), the mean of the channels (--mean), the "
      "pooling of texts (--pooling), the resizing of images (--resize), the width of an attention head "
      "(--head-width), and neither do its metadata or a configuration file next to it; a flag can (--like openai says "
      "all for OpenAI's weights)");
  WeightFlags flags;
  flags.like = "open_clip";
  CHECK(std::get<ClipVisionConfig>(dual_encoder_of(clip, flags.facts(), "F").config.image).activation ==
        Activation::gelu);
  CHECK(std::get<ClipVisionConfig>(dual_encoder_of(clip, flags.facts(), "F").config.image).heads == 1);
  flags.activation = "quick_gelu", flags.head_width = 16, flags.resize = "squash", flags.mean = "0.5,0.25,1";
  const DualEncoderConfig config = dual_encoder_of(clip, flags.facts(), "F").config;
  CHECK(std::get<TextTransformerConfig>(config.text).activation == Activation::quick_gelu);
  CHECK(std::get<TextTransformerConfig>(config.text).heads == 4);
  CHECK(config.images.resize == ResizeMode::squash);
  CHECK(config.images.normalize.mean == std::array{0.5, 0.25, 1.0});
  CHECK(config.images.normalize.std == clip_statistics.std);
  flags.head_width = 24;
  CHECK(message_of(clip, flags.facts()) ==
        "[weights] F: a head width of 24 does not divide the image tower's width of 64");
  flags.deviation = "1,1";
  CHECK_THROWS_WITH(flags.facts(), "[weights] --std takes three numbers above 0 as in 0.5,0.5,0.5, got 1,1");
  // SigLIP sees padding, so its id counts; CLIP and BERT do not.
  ModelFacts siglip = facts_of(tiny_siglip());
  siglip.pad.reset();
  const std::string text = message_of(file_of(tiny_siglip(), WeightLayout::hf_siglip), siglip);
  CHECK(text.starts_with("[weights] F: its tensors do not say the id of padding (--pad), and neither"));
}

TEST_CASE("a configuration of another model, and what the towers cannot do") {
  const Safetensors clip = file_of(tiny_clip(), WeightLayout::open_clip);
  ModelFacts facts = openai();
  facts.text_layers = 12;
  CHECK(
      message_of(clip, facts) ==
      "[weights] F: the configuration says 12 for the layers of the text tower, the tensors 2: is it another model's?");
  facts = openai();
  facts.pooling = TextPooling::mean;
  CHECK(message_of(clip, facts) == "[weights] F: this pooling of texts is not available for its towers");
  facts = openai();
  facts.image_eps = 1e-6;
  CHECK(message_of(clip, facts) == "[weights] F: this eps of the layer norms is not available for its towers");
  ModelFacts cased = facts_of(tiny_bert());
  cased.cleaning = TextCleaning::whitespace;
  CHECK(message_of(file_of(tiny_bert(), WeightLayout::hf_bert), cased) ==
        "[weights] F: this cleaning of texts is not available for its towers");
  CHECK_THROWS_WITH(tensors_in_layout(tiny_bert(), by_formula(tiny_bert()), WeightLayout::hf_clip),
                    "[weights] a model with these towers cannot be written as hf_clip");
  TensorMap fewer = by_formula(tiny_clip());
  fewer.erase("ln_final.bias");
  CHECK_THROWS_WITH(tensors_in_layout(tiny_clip(), fewer, WeightLayout::open_clip),
                    "[weights] the model to write has no ln_final.bias");
}

TEST_CASE("the flag wins over the metadata, and they over the configuration next to the file") {
  const Scratch scratch;
  save_dual_encoder(scratch.str(), tiny_clip(), by_formula(tiny_clip()), WeightLayout::hf_clip);
  ModelFacts flag;
  flag.image_activation = flag.text_activation = Activation::gelu;
  const auto activation = [](const DualEncoderWeights& weights) {
    return std::get<ClipVisionConfig>(weights.config.image).activation;
  };
  CHECK(activation(load_dual_encoder(scratch.str(), flag)) == Activation::gelu);
  write(scratch / "config.json", R"({"model_type": "clip", "vision_config": {"hidden_act": "gelu"}})");
  CHECK(activation(load_dual_encoder(scratch.str())) == Activation::quick_gelu);
  // Without metadata the configuration counts, and must be this model's.
  save_safetensors(scratch / "model.safetensors",
                   tensors_in_layout(tiny_clip(), by_formula(tiny_clip()), WeightLayout::hf_clip));
  CHECK_THROWS_WITH(load_dual_encoder(scratch / "model.safetensors"),
                    Catch::Contains("the configuration says 768 for the width of the image tower, the tensors 64"));
  write(scratch / "config.json", "{");
  CHECK_THROWS_WITH(load_dual_encoder(scratch.str()), Catch::Contains("[json] ") && Catch::Contains("config.json"));
}

TEST_CASE("a PyTorch file is refused with the command that converts it") {
  const Scratch scratch;
  const std::string path = scratch / "it's.pt";
  write(path, std::string("\x80\x02}q\x00.", 6));
  CHECK_THROWS_WITH(
      load_dual_encoder(path),
      "[weights] " + path +
          ": a PyTorch file, which may run code when it is read, is not loaded; convert it by: python3 -c "
          "\"import sys, torch, safetensors.torch as s; m = torch.load(sys.argv[1], map_location='cpu', "
          "weights_only=True); m = m.get('state_dict', m); s.save_file({k.removeprefix('module.'): "
          "v.clone().contiguous() for k, v in m.items()}, sys.argv[2])\" '" +
          scratch.str() + "/it'\\''s.pt' '" + scratch.str() + "/it'\\''s.pt.safetensors'");
  write(path, "PK\x03\x04 archive/data.pkl");
  CHECK_THROWS_WITH(load_dual_encoder(path), Catch::Contains("m = torch.load("));
  write(path, "PK\x03\x04 archive/constants.pkl archive/code/");
  CHECK_THROWS_WITH(load_dual_encoder(path), Catch::Contains("m = torch.jit.load(sys.argv[1], map_location='cpu')"));
  write(scratch / "pytorch_model.bin", "PK\x03\x04 archive/data.pkl");
  CHECK_THROWS_WITH(load_dual_encoder(scratch.str()), Catch::Contains("pytorch_model.bin: a PyTorch file"));
  std::filesystem::remove(scratch / "pytorch_model.bin");
  CHECK_THROWS_WITH(
      load_dual_encoder(scratch.str()),
      "[weights] " + scratch.str() + ": there is no model.safetensors or open_clip_model.safetensors in this folder");
  CHECK_THROWS_WITH(load_dual_encoder(scratch / "none"), Catch::Contains("[read] "));
}
