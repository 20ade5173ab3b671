// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "contrastive/text/legacy_tables.hpp"
#include "contrastive/text/mojibake_signs.hpp"
#include "contrastive/text/one_byte_encoding.hpp"
#include "contrastive/text/unicode.hpp"

/// Takes back a wrong decoding, as ftfy 6.3.1's `fix_encoding` does (Robyn Speer, Apache-2.0).
namespace contrastive::detail::mojibake {

/// A class of bytes in a pattern: ranges, as pairs of first and last.
inline bool byte_in(char byte, std::string_view ranges) {
  const auto value = static_cast<unsigned char>(byte);
  for (std::size_t i = 0; i + 1 < ranges.size(); i += 2)
    if (value >= static_cast<unsigned char>(ranges[i]) && value <= static_cast<unsigned char>(ranges[i + 1]))
      return true;
  return false;
}
using BytePattern = std::array<std::string_view, 6>;  // an empty class ends it

/// How many bytes at the start of `bytes` match the first of the patterns that does, 0 if none does.
inline std::size_t matched(std::string_view bytes, std::span<const BytePattern> patterns) {
  for (const BytePattern& pattern : patterns) {
    std::size_t i = 0;
    while (i < pattern.size() && !pattern[i].empty() && i < bytes.size() && byte_in(bytes[i], pattern[i])) ++i;
    if (i == pattern.size() || pattern[i].empty()) return i;
  }
  return 0;
}

inline constexpr std::string_view tail = "\x80\xBF", lost = "\x1A\x1A", lost_or_asked = "\x1A\x1A??",
                                  tail_or_lost = "\x1A\x1A\x80\xBF", not_85_a0 = "\x80\x84\x86\x9F\xA1\xBF";

/// UTF-8 where a space stands for byte A0, which some program took for a space.
inline constexpr BytePattern spaced_utf8[] = {{"\xC2\xC3\xC5\xC5\xCE\xCE\xD0\xD0\xD9\xD9", "  "},
                                              {"\xE2\xE3", "  ", not_85_a0},
                                              {"\xE0\xE3", not_85_a0, "  "},
                                              {"\xF0\xF0", "  ", tail, tail},
                                              {"\xF0\xF0", tail, "  ", tail},
                                              {"\xF0\xF0", tail, tail, "  "}};

/// UTF-8 where bytes were lost: 1A for U+FFFD, or one question mark.
inline constexpr BytePattern lossy_utf8[] = {
    {"\xC2\xDF", lost},
    {"\xC2\xC3", "??"},
    {"\xED\xED", "\xA0\xAF", lost_or_asked, "\xED\xED", "\xB0\xBF", "\x1A\x1A??\x80\xBF"},
    {"\xED\xED", "\xA0\xAF", "\x1A\x1A??\x80\xBF", "\xED\xED", "\xB0\xBF", lost_or_asked},
    {"\xE0\xEF", lost_or_asked, tail_or_lost},
    {"\xE0\xEF", tail_or_lost, lost_or_asked},
    {"\xF0\xF4", lost_or_asked, tail_or_lost, tail_or_lost},
    {"\xF0\xF4", tail_or_lost, lost_or_asked, tail_or_lost},
    {"\xF0\xF4", tail_or_lost, tail_or_lost, lost_or_asked},
    {lost}};

/// `bytes` with what matches one of the patterns replaced by `replacement(match)`.
template <class Replacement>
std::string replace_matches(std::string_view bytes, std::span<const BytePattern> patterns, Replacement&& replacement) {
  std::string out;
  while (!bytes.empty()) {
    const std::size_t length = matched(bytes, patterns);
    if (length > 0)
      out += replacement(std::string(bytes.substr(0, length)));
    else
      out += bytes[0];
    bytes.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

/// Spaces back to byte A0 where they stand in UTF-8. "Ã " alone is à with its space, but for some Portuguese words.
inline std::string restore_byte_a0(std::string_view bytes) {
  std::string out;
  bool any = false;
  for (std::size_t i = 0; i < bytes.size() && !any; ++i) any = matched(bytes.substr(i), spaced_utf8) > 0;
  if (!any) return std::string(bytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    out += bytes[i];
    if (bytes[i] != '\xC3' || i + 1 == bytes.size() || bytes[i + 1] != ' ') continue;
    const std::string_view behind = bytes.substr(i + 2);
    constexpr std::string_view words[] = {" ", "quele", "quela", "quilo", "s "};
    if (std::none_of(std::begin(words), std::end(words),
                     [&](auto word) { return behind.substr(0, word.size()) == word; }))
      out += '\xA0';
  }
  return replace_matches(out, spaced_utf8, [](std::string match) {
    std::replace(match.begin(), match.end(), ' ', '\xA0');
    return match;
  });
}

/// UTF-8 that must be valid, except that a character above U+FFFF may be two surrogates of three bytes each (CESU-8) and
/// U+0000 two bytes (Java). A byte that is missing at the very end may be the newline there, as in ftfy.
inline std::optional<std::u32string> decode_utf8(std::string_view bytes) {
  std::u32string out;
  const auto at = [&](std::size_t i) { return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u; };
  const auto follows = [&](std::size_t i, unsigned low, unsigned high) { return at(i) >= low && at(i) <= high; };
  while (!bytes.empty()) {
    const Utf8Character next = first_character(bytes);
    const bool newline_ends = bytes.back() == '\n';
    std::size_t length = next.length;
    if (next.valid) {
      out += next.code;
    } else if (at(0) == 0xC0 && (at(1) == 0x80 || (newline_ends && bytes.size() == 2))) {
      out += U'\0';
      length = 2;
    } else if (at(0) == 0xED && follows(1, 0xA0, 0xAF) && follows(2, 0x80, 0xBF) && at(3) == 0xED &&
               follows(4, 0xB0, 0xBF) && (follows(5, 0x80, 0xBF) || (newline_ends && bytes.size() == 6))) {
      out += 0x10000 + ((at(1) & 0x0F) << 16 | (at(2) & 0x3F) << 10 | (at(4) & 0x0F) << 6 | (at(5) & 0x3F));
      length = 6;
    } else {
      return std::nullopt;
    }
    bytes.remove_prefix(length);
  }
  return out;
}

/// What characters of UTF-8 look like after decoding in one of the encodings of the Latin-1 kind, as a set of bytes.
inline std::uint8_t byte_roles(char32_t code) {
  enum : std::uint8_t { first_of_2 = 1, first_of_3 = 2, first_of_4 = 4, continuation = 8, strict = 16 };
  static const auto table = [] {
    std::unordered_map<char32_t, std::uint8_t> roles{{U' ', continuation}};
    const Encodings& encodings = Encodings::get();
    for (const OneByteEncoding* encoding : encodings.all) {
      if (encoding == &encodings.iso_8859_2) break;
      for (int byte = 0x80; byte < 0xF4; ++byte) {
        const bool tail = byte < 0xC0;
        const int role = tail                           ? continuation | strict
                         : byte >= 0xC2 && byte < 0xE0  ? first_of_2
                         : byte >= 0xE0 && byte < 0xF0  ? first_of_3
                         : byte == 0xF0 || byte == 0xF3 ? first_of_4
                                                        : 0;
        std::uint8_t& roles_of_it = roles[encoding->decoded(static_cast<unsigned char>(byte))];
        roles_of_it = static_cast<std::uint8_t>(roles_of_it | role);
      }
    }
    for (const char32_t plain : std::u32string_view(U"–\u2014―‘’‚“”„•…"))  // these often stand for themselves
      roles[plain] = static_cast<std::uint8_t>(roles[plain] & ~strict);
    return roles;
  }();
  const auto found = table.find(code);
  return found == table.end() ? std::uint8_t{0} : found->second;
}

/// How many characters at the start of `text` look like whole characters of UTF-8.
inline std::size_t looks_like_utf8(std::u32string_view text) {
  std::size_t end = 0;
  for (;;) {
    const int role = end < text.size() ? byte_roles(text[end]) : 0;
    const std::size_t length = (role & 1) != 0 ? 2 : (role & 2) != 0 ? 3 : (role & 4) != 0 ? 4 : 0;
    if (length == 0 || end + length > text.size()) return end;
    for (std::size_t i = 1; i < length; ++i)
      if ((byte_roles(text[end + i]) & 8) == 0) return end;
    end += length;
  }
}

inline std::u32string fix_encoding(std::u32string text);

/// Parts of `text` that look like UTF-8 and like mojibake, each fixed alone.
inline std::u32string fix_parts(const std::u32string& text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size();) {
    const bool may_begin = i == 0 || (byte_roles(text[i - 1]) & 16) == 0;
    const std::size_t length = may_begin ? looks_like_utf8(std::u32string_view(text).substr(i)) : 0;
    const std::u32string part = text.substr(i, std::max<std::size_t>(length, 1));
    out += length > 0 && length < text.size() && suspicious(part) ? fix_encoding(part) : part;
    i += part.size();
  }
  return out;
}

/// C1 controls as the characters that Windows-1252 has in their place.
inline std::u32string fix_c1_controls(std::u32string text) {
  for (char32_t& code : text)
    if (code >= 0x80 && code < 0xA0) code = page_cp1252[code - 0x80];
  return text;
}

/// One layer of wrong decoding taken off, or `text` as it is.
inline std::u32string fix_one_encoding(const std::u32string& text) {
  if (!suspicious(text)) return text;
  const Encodings& encodings = Encodings::get();
  for (const OneByteEncoding* encoding : encodings.all) {
    std::optional<std::string> bytes = encoding->encode(text);
    if (!bytes) continue;
    if (encoding != &encodings.mac_roman) bytes = restore_byte_a0(*bytes);
    if (encoding->sloppy())
      bytes = replace_matches(*bytes, lossy_utf8, [](const std::string&) { return "\xEF\xBF\xBD"; });
    if (std::optional<std::u32string> fixed = decode_utf8(*bytes)) return *fixed;
  }
  if (std::u32string fixed = fix_parts(text); fixed != text) return fixed;
  // Latin-1 that was meant as Windows-1252, if that has a character for each byte; then single controls.
  return fix_c1_controls(text);
}

inline std::u32string fix_encoding(std::u32string text) {
  for (;;) {
    std::u32string fixed = fix_one_encoding(text);
    if (fixed == text) return fixed;
    text = std::move(fixed);
  }
}

}  // namespace contrastive::detail::mojibake
