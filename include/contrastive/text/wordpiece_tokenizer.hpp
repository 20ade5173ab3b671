// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/text/normalize.hpp"
#include "contrastive/text/token_row.hpp"
#include "contrastive/text/unicode.hpp"
#include "contrastive/text/word_table.hpp"

namespace contrastive {

/// BERT's uncased tokenizer (Devlin et al. 2019; transformers 5, BertTokenizer): small letters without accents, split at
/// white space, punctuation and Chinese characters; each word taken apart into the longest pieces of the vocabulary.
/// [CLS], [SEP], [PAD], [UNK] and [MASK] in a text are those tokens. Threads may share one.
///
///   const WordPieceTokenizer tokenizer = WordPieceTokenizer::load("vocab.txt");
///   const TokenRow row = tokenizer("a dog running", 8);   // 101 1037 3899 2770 102 0 0 0
class WordPieceTokenizer {
 public:
  static constexpr std::size_t longest_word = 100;  // characters; a longer word is [UNK]

  /// `file`: one piece a line, `##` before those that go on a word; the id is the number of the line from 0.
  /// Throws with `name` if [UNK], [CLS], [SEP] or [PAD] is missing or a line occurs twice.
  explicit WordPieceTokenizer(std::string_view file, const std::string& name = "vocabulary") {
    while (!file.empty()) {
      const std::size_t newline = file.find('\n');
      std::string_view line = file.substr(0, newline);
      file.remove_prefix(newline == file.npos ? file.size() : newline + 1);
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      pieces_.emplace_back(line);
    }
    words_ = detail::WordTable(pieces_.size());
    rest_ = detail::WordTable(pieces_.size());
    for (std::size_t id = 0; id < pieces_.size(); ++id) {
      const auto [before, added] = ids_.emplace(pieces_[id], static_cast<std::int32_t>(id));
      require(added, "[wordpiece] ", name, ": lines ", before->second + 1, " and ", id + 1, " are both \"", pieces_[id],
              "\"");
      const bool goes_on = pieces_[id].substr(0, 2) == "##";
      const std::string_view bytes = std::string_view(pieces_[id]).substr(goes_on ? 2 : 0);
      if (!bytes.empty() && bytes.size() <= detail::WordTable::longest)
        (goes_on ? rest_ : words_).add(bytes, static_cast<std::int32_t>(id));
    }
    for (std::size_t i = 0; i < specials_.size(); ++i) {
      const auto found = ids_.find(std::string(special_names[i]));
      require(found != ids_.end() || i == mask, "[wordpiece] ", name, " has no ", special_names[i]);
      specials_[i] = found == ids_.end() ? -1 : found->second;
    }
  }

  /// Throws `[read]` if the file cannot be read.
  static WordPieceTokenizer load(const std::string& path) { return WordPieceTokenizer(read_text(path), path); }

  std::int32_t size() const { return static_cast<std::int32_t>(pieces_.size()); }
  std::int32_t start_id() const { return specials_[start]; }
  std::int32_t end_id() const { return specials_[end]; }
  std::int32_t pad_id() const { return specials_[pad]; }

  /// The ids of a text, without [CLS] and [SEP].
  std::vector<std::int32_t> encode(std::string_view text) const {
    std::vector<std::int32_t> ids;
    each_id(text, [&](std::int32_t id) {
      ids.push_back(id);
      return true;
    });
    return ids;
  }

  /// [CLS], the ids of a text, [SEP] and [PAD]s. A text that is too long is cut and says so; [SEP] stays.
  /// Throws unless `context_length` is 2 or more.
  TokenRow operator()(std::string_view text, std::int64_t context_length = 256) const {
    require(context_length >= 2, "[tokenizer] the context has room for start and end at least, not ", context_length);
    TokenRow row;
    row.ids.resize(static_cast<std::size_t>(context_length));
    static_cast<TokenCount&>(row) = write(text, row.ids);
    return row;
  }

  /// The same into a row that exists.
  TokenCount write(std::string_view text, std::span<std::int32_t> row) const {
    return detail::fill_row(row, start_id(), end_id(), pad_id(), [&](auto&& emit) { return each_id(text, emit); });
  }

  /// The piece of an id, as the vocabulary has it. Throws for an id that it does not have.
  const std::string& piece(std::int32_t id) const {
    require(id >= 0 && id < size(), "[decode] ids are 0 to ", size() - 1, ", not ", id);
    return pieces_[static_cast<std::size_t>(id)];
  }

  /// The pieces with spaces between words.
  std::string decode(std::span<const std::int32_t> ids) const {
    std::string text;
    for (const std::int32_t id : ids) {
      const std::string& one = piece(id);
      const bool goes_on = one.substr(0, 2) == "##" && !text.empty();
      if (!goes_on && !text.empty()) text += ' ';
      text += goes_on ? one.substr(2) : one;
    }
    return text;
  }

 private:
  enum : std::size_t { unknown, start, end, pad, mask };
  static constexpr std::string_view special_names[] = {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"};

  /// emit(id) for each piece until it returns false; whether it never did. Special tokens are found before anything else.
  template <class Emit>
  bool each_id(std::string_view text, Emit&& emit) const {
    for (std::size_t at = text.find('['); at != text.npos;) {
      std::size_t i = 0;
      while (i < specials_.size() && (specials_[i] < 0 || text.substr(at, special_names[i].size()) != special_names[i]))
        ++i;
      if (i == specials_.size()) {
        at = text.find('[', at + 1);
        continue;
      }
      if (!each_plain(text.substr(0, at), emit) || !emit(specials_[i])) return false;
      text.remove_prefix(at + special_names[i].size());
      at = text.find('[');
    }
    return each_plain(text, emit);
  }

  template <class Emit>
  bool each_plain(std::string_view text, Emit&& emit) const {
    std::string clean = cleaned(text);
    const std::size_t length = clean.size();
    clean.resize(length + detail::WordTable::padding);
    const std::string_view all(clean.data(), length);
    std::size_t begin = 0, characters = 0;  // of the word so far
    for (std::size_t at = 0; at < length;) {
      const auto [code, width, valid] = detail::first_character(all.substr(at));
      const bool space = code == ' ';
      if (!space && !stands_alone(code)) {
        ++characters;
        at += width;
        continue;
      }
      if (!each_piece(all.substr(begin, at - begin), characters, emit)) return false;
      if (!space && !each_piece(all.substr(at, width), 1, emit)) return false;
      begin = at += width;
      characters = 0;
    }
    return each_piece(all.substr(begin), characters, emit);
  }

  /// Small letters without accents and controls; white space is a space.
  static std::string cleaned(std::string_view text) {
    std::string out;
    out.reserve(text.size() + detail::WordTable::padding);
    if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
      for (const char c : text) {
        if (c >= 'A' && c <= 'Z')
          out += static_cast<char>(c + 32);
        else if (c == '\t' || c == '\n' || c == '\r')
          out += ' ';
        else if (c >= ' ' && c != 0x7F)
          out += c;
      }
      return out;
    }
    const detail::UnicodeTables& unicode = detail::UnicodeTables::get();
    std::u32string kept;
    for (const char32_t code : detail::from_utf8(text)) {
      const CharacterKind kind = unicode.kind(code);
      if (code == '\t' || code == '\n' || code == '\r')
        kept += U' ';
      else if (code < ' ' || code == 0x85 || code == detail::replacement_character || kind == CharacterKind::control)
        continue;
      else
        kept += kind == CharacterKind::space ? U' ' : code;
    }
    std::u32string bare = detail::decompose(kept);
    std::erase_if(bare, [&](char32_t code) { return unicode.kind(code) == CharacterKind::nonspacing; });
    return detail::to_utf8(detail::lower_case(bare, /*final_sigma=*/false));
  }

  /// Punctuation, ASCII's signs among it, and Chinese characters are words of their own. The ranges are those of Hugging
  /// Face; BERT's own code has U+2B820 for U+2B920.
  static bool stands_alone(char32_t code) {
    if (code < 0x80)
      return code > ' ' && code < 0x7F && !(code >= '0' && code <= '9') &&
             !((code | 0x20) >= 'a' && (code | 0x20) <= 'z');
    constexpr std::array<std::pair<char32_t, char32_t>, 8> chinese = {{{0x4E00, 0x9FFF},
                                                                       {0x3400, 0x4DBF},
                                                                       {0x20000, 0x2A6DF},
                                                                       {0x2A700, 0x2B73F},
                                                                       {0x2B740, 0x2B81F},
                                                                       {0x2B920, 0x2CEAF},
                                                                       {0xF900, 0xFAFF},
                                                                       {0x2F800, 0x2FA1F}}};
    return std::any_of(chinese.begin(), chinese.end(),
                       [&](const auto& range) { return code >= range.first && code <= range.second; }) ||
           detail::UnicodeTables::get().kind(code) == CharacterKind::punctuation;
  }

  /// The id of a piece that starts a word or goes on with one, -1 if there is none.
  std::int32_t find(std::string_view piece, bool goes_on) const {
    if (piece.size() <= detail::WordTable::longest) return (goes_on ? rest_ : words_).find(piece.data(), piece.size());
    const auto found = ids_.find((goes_on ? "##" : "") + std::string(piece));
    return found == ids_.end() ? -1 : found->second;
  }

  /// The longest piece first, then the longest of what is left; [UNK] for the word if that does not come out.
  template <class Emit>
  bool each_piece(std::string_view word, std::size_t characters, Emit&& emit) const {
    if (word.empty()) return true;
    if (characters > longest_word) return emit(specials_[unknown]);
    std::array<std::int32_t, longest_word> ids;
    std::size_t count = 0;
    for (std::size_t begin = 0; begin < word.size();) {
      std::size_t length = word.size() - begin;
      std::int32_t id = -1;
      for (; length > 0; --length) {
        const bool cuts_character = begin + length < word.size() && (word[begin + length] & 0xC0) == 0x80;
        if (!cuts_character && (id = find(word.substr(begin, length), begin > 0)) >= 0) break;
      }
      if (id < 0) return emit(specials_[unknown]);
      ids[count++] = id;
      begin += length;
    }
    return std::all_of(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), emit);
  }

  std::vector<std::string> pieces_;
  std::unordered_map<std::string, std::int32_t> ids_;
  detail::WordTable words_, rest_;  // what starts a word, and what goes on with one, without ##
  std::array<std::int32_t, 5> specials_{};
};

}  // namespace contrastive
