// SPDX-License-Identifier: MIT
#include "contrastive/weights/config_files.hpp"

#include "support/catch.hpp"

using namespace contrastive;

namespace {

/// What a text says, as our JSON.
template <class F>
std::string said(F facts_of, const char* text) {
  return dump_json(facts_to_json(facts_of(parse_json(text), "F")));
}

}  // namespace

TEST_CASE("what open_clip's configuration says, and its defaults") {
  CHECK(said(facts_of_open_clip, R"({"model_cfg": {"embed_dim": 512, "quick_gelu": true,
      "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
      "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12}}})") ==
        R"({"image_activation":"quick_gelu","text_activation":"quick_gelu","image_heads":12,"text_heads":8,)"
        R"("image_size":224,"resize":"shortest","interpolation":"bicubic",)"
        R"("mean":[0.48145466,0.4578275,0.40821073],"deviation":[0.26862954,0.26130258,0.27577711],"cleaning":"lower",)"
        R"("context_length":77,"pad":0,"pooling":"end","image_width":768,"text_width":512,"image_layers":12,)"
        R"("text_layers":12})");
  CHECK(said(facts_of_open_clip, R"({"model_cfg": {"embed_dim": 768, "init_logit_bias": -10, "custom_text": true,
      "vision_cfg": {"image_size": 256, "timm_model_name": "vit_base_patch32_siglip_256", "timm_pool": "map"},
      "text_cfg": {"context_length": 64, "vocab_size": 256000, "hf_tokenizer_name": "x", "width": 768, "heads": 12,
        "tokenizer_kwargs": {"clean": "canonicalize"}, "layers": 12, "no_causal_mask": true, "proj_bias": true,
        "pool_type": "last", "norm_kwargs": {"eps": 1e-6}}},
      "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bilinear",
        "resize_mode": "squash"}})") ==
        R"({"image_activation":"gelu_tanh","text_activation":"gelu","image_heads":12,"text_heads":12,"text_eps":1e-06,)"
        R"("image_size":256,"resize":"squash","interpolation":"bilinear","mean":[0.5,0.5,0.5],)"
        R"("deviation":[0.5,0.5,0.5],"cleaning":"canonicalize","context_length":64,"pooling":"last",)"
        R"("image_width":768,"text_width":768,"image_layers":12,"text_layers":12})");
  const ModelFacts resnet = facts_of_open_clip(
      parse_json(R"({"model_cfg": {"vision_cfg": {"layers": [3, 4, 6, 3], "width": 64, "patch_size": null},
          "text_cfg": {}}})"),
      "F");
  CHECK(resnet.image_heads == 32);
  CHECK_FALSE(resnet.image_layers.has_value());
  CHECK_FALSE(resnet.image_activation.has_value());
  const auto refused = [](const char* vision, const char* text, const char* why) {
    CHECK_THROWS_WITH(
        facts_of_open_clip(
            parse_json(join(R"({"model_cfg": {"vision_cfg": )", vision, R"(, "text_cfg": )", text, "}}")), "F"),
        why);
  };
  refused(R"({"attentional_pool": true})", "{}",
          "[weights] F, model_cfg, vision_cfg: a model with attentional_pool = true is not available");
  refused(R"({"timm_model_name": "vit_medium"})", "{}",
          "[weights] F, model_cfg, vision_cfg: a model with timm_model_name = \"vit_medium\" is not available");
  refused("{}", R"({"pool_type": "last"})",
          "[weights] F, model_cfg, text_cfg: a model with no_causal_mask = its default is not available");
  refused("{}", R"({"width": -3})", "[weights] F, model_cfg, text_cfg: width is not a whole number in range");
  refused("{}", R"({"width": "512"})", "[weights] F, model_cfg, text_cfg: width is not a whole number in range");
  CHECK_THROWS_WITH(facts_of_open_clip(parse_json("[1]"), "F"), "[weights] F is not a JSON object");
  CHECK_THROWS_WITH(facts_of_open_clip(parse_json("{}"), "F"),
                    "[weights] F has no model_cfg with vision_cfg and text_cfg");
}

TEST_CASE("what transformers' configuration says, and its defaults") {
  CHECK(said(facts_of_hugging_face, R"({"model_type": "siglip", "text_config": {"model_type": "siglip_text_model"},
      "vision_config": {"model_type": "siglip_vision_model", "image_size": 384}})") ==
        R"({"image_activation":"gelu_tanh","text_activation":"gelu_tanh","image_heads":12,"text_heads":12,)"
        R"("image_eps":1e-06,"text_eps":1e-06,"image_size":384,"context_length":64,"pooling":"last",)"
        R"("image_width":768,"text_width":768,"image_layers":12,"text_layers":12})");
  CHECK(said(facts_of_hugging_face, R"({"model_type": "clip", "text_config_dict": null,
      "text_config": {"hidden_act": "gelu", "hidden_size": 1024, "num_attention_heads": 16, "eos_token_id": 2},
      "vision_config": {"hidden_act": "quick_gelu"}, "vision_config_dict": {"hidden_act": "gelu"}})") ==
        R"({"image_activation":"gelu","text_activation":"gelu","image_heads":12,"text_heads":16,"image_eps":1e-05,)"
        R"("text_eps":1e-05,"image_size":224,"cleaning":"lower","context_length":77,"pooling":"end",)"
        R"("image_width":768,"text_width":1024,"image_layers":12,"text_layers":12})");
  CHECK(said(facts_of_hugging_face, R"({"model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6,
      "layer_norm_eps": 1e-12, "pad_token_id": 0})") ==
        R"({"text_activation":"gelu","text_heads":12,"text_eps":1e-12,"pad":0,"text_width":384,"text_layers":6})");
  const auto refused = [](const char* text, const char* why) {
    CHECK_THROWS_WITH(facts_of_hugging_face(parse_json(text), "F"), why);
  };
  refused(R"({"model_type": "clip", "text_config": {"hidden_act": "silu"}})",
          "[weights] F, text_config: the activation silu is not available, expected gelu, quick_gelu or "
          "gelu_pytorch_tanh");
  refused(R"({"model_type": "clip", "text_config": {"eos_token_id": 5}})",
          "[weights] F, text_config: a model with eos_token_id = 5 is not available");
  refused(R"({"model_type": "bert", "position_embedding_type": "relative_key"})",
          "[weights] F: a model with position_embedding_type = \"relative_key\" is not available");
  refused(R"({"model_type": "gpt2"})", "[weights] F: a model_type of clip, siglip or bert is expected, got gpt2");
  refused("{}", "[weights] F: a model_type of clip, siglip or bert is expected, there is none");
}

TEST_CASE("what processors, tokenizers and sentence models say") {
  CHECK(said(facts_of_image_processor, R"({"size": {"shortest_edge": 224}, "do_center_crop": true, "resample": 3,
      "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.25]})") ==
        R"({"resize":"shortest","interpolation":"bicubic","mean":[0.5,0.5,0.5],"deviation":[0.5,0.5,0.25]})");
  CHECK(said(facts_of_image_processor, R"({"size": {"height": 224, "width": 224}, "resample": 2})") ==
        R"({"resize":"squash","interpolation":"bilinear"})");
  CHECK(said(facts_of_image_processor, R"({"size": 224, "do_center_crop": true, "crop_size": 224, "resample": 1})") ==
        R"({"resize":"shortest","interpolation":"lanczos"})");
  CHECK(said(facts_of_image_processor, R"({"size": 224})") == "{}");  // which side?
  CHECK(
      said(facts_of_image_processor, R"({"size": {"shortest_edge": 9}, "do_resize": false, "do_normalize": false})") ==
      R"({"mean":[0.0,0.0,0.0],"deviation":[1.0,1.0,1.0]})");
  CHECK_THROWS_WITH(facts_of_image_processor(parse_json(R"({"resample": 5})"), "F"),
                    "[weights] F: a model with resample = 5 is not available");
  CHECK_THROWS_WITH(facts_of_image_processor(parse_json(R"({"image_std": [0.5, 0, 0.5]})"), "F"),
                    "[weights] F: image_std is not three numbers above 0");

  CHECK(said(facts_of_tokenizer, R"({"tokenizer_class": "SiglipTokenizer", "pad_token": "</s>",
      "added_tokens_decoder": {"1": {"content": "</s>"}, "2": {"content": "<unk>"}}})") ==
        R"({"cleaning":"canonicalize","pad":1})");
  CHECK(said(facts_of_tokenizer, R"({"tokenizer_class": "GemmaTokenizerFast", "pad_token": {"content": "<pad>"},
      "added_tokens_decoder": {"0": {"content": "<pad>"}, "1": {"content": "<eos>"}}})") ==
        R"({"cleaning":"lower","pad":0})");
  CHECK(said(facts_of_tokenizer, R"({"tokenizer_class": "BertTokenizer", "do_lower_case": false})") ==
        R"({"cleaning":"whitespace"})");
  CHECK(said(facts_of_tokenizer, R"({"tokenizer_class": "Other", "pad_token": "x"})") == "{}");

  CHECK(said(facts_of_sentence_model, R"({"max_seq_length": 256, "do_lower_case": false})") ==
        R"({"context_length":256})");
  CHECK(said(facts_of_sentence_model, R"({"pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true})") ==
        R"({"pooling":"mean"})");
  CHECK(said(facts_of_sentence_model, R"({"pooling_mode_cls_token": true})") == R"({"pooling":"first"})");
  CHECK_THROWS_WITH(facts_of_sentence_model(parse_json(R"({"pooling_mode_max_tokens": true})"), "F"),
                    "[weights] F: a model with pooling_mode_max_tokens = true is not available");
}

TEST_CASE("facts come back from the JSON that they are written as") {
  ModelFacts facts = facts_of_family("siglip");
  facts.image_heads = 16;
  facts.image_eps = 1e-6;
  const Json json = facts_to_json(facts);
  CHECK(dump_json(facts_to_json(facts_from_json(json, "F"))) == dump_json(json));
  CHECK_THROWS_WITH(facts_from_json(parse_json(R"({"resize": "stretch"})"), "F"),
                    "[weights] F: resize is stretch, expected shortest, longest or squash");
  // A width of heads and their numbers say the same: what came first wins.
  ModelFacts flag, file;
  flag.head_width = 32;
  file.image_heads = 12, file.text_heads = 8;
  flag.fill_from(file);
  CHECK_FALSE(flag.image_heads.has_value());
  file.fill_from(facts_of_family("openai"));
  CHECK_FALSE(file.head_width.has_value());
}
