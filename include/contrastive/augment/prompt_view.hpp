// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/augment/text_view.hpp"

namespace contrastive {

/// The prompts of each noun of a caption: the noun in each of several templates.
using PromptsOf = std::function<std::vector<std::vector<std::string>>(const std::string& caption)>;

/// A caption and prompts of its nouns as rows of token ids, (1 + count, L): one of a sample's captions, drawn anew in each
/// epoch, then `count` of its nouns without repetition, each in a drawn template. Where the caption has fewer nouns, it
/// fills the other rows itself (NVlabs/GroupViT, datasets/tokenizer.py, WordAugTokenizeWrapper).
template <Tokenizer T>
class OfPrompts {
 public:
  OfPrompts(T tokenizer, std::int64_t context_length, PromptsOf prompts, std::int64_t count)
      : tokenizer_(std::move(tokenizer)), prompts_(std::move(prompts)), length_(context_length), count_(count) {
    require(context_length >= 2 && count >= 0, "[of_prompts] expected room for start and end and no negative number ",
            "of prompts, got ", context_length, " tokens and ", count, " prompts");
  }

  std::vector<ViewSpec> views() const { return {{{1 + count_, length_}, ViewKind::tokens, DType::i32}}; }
  std::size_t globals() const { return 1; }
  Parts parts() const { return Part::texts; }

  /// The texts of a sample's view.
  std::vector<std::string> texts(const Sample& sample, Rng rng) const {
    require(!sample.texts.empty(), "[of_prompts] a sample has no text");
    const std::string& caption =
        sample.texts[sample.texts.size() > 1 ? Stream(rng / "text").below(sample.texts.size()) : 0];
    std::vector<std::string> chosen{caption};
    std::vector<std::vector<std::string>> nouns = prompts_(caption);
    Stream draw(rng / "prompts");
    while (!nouns.empty() && std::ssize(chosen) <= count_) {
      const auto at = static_cast<std::ptrdiff_t>(draw.below(nouns.size()));
      const std::vector<std::string>& forms = nouns[static_cast<std::size_t>(at)];
      chosen.push_back(forms.at(draw.below(forms.size())));
      nouns.erase(nouns.begin() + at);
    }
    while (std::ssize(chosen) <= count_) chosen.push_back(caption);
    return chosen;
  }
  void operator()(const Sample& sample, Rng rng, std::span<void* const> out, std::span<Drawn>) const {
    std::int32_t* row = static_cast<std::int32_t*>(out[0]);
    for (const std::string& text : texts(sample, rng)) {
      tokenizer_.write(text, {row, static_cast<std::size_t>(length_)});
      row += length_;
    }
  }

 private:
  T tokenizer_;
  PromptsOf prompts_;
  std::int64_t length_, count_;
};

}  // namespace contrastive
