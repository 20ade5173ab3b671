// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "contrastive/text/unicode.hpp"

namespace contrastive::detail {

/// Whether the capital sigma at `at` ends a word: a cased letter stands before it and none behind it, characters that are
/// case-ignorable aside (Unicode 3.13, Final_Sigma).
inline bool is_final_sigma(std::u32string_view text, std::size_t at) {
  const UnicodeTables& unicode = UnicodeTables::get();
  std::size_t before = at;
  while (before > 0 && unicode.case_ignorable(text[before - 1])) --before;
  if (before == 0 || !unicode.cased(text[before - 1])) return false;
  std::size_t behind = at + 1;
  while (behind < text.size() && unicode.case_ignorable(text[behind])) ++behind;
  return behind == text.size() || !unicode.cased(text[behind]);
}

/// Lower case by Unicode's full mapping. `final_sigma` as in Python's `str.lower`; Rust's `char::to_lowercase`, which looks
/// at one character at a time, makes every sigma the same.
inline std::u32string lower_case(std::u32string_view text, bool final_sigma) {
  constexpr char32_t capital_sigma = 0x3A3, sigma_at_the_end = 0x3C2, dotted_capital_i = 0x130, dot_above = 0x307;
  const UnicodeTables& unicode = UnicodeTables::get();
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == capital_sigma && final_sigma && is_final_sigma(text, i))
      out += sigma_at_the_end;
    else
      out += text[i] < 0x80 ? (text[i] >= U'A' && text[i] <= U'Z' ? text[i] + 32 : text[i]) : unicode.lower(text[i]);
    if (text[i] == dotted_capital_i) out += dot_above;
  }
  return out;
}

/// Hangul syllables are composed by arithmetic (Unicode 3.12).
struct Hangul {
  static constexpr char32_t syllable = 0xAC00, lead = 0x1100, vowel = 0x1161, tail = 0x11A7;
  static constexpr char32_t leads = 19, vowels = 21, tails = 28;

  static bool is_syllable(char32_t code) { return code >= syllable && code < syllable + leads * vowels * tails; }

  /// The syllable of two parts, 0 if they make none.
  static char32_t composed(char32_t first, char32_t second) {
    if (first >= lead && first < lead + leads && second >= vowel && second < vowel + vowels)
      return syllable + ((first - lead) * vowels + (second - vowel)) * tails;
    if (is_syllable(first) && (first - syllable) % tails == 0 && second > tail && second < tail + tails)
      return first + (second - tail);
    return 0;
  }
};

inline void append_parts(std::u32string& out, char32_t code) {
  if (Hangul::is_syllable(code)) {
    const char32_t index = code - Hangul::syllable;
    out += Hangul::lead + index / (Hangul::vowels * Hangul::tails);
    out += Hangul::vowel + index / Hangul::tails % Hangul::vowels;
    if (index % Hangul::tails != 0) out += Hangul::tail + index % Hangul::tails;
    return;
  }
  const auto [first, second] = UnicodeTables::get().parts(code);
  if (first == 0) {
    out += code;
  } else {
    append_parts(out, first);
    if (second != 0) append_parts(out, second);
  }
}

/// Normal form D (UAX 15): characters taken apart, the marks behind each in the order of their classes.
inline std::u32string decompose(std::u32string_view text) {
  const UnicodeTables& unicode = UnicodeTables::get();
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t code : text) {
    if (code < 0xC0)
      out += code;
    else
      append_parts(out, code);
  }
  const auto class_of = [&](char32_t code) { return unicode.combining_class(code); };
  for (auto begin = out.begin(); begin != out.end();) {
    if (class_of(*begin) == 0) {
      ++begin;
      continue;
    }
    const auto end = std::find_if(begin, out.end(), [&](char32_t code) { return class_of(code) == 0; });
    std::stable_sort(begin, end, [&](char32_t a, char32_t b) { return class_of(a) < class_of(b); });
    begin = end;
  }
  return out;
}

/// Normal form C (UAX 15): characters composed as far as that goes.
inline std::u32string compose(std::u32string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char32_t code) { return code < 0x300; })) return std::u32string(text);
  const UnicodeTables& unicode = UnicodeTables::get();
  std::u32string out = decompose(text);
  std::size_t kept = 0, starter = out.size();
  int last_class = 0;  // of what stands between the starter and here, 0 for nothing
  for (const char32_t code : std::u32string(out)) {
    const int own_class = unicode.combining_class(code);
    const bool adjacent = starter + 1 == kept;
    if (starter < kept && (adjacent || (last_class < own_class && last_class != 0))) {
      char32_t whole = Hangul::composed(out[starter], code);
      if (whole == 0) whole = unicode.composed(out[starter], code);
      if (whole != 0) {
        out[starter] = whole;
        continue;
      }
    }
    if (own_class == 0) starter = kept;
    last_class = own_class;
    out[kept++] = code;
  }
  out.resize(kept);
  return out;
}

}  // namespace contrastive::detail
