// SPDX-License-Identifier: MIT
#pragma once

#if !__has_include(<sentencepiece_processor.h>)
#error "contrastive/text/sentencepiece_tokenizer.hpp needs SentencePiece (Debian and Ubuntu: libsentencepiece-dev)"
#endif

#include <sentencepiece_processor.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/text/token_row.hpp"

namespace contrastive {

/// The tokenizer of SigLIP (Zhai et al. 2023; transformers 5, SiglipTokenizer): the pieces of a SentencePiece model, an end
/// token, and end tokens to the end of the row. Texts come canonical (`canonicalize_text`). Threads may share one.
///
///   const SentencePieceTokenizer tokenizer = SentencePieceTokenizer::load("spiece.model");
///   const TokenRow row = tokenizer("a dog running", 64);
class SentencePieceTokenizer {
 public:
  /// Throws with the path where the file is not a SentencePiece model, or has no end token.
  static SentencePieceTokenizer load(const std::string& path) {
    const auto model = std::make_shared<sentencepiece::SentencePieceProcessor>();
    require(model->Load(path).ok(), "[sentencepiece] ", path, " cannot be read, or is no whole SentencePiece model");
    require(model->eos_id() >= 0, "[sentencepiece] ", path, " has no end token");
    SentencePieceTokenizer tokenizer;
    tokenizer.model_ = model;
    return tokenizer;
  }

  std::int32_t size() const { return model_->GetPieceSize(); }
  std::int32_t end_id() const { return model_->eos_id(); }

  /// The ids of a text, without the end token.
  std::vector<std::int32_t> encode(std::string_view text) const {
    std::vector<int> ids;
    const auto status = model_->Encode({text.data(), text.size()}, &ids);
    require(status.ok(), "[sentencepiece] ", status.ToString());
    return {ids.begin(), ids.end()};
  }

  /// The ids of a text and end tokens. A text that is too long is cut and says so; one end token stays.
  /// Throws unless `context_length` is 1 or more.
  TokenRow operator()(std::string_view text, std::int64_t context_length = 64) const {
    require(context_length >= 1, "[tokenizer] the context has room for an end token at least, not ", context_length);
    TokenRow row;
    row.ids.resize(static_cast<std::size_t>(context_length));
    static_cast<TokenCount&>(row) = write(text, row.ids);
    return row;
  }

  /// The same into a row that exists.
  TokenCount write(std::string_view text, std::span<std::int32_t> row) const {
    require(!row.empty(), "[tokenizer] a row has room for an end token at least");
    const std::vector<std::int32_t> ids = encode(text);
    const std::size_t kept = std::min(ids.size(), row.size() - 1);
    std::copy_n(ids.begin(), kept, row.begin());
    std::fill(row.begin() + static_cast<std::ptrdiff_t>(kept), row.end(), end_id());
    return {static_cast<std::int64_t>(kept) + 1, kept < ids.size()};
  }

  /// The piece of an id; a space before a word is U+2581. Throws for an id that the model does not have.
  std::string piece(std::int32_t id) const {
    require(id >= 0 && id < size(), "[decode] ids are 0 to ", size() - 1, ", not ", id);
    return model_->IdToPiece(id);
  }

  std::string decode(std::span<const std::int32_t> ids) const {
    for (const std::int32_t id : ids) piece(id);
    std::string text;
    const auto status = model_->Decode(std::vector<int>(ids.begin(), ids.end()), &text);
    require(status.ok(), "[sentencepiece] ", status.ToString());
    return text;
  }

 private:
  SentencePieceTokenizer() = default;

  std::shared_ptr<const sentencepiece::SentencePieceProcessor> model_;
};

}  // namespace contrastive
