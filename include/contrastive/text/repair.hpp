// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "contrastive/text/html.hpp"
#include "contrastive/text/legacy_tables.hpp"
#include "contrastive/text/mojibake.hpp"
#include "contrastive/text/normalize.hpp"
#include "contrastive/text/unicode.hpp"

/// Text put right as by ftfy 6.3.1's `fix_text` with its defaults (Robyn Speer, Apache-2.0): all of its repairs but that
/// of lone surrogates, which text from UTF-8 has none of.
namespace contrastive::detail {

/// The letters of a Latin ligature or digraph, empty for anything else.
inline std::u32string_view ligature_letters(char32_t code) {
  constexpr std::u32string_view digraphs[] = {U"D\u017D", U"D\u017E", U"d\u017E", U"LJ", U"Lj",
                                              U"lj",      U"NJ",      U"Nj",      U"nj"};
  constexpr std::u32string_view ligatures[] = {U"ff", U"fi", U"fl", U"ffi", U"ffl", U"\u017Ft", U"st"};
  if (code >= 0x1C4 && code <= 0x1CC) return digraphs[code - 0x1C4];
  if (code >= 0xFB00 && code <= 0xFB06) return ligatures[code - 0xFB00];
  switch (code) {
    case 0x132: return U"IJ";
    case 0x133: return U"ij";
    case 0x149: return U"\u02BCn";
    case 0x1F1: return U"DZ";
    case 0x1F2: return U"Dz";
    case 0x1F3: return U"dz";
    default: return {};
  }
}

/// One character in its usual form: C1 controls as in Windows-1252, width forms, straight quotes, \n for a line's end.
inline void append_usual(std::u32string& out, char32_t code) {
  if (code >= 0x80 && code < 0xA0) code = page_cp1252[code - 0x80];
  if (const std::u32string_view letters = ligature_letters(code); !letters.empty()) {
    for (const char32_t letter : letters) out += letter == 0x2BC ? U'\'' : letter;
    return;
  }
  constexpr char32_t first_width_form = 0xFF01, wide_macron = 0xFFE3;
  if (code >= first_width_form && code < first_width_form + std::size(usual_width)) {
    const char32_t usual = usual_width[code - first_width_form];
    out += usual == 0 ? code : usual;
    if (code == wide_macron) out += U'\u0304';
    return;
  }
  if (code == 0x2BC || (code >= 0x2018 && code <= 0x201B))
    out += U'\'';
  else if (code >= 0x201C && code <= 0x201F)
    out += U'"';
  else if (code == '\r' || code == 0x2028 || code == 0x2029)
    out += U'\n';
  else
    out += code == 0x3000 ? U' ' : code;
}

/// Length of the terminal's escape sequence at the start of `text` (ESC [ 31 m), 0 if there is none.
inline std::size_t escape_length(std::u32string_view text) {
  if (text.size() < 3 || text[0] != 0x1B || text[1] != U'[') return 0;
  std::size_t end = 2;
  while (end < text.size() && (text[end] == U';' || UnicodeTables::get().kind(text[end]) == CharacterKind::digit))
    ++end;
  const char32_t small = end < text.size() ? text[end] | 0x20 : 0;
  return small >= 'a' && small <= 'z' ? end + 1 : 0;
}

/// Characters without an effect that one sees: controls but white space, U+206A to U+206F, U+FEFF, U+FFF9 to U+FFFC.
inline bool is_idle_control(char32_t code) {
  if (code < 0x20) return code != '\t' && code != '\n' && code != '\f' && code != '\r';
  return code == 0x7F || (code >= 0x206A && code <= 0x206F) || code == 0xFEFF || (code >= 0xFFF9 && code <= 0xFFFC);
}

inline std::u32string in_usual_form(std::u32string_view text) {
  std::u32string usual, out;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] != '\r' || i + 1 == text.size() || text[i + 1] != '\n') append_usual(usual, text[i]);
  for (std::size_t i = 0; i < usual.size(); ++i) {
    if (const std::size_t length = escape_length(std::u32string_view(usual).substr(i)); length > 0)
      i += length - 1;
    else if (!is_idle_control(usual[i]))
      out += usual[i];
  }
  return out;
}

/// `unescape`: character references too, until none is left.
inline std::u32string repair_line(std::u32string text, bool unescape) {
  for (;;) {
    std::u32string fixed = unescape ? unescape_html_with_semicolon(text) : text;
    fixed = compose(in_usual_form(mojibake::fix_encoding(std::move(fixed))));
    if (fixed == text) return fixed;
    text = std::move(fixed);
  }
}

/// Line by line, in parts of a million characters at most. From the first `<` on, text is taken for HTML, whose character
/// references stay.
inline std::u32string repair_text(std::u32string_view text) {
  constexpr std::size_t longest = 1'000'000;
  std::u32string out;
  bool unescape = true;
  while (!text.empty()) {
    const std::size_t newline = text.find(U'\n');
    const std::size_t length = std::min(newline == text.npos ? text.size() : newline + 1, longest);
    const std::u32string_view line = text.substr(0, length);
    if (line.find(U'<') != line.npos) unescape = false;
    out += repair_line(std::u32string(line), unescape);
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace contrastive::detail
