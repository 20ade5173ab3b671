// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/text/bpe_vocabulary.hpp"
#include "contrastive/text/clean.hpp"
#include "contrastive/text/shared_file.hpp"
#include "contrastive/text/token_row.hpp"
#include "contrastive/text/unicode.hpp"

namespace contrastive {

/// CLIP's tokenizer (Radford et al. 2021; clip/simple_tokenizer.py): text is cleaned, split into words, and each word
/// merged by byte-level BPE. Threads may share one.
///
///   const BpeTokenizer tokenizer;                          // CLIP's vocabulary, as open_clip
///   const TokenRow row = tokenizer("a photo of a cat.");   // 77 ids: 49406 320 1125 539 320 2368 269 49407 0 0 ...
class BpeTokenizer {
 public:
  /// CLIP's own vocabulary, `clip_bpe.txt`. Throws `[share]` if it is not found.
  explicit BpeTokenizer(ClipDialect dialect = ClipDialect::open_clip)
      : BpeTokenizer(BpeVocabulary::load(shared_file("clip_bpe.txt")), dialect) {}
  explicit BpeTokenizer(BpeVocabulary vocabulary, ClipDialect dialect = ClipDialect::open_clip)
      : vocabulary_(std::make_shared<const BpeVocabulary>(std::move(vocabulary))), dialect_(dialect) {}

  std::int32_t size() const { return vocabulary_->size(); }
  std::int32_t start_id() const { return vocabulary_->start_id(); }
  std::int32_t end_id() const { return vocabulary_->end_id(); }
  std::int32_t pad_id() const { return dialect_ == ClipDialect::hugging_face ? end_id() : 0; }
  ClipDialect dialect() const { return dialect_; }

  /// The ids of a text, without start and end.
  std::vector<std::int32_t> encode(std::string_view text) const {
    std::vector<std::int32_t> ids;
    each_id(text, [&](std::int32_t id) {
      ids.push_back(id);
      return true;
    });
    return ids;
  }

  /// Start, the ids of a text, end and padding. A text that is too long is cut and says so; the end token stays.
  /// Throws unless `context_length` is 2 or more.
  TokenRow operator()(std::string_view text, std::int64_t context_length = 77) const {
    require(context_length >= 2, "[tokenizer] the context has room for start and end at least, not ", context_length);
    TokenRow row;
    row.ids.resize(static_cast<std::size_t>(context_length));
    static_cast<TokenCount&>(row) = write(text, row.ids);
    return row;
  }

  /// The same into a row that exists, without an allocation for most texts.
  TokenCount write(std::string_view text, std::span<std::int32_t> row) const {
    return detail::fill_row(row, start_id(), end_id(), pad_id(), [&](auto&& emit) { return each_id(text, emit); });
  }

  /// Text again: a space behind each word, start and end by their names. Bytes that are not UTF-8 are U+FFFD.
  /// Throws for an id that the vocabulary does not have.
  std::string decode(std::span<const std::int32_t> ids) const {
    std::string bytes;
    for (const std::int32_t id : ids) {
      require(id >= 0 && id < size(), "[decode] ids are 0 to ", size() - 1, ", not ", id);
      if (id >= start_id()) {
        bytes += specials()[id == start_id() ? 0 : 1];
      } else {
        bytes += vocabulary_->bytes(id);
        if (vocabulary_->ends_word(id)) bytes += ' ';
      }
    }
    return detail::to_utf8(detail::from_utf8(bytes));
  }

  /// One token as text: its bytes, `</w>` behind it if it ends a word; the names of start and end.
  std::string piece(std::int32_t id) const {
    std::string text = decode(std::span(&id, 1));
    if (id < start_id() && vocabulary_->ends_word(id)) text.replace(text.size() - 1, 1, "</w>");
    return text;
  }

 private:
  enum Class : unsigned char { space, letter, number, other, beyond_ascii };

  /// Start and end as they are written in text.
  std::array<std::string_view, 2> specials() const {
    if (dialect_ == ClipDialect::open_clip) return {"<start_of_text>", "<end_of_text>"};
    return {"<|startoftext|>", "<|endoftext|>"};
  }

  /// emit(id) for each token until it returns false; whether it never did.
  template <class Emit>
  bool each_id(std::string_view text, Emit&& emit) const {
    constexpr std::size_t room = 1024;
    if (text.size() <= room) {
      char small[room + BpeVocabulary::padding];
      return each_id(text, small, emit);
    }
    std::string large(text.size() + BpeVocabulary::padding, '\0');
    return each_id(text, large.data(), emit);
  }

  template <class Emit>
  bool each_id(std::string_view text, char* buffer, Emit&& emit) const {
    if (lower_plain(text, buffer)) return split(buffer, text.size(), emit);
    if (dialect_ != ClipDialect::hugging_face) return split_clean(text, emit);
    for (;;) {  // special tokens are found before anything else
      const std::size_t start = text.find(specials()[0]), end = text.find(specials()[1]);
      if (start == end) return split_clean(text, emit);
      const bool is_start = start < end;
      if (!split_clean(text.substr(0, std::min(start, end)), emit) || !emit(is_start ? start_id() : end_id()))
        return false;
      text.remove_prefix(std::min(start, end) + specials()[is_start ? 0 : 1].size());
    }
  }

  template <class Emit>
  bool split_clean(std::string_view text, Emit&& emit) const {
    std::string clean = clean_text(text, dialect_);
    const std::size_t length = clean.size();
    clean.resize(length + BpeVocabulary::padding);
    return split(clean.data(), length, emit);
  }

  /// The text in small letters if that is all there is to clean: ASCII without controls, character references and
  /// special tokens. Otherwise false.
  static bool lower_plain(std::string_view text, char* out) {
    unsigned char odd = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      const bool control = byte < ' ' && byte != '\t' && byte != '\n' && byte != '\r' && byte != '\f';
      odd |= static_cast<unsigned char>(control | (byte >= 0x7F) | (byte == '&') | (byte == '<'));
      out[i] = static_cast<char>(byte + (byte >= 'A' && byte <= 'Z' ? 32 : 0));
    }
    return odd == 0;
  }

  /// Splits clean text into words: a special token, an ending after an apostrophe, letters, one number, or anything else
  /// but white space; then tokens of each.
  template <class Emit>
  bool split(const char* text, std::size_t length, Emit&& emit) const {
    const char* const end = text + length;
    while (text < end) {
      const auto [first, width] = class_at(text, end);
      if (first == space) {
        text += width;
        continue;
      }
      const char* behind = text + width;
      if (first == other) {
        if (*text == '<' && dialect_ != ClipDialect::hugging_face) {
          if (const std::size_t special = special_length({text, static_cast<std::size_t>(end - text)}); special > 0) {
            if (!encode_special({text, special}, emit)) return false;
            text += special;
            continue;
          }
        }
        const std::size_t ending = *text == '\'' ? ending_length({text, static_cast<std::size_t>(end - text)}) : 0;
        behind = ending > 0 ? text + ending : run_end(behind, end, other);
      } else if (first == letter) {
        behind = run_end(behind, end, letter);
      }
      if (!vocabulary_->encode_word(text, static_cast<std::size_t>(behind - text), emit)) return false;
      text = behind;
    }
    return true;
  }

  const char* run_end(const char* text, const char* end, Class wanted) const {
    while (text < end) {
      const auto [found, width] = class_at(text, end);
      if (found != wanted) break;
      text += width;
    }
    return text;
  }

  std::pair<Class, std::size_t> class_at(const char* text, const char* end) const {
    static constexpr auto classes = [] {
      std::array<Class, 256> table{};
      for (int byte = 0; byte < 256; ++byte)
        table[static_cast<std::size_t>(byte)] = byte >= 0x80                                    ? beyond_ascii
                                                : byte == ' ' || (byte >= '\t' && byte <= '\r') ? space
                                                : (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z'  ? letter
                                                : byte >= '0' && byte <= '9'                    ? number
                                                                                                : other;
      return table;
    }();
    const Class found = classes[static_cast<unsigned char>(*text)];
    if (found != beyond_ascii) return {found, 1};
    const auto character = detail::first_character({text, static_cast<std::size_t>(end - text)});
    switch (detail::UnicodeTables::get().kind(character.code)) {
      case CharacterKind::space: return {space, character.length};
      case CharacterKind::letter: return {letter, character.length};
      case CharacterKind::digit:
      case CharacterKind::number: return {number, character.length};
      default: break;
    }
    // A mark whose capital is a letter: in a pattern that ignores case it is neither a letter nor anything else.
    constexpr char32_t iota_below = 0x345;
    return {character.code == iota_below && dialect_ != ClipDialect::hugging_face ? space : other, character.length};
  }

  /// How many bytes of `text` are `wanted`, where U+017F counts as an s (it is one in a pattern that ignores case).
  static std::size_t matched(std::string_view text, std::string_view wanted, bool long_s) {
    std::size_t at = 0;
    for (const char c : wanted) {
      if (at < text.size() && text[at] == c)
        ++at;
      else if (long_s && c == 's' && text.substr(at, 2) == "\xC5\xBF")
        at += 2;
      else
        return 0;
    }
    return at;
  }
  std::size_t special_length(std::string_view text) const {
    const std::size_t start = matched(text, specials()[0], true);
    return start > 0 ? start : matched(text, specials()[1], true);
  }
  std::size_t ending_length(std::string_view text) const {
    for (const char* ending : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"})
      if (const std::size_t length = matched(text, ending, dialect_ != ClipDialect::hugging_face)) return length;
    return 0;
  }
  /// A special token with a long s in it is a word like others.
  template <class Emit>
  bool encode_special(std::string_view text, Emit&& emit) const {
    if (text == specials()[0]) return emit(start_id());
    if (text == specials()[1]) return emit(end_id());
    return vocabulary_->encode_word(text.data(), text.size(), emit);
  }

  std::shared_ptr<const BpeVocabulary> vocabulary_;
  ClipDialect dialect_;
};

}  // namespace contrastive
