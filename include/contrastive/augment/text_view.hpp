// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/augment/sample_augment.hpp"
#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

/// Writes the ids of a text into a row: `tokenizer.write(text, row)`. Those of text/ do.
template <class T>
concept Tokenizer = requires(const T& tokenizer, std::string_view text, std::span<std::int32_t> row) {
  tokenizer.write(text, row);
};

/// One of a sample's texts as a row of token ids. The text is drawn anew in each epoch, or is always the first; the
/// tokenizer cuts one that is too long.
template <Tokenizer T>
class OfText {
 public:
  OfText(T tokenizer, std::int64_t context_length, bool draws = true)
      : tokenizer_(std::move(tokenizer)), length_(context_length), draws_(draws) {
    require(context_length >= 2, "[of_text] the context has room for start and end at least, not ", context_length);
  }

  std::vector<ViewSpec> views() const { return {{{length_}, ViewKind::tokens, DType::i32}}; }
  std::size_t globals() const { return 1; }
  Parts parts() const { return Part::texts; }

  /// The rows of several texts, (n, L) i32: as the view makes them.
  Tensor ids(const std::vector<std::string>& texts) const {
    const Tensor rows({static_cast<std::int64_t>(texts.size()), length_}, DType::i32);
    for (std::size_t i = 0; i < texts.size(); ++i)
      tokenizer_.write(texts[i], rows.span<std::int32_t>().subspan(i * static_cast<std::size_t>(length_),
                                                                   static_cast<std::size_t>(length_)));
    return rows;
  }

  void operator()(const Sample& sample, Rng rng, std::span<void* const> out, std::span<Drawn>) const {
    require(!sample.texts.empty(), "[of_text] a sample has no text");
    const std::size_t which = draws_ && sample.texts.size() > 1 ? Stream(rng / "text").below(sample.texts.size()) : 0;
    tokenizer_.write(sample.texts[which], {static_cast<std::int32_t*>(out[0]), static_cast<std::size_t>(length_)});
  }

 private:
  T tokenizer_;
  std::int64_t length_;
  bool draws_;
};

/// `SampleViews(clip_train(224), of_text(BpeTokenizer(), 77))`: an image, and one of its captions.
template <Tokenizer T>
OfText<T> of_text(T tokenizer, std::int64_t context_length = 77, bool draws = true) {
  return {std::move(tokenizer), context_length, draws};
}

}  // namespace contrastive
