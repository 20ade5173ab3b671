// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "contrastive/encoders/text_encoder.hpp"
#include "contrastive/methods/dual_encoder.hpp"
#include "contrastive/train/image_text.hpp"
#include "contrastive/weights/model_facts.hpp"
#include "support/run.hpp"
#include "support/sides.hpp"

/// Models of images and texts for the programs that use them: of a run, or of published weights.
namespace app {

/// A tokenizer, whichever it is.
struct AnyTokenizer {
  std::function<void(std::string_view, std::span<std::int32_t>)> tokens;
  void write(std::string_view text, std::span<std::int32_t> row) const { tokens(text, row); }
};

/// A text tower that stands still, with the tokenizer that goes with it.
struct LockedText {
  LockedEncoder encoder;
  AnyTokenizer tokenizer;
  std::int64_t context_length = 77;
};

/// Whether a path is a run folder or a checkpoint; else it is taken for published weights.
bool is_run(const std::string& where);

/// The model of published weights: a .safetensors file of OpenAI, open_clip or transformers, or a folder with one.
ImageTextModel image_text_of_weights(const std::string& where, const WeightFlags& flags = {});

/// The towers of published CLIP weights, to be trained further.
struct PublishedTowers {
  ImageEncoder image;
  TextTransformer text;
  UnitProjection image_projection, text_projection;
  Tensor log_scale;
  AnyAugment view;
  std::string preparation;
  AnyTokenizer tokenizer;
  std::int64_t context_length = 77;
};
PublishedTowers load_towers(const std::string& where, const WeightFlags& flags = {});

/// A text tower to be trained further, with the tokenizer that goes with it.
struct StartedText {
  TextEncoder encoder;
  AnyTokenizer tokenizer;
  std::int64_t context_length = 77;
};
/// That of published weights, without its projection: CLIP's, or a sentence model with its vocab.txt.
StartedText load_start_text(const std::string& where, const WeightFlags& flags = {});

/// A text tower of published weights: CLIP's, or a sentence model with its vocab.txt.
LockedText load_locked_text(const std::string& where, const WeightFlags& flags = {});

}  // namespace app
