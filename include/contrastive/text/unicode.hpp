// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/text/unicode_tables.hpp"

/// What tokenizers ask of Unicode, from tables of version 15.0.0, so that ids do not depend on the machine.
namespace contrastive {

/// General categories, as coarse as tokenizers need them: L, Nd, the rest of N, Mn, the rest of M, P, S and C. White
/// space is apart: the property White_Space, which takes U+0009 to U+000D and U+0085 from the controls.
enum class CharacterKind : std::uint8_t {
  unassigned,
  letter,
  digit,
  number,
  nonspacing,
  mark,
  punctuation,
  symbol,
  control,
  space
};

namespace detail {

constexpr char32_t replacement_character = 0xFFFD;

struct Utf8Character {
  char32_t code;
  std::size_t length;
  bool valid;
};

/// The character that starts `text`, which is not empty. Bytes that are not UTF-8 (RFC 3629) are U+FFFD, one for as many
/// bytes as could have begun a character, as in Python's `bytes.decode("utf-8", "replace")`.
inline Utf8Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t length = lead < 0xC2 || lead > 0xF4 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (length == 1) return {replacement_character, 1, false};
  char32_t code = lead & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    // No overlong forms, no surrogates, nothing above U+10FFFF.
    const unsigned low = i > 1 ? 0x80 : lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = i > 1 ? 0xBF : lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (byte(i) < low || byte(i) > high) return {replacement_character, i, false};
    code = code << 6 | (byte(i) & 0x3F);
  }
  return {code, length, true};
}

inline std::u32string from_utf8(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Character next = first_character(text);
    out += next.code;
    text.remove_prefix(next.length);
  }
  return out;
}

inline void append_utf8(std::string& text, char32_t code) {
  const auto put = [&](char32_t bits) { text += static_cast<char>(bits); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xE0 | code >> 12);
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
    }
    put(0x80 | (code >> 6 & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

inline std::string to_utf8(std::u32string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t code : text) append_utf8(out, code);
  return out;
}

/// The tables of unicode_tables.hpp in a form that is quick to ask.
class UnicodeTables {
 public:
  static const UnicodeTables& get() {
    static const UnicodeTables tables;
    return tables;
  }

  CharacterKind kind(char32_t code) const {
    return code < kinds_.size() ? static_cast<CharacterKind>(kinds_[code] & 15) : CharacterKind::unassigned;
  }
  bool cased(char32_t code) const { return code < kinds_.size() && (kinds_[code] & 16) != 0; }
  bool case_ignorable(char32_t code) const { return code < kinds_.size() && (kinds_[code] & 32) != 0; }
  std::uint8_t combining_class(char32_t code) const { return code < combining_.size() ? combining_[code] : 0; }

  /// Lower case of one character. That of U+0130 is followed by U+0307.
  char32_t lower(char32_t code) const {
    const auto step = std::upper_bound(lower_.begin(), lower_.end(), code,
                                       [](char32_t value, const Step& row) { return value < row.first; });
    if (step == lower_.begin()) return code;
    const Step& row = *std::prev(step);
    return code > row.last || (code - row.first) % row.every != 0 ? code : code + static_cast<char32_t>(row.difference);
  }

  /// The two parts of a character, the second 0 if there is one only; (0, 0) for one that has none.
  std::pair<char32_t, char32_t> parts(char32_t code) const {
    const auto found = std::lower_bound(parts_.begin(), parts_.end(), code,
                                        [](const Parts& row, char32_t value) { return row.whole < value; });
    return found != parts_.end() && found->whole == code ? std::pair(found->first, found->second)
                                                         : std::pair(U'\0', U'\0');
  }

  /// The character that two make, 0 if they make none.
  char32_t composed(char32_t first, char32_t second) const {
    const auto found = std::lower_bound(wholes_.begin(), wholes_.end(), std::pair(first, second),
                                        [](const Parts& row, const std::pair<char32_t, char32_t>& value) {
                                          return std::pair(row.first, row.second) < value;
                                        });
    return found != wholes_.end() && found->first == first && found->second == second ? found->whole : 0;
  }

 private:
  struct Step {
    char32_t first, last, every;
    std::int32_t difference;
  };
  struct Parts {
    char32_t whole, first, second;
  };

  UnicodeTables() : kinds_(0x110000, 0) {
    std::size_t at = 0;
    for (const std::uint32_t run : kind_runs)
      for (const std::size_t end = at + run / 16; at < end; ++at) kinds_[at] = static_cast<std::uint8_t>(run % 16);
    mark(cased_ranges, 16);
    mark(case_ignorable_ranges, 32);
    for (const std::uint32_t run : combining_runs)
      combining_.insert(combining_.end(), run / 256, static_cast<std::uint8_t>(run % 256));
    for (std::size_t i = 0; i < std::size(lower_steps); i += 4)
      lower_.push_back({static_cast<char32_t>(lower_steps[i]), static_cast<char32_t>(lower_steps[i + 1]),
                        static_cast<char32_t>(lower_steps[i + 2]), lower_steps[i + 3]});
    add_parts(composed_parts);
    wholes_ = parts_;
    add_parts(decomposed_only);
    std::sort(parts_.begin(), parts_.end(), [](const Parts& a, const Parts& b) { return a.whole < b.whole; });
    std::sort(wholes_.begin(), wholes_.end(), [](const Parts& a, const Parts& b) {
      return std::pair(a.first, a.second) < std::pair(b.first, b.second);
    });
  }

  /// `ranges` are the lengths of what has not and of what has a property, in turn.
  void mark(std::span<const std::uint32_t> ranges, std::uint8_t bit) {
    std::size_t at = 0;
    bool has = false;
    for (const std::uint32_t length : ranges) {
      for (const std::size_t end = at + length; at < end; ++at)
        if (has) kinds_[at] |= bit;
      has = !has;
    }
  }

  void add_parts(std::span<const std::uint32_t> table) {
    for (std::size_t i = 0; i < table.size(); i += 3) parts_.push_back({table[i], table[i + 1], table[i + 2]});
  }

  std::vector<std::uint8_t> kinds_;  // kind, 16 if cased, 32 if case-ignorable
  std::vector<std::uint8_t> combining_;
  std::vector<Step> lower_;
  std::vector<Parts> parts_;   // by whole
  std::vector<Parts> wholes_;  // those that are composed again, by (first, second)
};

}  // namespace detail
}  // namespace contrastive
