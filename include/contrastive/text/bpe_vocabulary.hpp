// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/text/unicode.hpp"
#include "contrastive/text/word_table.hpp"

namespace contrastive {

/// The merges of a byte-level BPE vocabulary with ends of words, CLIP's kind. A token is a string of bytes, with or
/// without the end of a word behind it. Ids: 256 bytes, 256 bytes that end a word, the merges in their order, then start
/// and end. Never changed after construction, so that threads may share it.
class BpeVocabulary {
 public:
  static constexpr std::size_t clip_merges = 48894;
  static constexpr std::size_t padding = detail::WordTable::padding;

  /// `file` is text: one merge a line, two tokens with a space between; a first line with "#version" is left out. Bytes
  /// are written as in GPT-2's `bytes_to_unicode`, the end of a word as `</w>`. Only the first `merges` lines are read:
  /// OpenAI's file has 262,144. Throws with `name` and the line if there are fewer, if a line is not a merge of tokens
  /// that exist before it, or if it makes a token that exists.
  explicit BpeVocabulary(std::string_view file, const std::string& name = "vocabulary",
                         std::size_t merges = clip_merges) {
    require(merges <= 65000, "[bpe] ", name, ": at most 65000 merges, not ", merges);
    require(file.substr(0, 2) != "\x1F\x8B", "[bpe] ", name, " is compressed: gunzip it first");
    add_bytes();
    read_merges(file, name, merges);
    add_words();
  }

  /// Throws `[read]` if the file cannot be read.
  static BpeVocabulary load(const std::string& path, std::size_t merges = clip_merges) {
    return BpeVocabulary(read_text(path), path, merges);
  }

  std::int32_t size() const { return end_id() + 1; }
  std::int32_t start_id() const { return static_cast<std::int32_t>(tokens_.size()); }
  std::int32_t end_id() const { return start_id() + 1; }

  /// The bytes of a token other than start and end.
  std::string_view bytes(std::int32_t id) const { return tokens_[static_cast<std::size_t>(id)].bytes; }
  bool ends_word(std::int32_t id) const { return tokens_[static_cast<std::size_t>(id)].ends_word; }

  /// emit(id) for each token of a word of `length` bytes, until it returns false. `padding` bytes from `word + length` on
  /// must be readable. Returns what emit returned last.
  template <class Emit>
  bool encode_word(const char* word, std::size_t length, Emit&& emit) const {
    if (length == 0) return true;
    if (length <= detail::WordTable::longest) {
      if (const std::int32_t id = words_.find(word, length); id >= 0) return emit(id);
    }
    return length <= longest_short ? merge_short(word, length, emit) : merge_long(word, length, emit);
  }

 private:
  using Id = std::uint16_t;
  static constexpr std::uint32_t none = 0xFFFFFFFF;  // no rank: after all others
  static constexpr std::size_t longest_short = 64;

  struct Token {
    std::string bytes;
    bool ends_word;
  };
  struct Symbol {
    Id id;
    std::uint32_t rank;  // of the merge with the next
  };
  struct Merge {
    std::uint32_t pair = none, rank = none;
  };

  void add_bytes() {
    std::vector<unsigned char> order;
    const auto shown = [](unsigned byte) {
      return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD && byte <= 0xFF);
    };
    for (const bool first : {true, false})
      for (unsigned byte = 0; byte < 256; ++byte)
        if (shown(byte) == first) order.push_back(static_cast<unsigned char>(byte));
    for (const bool ends_word : {false, true})
      for (std::size_t i = 0; i < order.size(); ++i) {
        if (!ends_word) {
          byte_ids_[order[i]] = static_cast<Id>(i);
          letters_[i < 188 ? char32_t{order[i]} : static_cast<char32_t>(256 + i - 188)] = static_cast<char>(order[i]);
        }
        tokens_.push_back({std::string(1, static_cast<char>(order[i])), ends_word});
      }
  }

  /// A token as the file writes it.
  Token parse(std::string_view text) const {
    constexpr std::string_view mark = "</w>";
    Token token{{}, text.size() > mark.size() && text.substr(text.size() - mark.size()) == mark};
    if (token.ends_word) text.remove_suffix(mark.size());
    for (const char32_t letter : detail::from_utf8(text)) {
      const auto byte = letters_.find(letter);
      if (byte == letters_.end()) return {};
      token.bytes += byte->second;
    }
    return token;
  }

  void read_merges(std::string_view file, const std::string& name, std::size_t merges) {
    merges_.resize(std::bit_ceil(2 * merges + 2));
    std::unordered_map<std::string, Id> ids;
    const auto key = [](const Token& token) { return token.bytes + (token.ends_word ? ' ' : '\n'); };
    for (std::size_t i = 0; i < tokens_.size(); ++i) ids.emplace(key(tokens_[i]), static_cast<Id>(i));
    std::size_t line_number = 0;
    for (std::size_t rank = 0; rank < merges;) {
      ++line_number;
      require(!file.empty(), "[bpe] ", name, ": ", merges, " merges wanted, found ", rank);
      const std::size_t newline = file.find('\n');
      std::string_view line = file.substr(0, newline);
      file.remove_prefix(newline == file.npos ? file.size() : newline + 1);
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      if (line_number == 1 && line.find("#version") != line.npos) continue;
      const std::size_t space = line.find(' ');
      const Token first = parse(line.substr(0, space)),
                  second = parse(space == line.npos ? std::string_view() : line.substr(space + 1));
      const auto a = ids.find(key(first)), b = ids.find(key(second));
      require(a != ids.end() && b != ids.end() && !first.ends_word, "[bpe] ", name, ", line ", line_number,
              ": expected two tokens that exist by then, found \"", line, "\"");
      tokens_.push_back({first.bytes + second.bytes, second.ends_word});
      require(ids.emplace(key(tokens_.back()), static_cast<Id>(tokens_.size() - 1)).second, "[bpe] ", name, ", line ",
              line_number, ": \"", line, "\" makes a token that exists");
      const std::uint32_t pair = pair_of(a->second, b->second);
      Merge* slot = &merges_[slot_of(pair)];
      while (slot->pair != none) slot = slot + 1 == merges_.data() + merges_.size() ? merges_.data() : slot + 1;
      *slot = {pair, static_cast<std::uint32_t>(rank++)};
    }
  }

  static std::uint32_t pair_of(Id first, Id second) { return static_cast<std::uint32_t>(first) << 16 | second; }
  std::size_t slot_of(std::uint32_t pair) const {
    return static_cast<std::size_t>(pair * 0x9E3779B97F4A7C15u >> 32) & (merges_.size() - 1);
  }

  /// The rank of the merge of two tokens, `none` if they are not merged.
  std::uint32_t rank_of(Id first, Id second) const {
    const std::uint32_t pair = pair_of(first, second);
    for (std::size_t slot = slot_of(pair);; slot = (slot + 1) & (merges_.size() - 1))
      if (merges_[slot].pair == pair || merges_[slot].pair == none) return merges_[slot].rank;
  }
  static Id merged(std::uint32_t rank) { return static_cast<Id>(512 + rank); }
  Id symbol(const char* word, std::size_t at, std::size_t length) const {
    const Id id = byte_ids_[static_cast<unsigned char>(word[at])];
    return at + 1 == length ? static_cast<Id>(id + 256) : id;
  }

  /// Merges of the lowest rank first, from left to right. What a merge makes has only merges of higher ranks, so that this
  /// order is that of merging all pairs of the lowest rank at once.
  template <class Emit>
  bool merge_short(const char* word, std::size_t length, Emit&& emit) const {
    std::array<Symbol, longest_short> symbols;
    for (std::size_t i = 0; i < length; ++i) symbols[i].id = symbol(word, i, length);
    for (std::size_t i = 0; i + 1 < length; ++i) symbols[i].rank = rank_of(symbols[i].id, symbols[i + 1].id);
    symbols[length - 1].rank = none;
    for (;;) {
      const auto begin = symbols.begin(), end = begin + static_cast<std::ptrdiff_t>(length);
      const auto best = std::min_element(begin, end, [](const Symbol& a, const Symbol& b) { return a.rank < b.rank; });
      if (best->rank == none) break;
      best->id = merged(best->rank);
      std::move(best + 2, end, best + 1);
      --length;
      best->rank = best + 1 == end - 1 ? none : rank_of(best->id, (best + 1)->id);
      if (best != begin) (best - 1)->rank = rank_of((best - 1)->id, best->id);
    }
    for (std::size_t i = 0; i < length; ++i)
      if (!emit(symbols[i].id)) return false;
    return true;
  }

  /// The same with a queue, for long words.
  template <class Emit>
  bool merge_long(const char* word, std::size_t length, Emit&& emit) const {
    struct Linked {
      Id id;
      std::size_t before, next;
      bool gone;
    };
    using Candidate = std::tuple<std::uint32_t, std::size_t, Id, Id>;  // rank, where, the two tokens
    std::vector<Linked> chain(length);
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
    const auto consider = [&](std::size_t at) {
      if (at >= length || chain[at].next >= length) return;
      const Id first = chain[at].id, second = chain[chain[at].next].id;
      if (const std::uint32_t rank = rank_of(first, second); rank != none) queue.emplace(rank, at, first, second);
    };
    for (std::size_t i = 0; i < length; ++i) chain[i] = {symbol(word, i, length), i - 1, i + 1, false};
    for (std::size_t i = 0; i < length; ++i) consider(i);
    while (!queue.empty()) {
      const auto [rank, at, first, second] = queue.top();
      queue.pop();
      Linked& left = chain[at];
      if (left.gone || left.id != first || left.next >= length || chain[left.next].id != second) continue;
      Linked& right = chain[left.next];
      right.gone = true;
      left.id = merged(rank);
      left.next = right.next;
      if (left.next < length) chain[left.next].before = at;
      consider(left.before);
      consider(at);
    }
    for (std::size_t i = 0; i < length; i = chain[i].next)
      if (!emit(chain[i].id)) return false;
    return true;
  }

  /// The words that are one token, so that most words need one look. A token need not be what its own
  /// bytes merge to.
  void add_words() {
    words_ = detail::WordTable(tokens_.size());
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      const std::string& bytes = tokens_[id].bytes;
      if (!tokens_[id].ends_word || bytes.size() > detail::WordTable::longest) continue;
      std::size_t count = 0;
      merge_short(bytes.data(), bytes.size(), [&](std::int32_t) { return ++count != 0; });
      if (count == 1) words_.add(bytes, static_cast<std::int32_t>(id));
    }
  }

  std::vector<Token> tokens_;
  std::array<Id, 256> byte_ids_{};
  std::unordered_map<char32_t, char> letters_;  // how the file writes bytes
  std::vector<Merge> merges_;                   // open addressing by pair
  detail::WordTable words_;
};

}  // namespace contrastive
