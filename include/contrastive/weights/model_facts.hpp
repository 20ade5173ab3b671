// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "contrastive/augment/normalize.hpp"
#include "contrastive/augment/resize.hpp"
#include "contrastive/augment/square.hpp"
#include "contrastive/core/setting.hpp"
#include "contrastive/ops/elementwise.hpp"

/// What the tensors of a model do not say and its features depend on. It comes from the caller's flags, from the file's own
/// metadata or from configuration files next to it; it is never guessed.
namespace contrastive {

/// What is done to a text before it is split into tokens (open_clip's names).
enum class TextCleaning {
  lower,         // small letters, white space collapsed: OpenAI, SigLIP 2, uncased BERT
  whitespace,    // white space collapsed
  canonicalize,  // small letters without punctuation: SigLIP
};
/// Which row of the text tower stands for the text.
enum class TextPooling {
  end,    // the end token's, the largest id: OpenAI
  last,   // the last position's, padding or not: SigLIP
  mean,   // the mean over tokens that are not padding: sentence models
  first,  // the first token's: BERT's [CLS]
};

template <class E>
using Words = std::span<const std::pair<const char*, E>>;

/// The names of the values of an enumeration, in files and flags.
template <class E>
Words<E> words_of() {
  if constexpr (std::is_same_v<E, Activation>) {
    static constexpr std::pair<const char*, E> words[] = {
        {"gelu", E::gelu}, {"quick_gelu", E::quick_gelu}, {"gelu_tanh", E::gelu_tanh}};
    return words;
  } else if constexpr (std::is_same_v<E, ResizeMode>) {
    static constexpr std::pair<const char*, E> words[] = {
        {"shortest", E::shortest}, {"longest", E::longest}, {"squash", E::squash}};
    return words;
  } else if constexpr (std::is_same_v<E, Filter>) {
    static constexpr std::pair<const char*, E> words[] = {
        {"nearest", E::nearest}, {"bilinear", E::bilinear}, {"bicubic", E::bicubic}, {"lanczos", E::lanczos}};
    return words;
  } else if constexpr (std::is_same_v<E, TextCleaning>) {
    static constexpr std::pair<const char*, E> words[] = {
        {"lower", E::lower}, {"whitespace", E::whitespace}, {"canonicalize", E::canonicalize}};
    return words;
  } else {
    static_assert(std::is_same_v<E, TextPooling>);
    static constexpr std::pair<const char*, E> words[] = {
        {"end", E::end}, {"last", E::last}, {"mean", E::mean}, {"first", E::first}};
    return words;
  }
}
/// "gelu, quick_gelu or gelu_tanh"
template <class E>
std::string list_of_words() {
  std::string list;
  const Words<E> words = words_of<E>();
  for (std::size_t i = 0; i < words.size(); ++i)
    list += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + std::string(words[i].first);
  return list;
}
template <class E>
const char* word_of(E value) {
  for (const auto& [word, one] : words_of<E>())
    if (one == value) return word;
  fail("[weights] a value without a name");
}
template <class E>
std::optional<E> value_of_word(std::string_view word) {
  for (const auto& [name, value] : words_of<E>())
    if (name == word) return value;
  return {};
}

/// What is known so far; empty where nothing is.
struct ModelFacts {
  std::optional<Activation> image_activation, text_activation;
  std::optional<std::int64_t> image_heads, text_heads, head_width;  // heads, or the width of one in both towers
  std::optional<double> image_eps, text_eps;                        // of the layer norms
  std::optional<std::int64_t> image_size;                           // pixels
  std::optional<ResizeMode> resize;
  std::optional<Filter> interpolation;
  std::optional<std::array<double, 3>> mean, deviation;  // of the channels, pixels from 0 to 1
  std::optional<TextCleaning> cleaning;
  std::optional<std::int64_t> context_length;  // tokens
  std::optional<std::int64_t> pad;             // the id after the end of a text
  std::optional<TextPooling> pooling;
  // Said by tensors too: another model's configuration is found out by them.
  std::optional<std::int64_t> image_width, text_width, image_layers, text_layers;

  /// Takes from `other` what is not known here.
  void fill_from(const ModelFacts& other);
};

/// f(name, member) for each fact: `facts.*member` is an optional.
template <class F>
void each_fact(F&& f) {
  f("image_activation", &ModelFacts::image_activation);
  f("text_activation", &ModelFacts::text_activation);
  f("image_heads", &ModelFacts::image_heads);
  f("text_heads", &ModelFacts::text_heads);
  f("head_width", &ModelFacts::head_width);
  f("image_eps", &ModelFacts::image_eps);
  f("text_eps", &ModelFacts::text_eps);
  f("image_size", &ModelFacts::image_size);
  f("resize", &ModelFacts::resize);
  f("interpolation", &ModelFacts::interpolation);
  f("mean", &ModelFacts::mean);
  f("deviation", &ModelFacts::deviation);
  f("cleaning", &ModelFacts::cleaning);
  f("context_length", &ModelFacts::context_length);
  f("pad", &ModelFacts::pad);
  f("pooling", &ModelFacts::pooling);
  f("image_width", &ModelFacts::image_width);
  f("text_width", &ModelFacts::text_width);
  f("image_layers", &ModelFacts::image_layers);
  f("text_layers", &ModelFacts::text_layers);
}

inline void ModelFacts::fill_from(const ModelFacts& other) {
  ModelFacts theirs = other;  // a width of heads and their numbers say the same: what is known first wins
  if (head_width) theirs.image_heads.reset(), theirs.text_heads.reset();
  if (image_heads || text_heads) theirs.head_width.reset();
  each_fact([&](const char*, auto member) {
    if (!(this->*member)) this->*member = theirs.*member;
  });
}

/// The flags of programs that read weights. "file" and the numbers' defaults: as the file says.
struct WeightFlags {
  std::string like = "file", activation = "file", resize = "file", interpolation = "file", mean = "file",
              deviation = "file", cleaning = "file", pooling = "file", precision = "f32";
  std::int64_t head_width = 0, context_length = 0, pad = -1;

  void settings(SettingList& list) {
    list.choice("like", like, {"file", "openai", "open_clip", "siglip", "siglip2"},
                "whose preparation and activation weights have that do not say so; the flags below win over it");
    list.choice("activation", activation, choices<Activation>(), "activation of both towers of the weights");
    list.number("head-width", head_width, 0, 1 << 14, "width of an attention head of the weights (OpenAI: 64)");
    list.choice("resize", resize, choices<ResizeMode>(), "how images become squares for the weights");
    list.choice("interpolation", interpolation, choices<Filter>(), "how images are resized for the weights");
    list.text("mean", mean, "mean of red, green and blue for the weights: 0.5,0.5,0.5");
    list.text("std", deviation, "deviation of red, green and blue for the weights: 0.5,0.5,0.5");
    list.choice("clean", cleaning, choices<TextCleaning>(), "what is done to texts for the weights");
    list.number("context-length", context_length, 0, 1 << 20, "tokens of a text for the weights");
    list.number("pad", pad, -1, 1 << 24, "token id after the end of a text for the weights");
    list.choice("pooling", pooling, choices<TextPooling>(), "which row of the text tower of the weights counts");
    list.choice("precision", precision, {"f32", "bf16"}, "what the networks of the weights compute in; a run's: f32");
  }

  /// Throws one sentence on a mean or deviation that is not three numbers.
  ModelFacts facts() const;

 private:
  template <class E>
  static std::vector<std::string> choices() {
    std::vector<std::string> all{"file"};
    for (const auto& [word, value] : words_of<E>()) all.emplace_back(word);
    return all;
  }
  static std::optional<std::array<double, 3>> three_numbers(const char* flag, const std::string& text, bool above_0) {
    if (text == "file") return {};
    std::array<double, 3> numbers{};
    const char* at = text.c_str();
    for (std::size_t i = 0; i < 3; ++i) {
      char* end = nullptr;
      numbers[i] = std::strtod(at, &end);
      require(end != at && *end == (i < 2 ? ',' : '\0') && std::isfinite(numbers[i]) && (!above_0 || numbers[i] > 0),
              "[weights] --", flag, " takes three numbers", above_0 ? " above 0" : "", " as in 0.5,0.5,0.5, got ",
              text);
      at = end + 1;
    }
    return numbers;
  }
};

/// What the code of a family of models fixes; of SigLIP, heads differ from size to size.
inline ModelFacts facts_of_family(std::string_view family) {
  ModelFacts facts;
  const bool siglip = family == "siglip" || family == "siglip2", open_clip = family == "open_clip";
  if (!siglip && !open_clip && family != "openai") return facts;
  facts.image_activation = siglip ? Activation::gelu_tanh : open_clip ? Activation::gelu : Activation::quick_gelu;
  facts.text_activation = facts.image_activation;
  if (!siglip) facts.head_width = 64;
  facts.resize = siglip ? ResizeMode::squash : ResizeMode::shortest;
  facts.interpolation = Filter::bicubic;
  facts.mean = siglip ? std::array{0.5, 0.5, 0.5} : clip_statistics.mean;
  facts.deviation = siglip ? std::array{0.5, 0.5, 0.5} : clip_statistics.std;
  facts.cleaning = family == "siglip" ? TextCleaning::canonicalize : TextCleaning::lower;
  facts.pad = family == "siglip" ? 1 : 0;
  facts.pooling = siglip ? TextPooling::last : TextPooling::end;
  return facts;
}

inline ModelFacts WeightFlags::facts() const {
  ModelFacts facts;
  facts.image_activation = facts.text_activation = value_of_word<Activation>(activation);
  if (head_width > 0) facts.head_width = head_width;
  facts.resize = value_of_word<ResizeMode>(resize);
  facts.interpolation = value_of_word<Filter>(interpolation);
  facts.mean = three_numbers("mean", mean, false);
  facts.deviation = three_numbers("std", deviation, true);
  facts.cleaning = value_of_word<TextCleaning>(cleaning);
  if (context_length > 0) facts.context_length = context_length;
  if (pad >= 0) facts.pad = pad;
  facts.pooling = value_of_word<TextPooling>(pooling);
  facts.fill_from(facts_of_family(like));
  return facts;
}

}  // namespace contrastive
