// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace contrastive::detail {

/// Length of the character that starts `text` when it is valid UTF-8 (RFC 3629), else 0.
inline std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = byte(0);
  const auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return byte(i) >= low && byte(i) <= high;
  };
  if (text.empty()) return 0;
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF)  // no overlong forms, no surrogates
    return follows(1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF) && follows(2) ? 3 : 0;
  if (first >= 0xF0 && first <= 0xF4)  // no overlong forms, nothing above U+10FFFF
    return follows(1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF) && follows(2) && follows(3) ? 4 : 0;
  return 0;
}

/// f(character) for each valid character, stray(byte) for each byte that belongs to none.
template <class F, class Stray>
void each_utf8(std::string_view text, F&& f, Stray&& stray) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length > 0)
      f(text.substr(0, length));
    else
      stray(static_cast<unsigned char>(text[0]));
    text.remove_prefix(length > 0 ? length : 1);
  }
}

/// The text as valid UTF-8, for readers: bytes that are not are taken for Latin-1, so that a class folder named in it can
/// be shown.
inline std::string as_utf8(std::string_view text) {
  std::string out;
  each_utf8(
      text, [&](std::string_view character) { out += character; },
      [&](unsigned char byte) {
        out += static_cast<char>(0xC0 | byte >> 6);
        out += static_cast<char>(0x80 | (byte & 0x3F));
      });
  return out;
}

/// A path as valid UTF-8 that `path_from_utf8` turns back, byte for byte: a byte b that is not UTF-8 becomes the private
/// character U+EF00 + b (MirOS' OPTU-8), as do the bytes of such a character itself.
inline std::string path_as_utf8(std::string_view path) {
  std::string out;
  const auto stray = [&](unsigned char byte) {
    out += '\xEE';
    out += static_cast<char>(0xBC | byte >> 6);
    out += static_cast<char>(0x80 | (byte & 0x3F));
  };
  each_utf8(
      path,
      [&](std::string_view character) {
        if (character >= "\xEE\xBE\x80" && character <= "\xEE\xBF\xBF" && character.size() == 3)
          for (const char byte : character) stray(static_cast<unsigned char>(byte));
        else
          out += character;
      },
      stray);
  return out;
}

inline std::string path_from_utf8(std::string_view text) {
  std::string out;
  each_utf8(
      text,
      [&](std::string_view character) {
        if (character.size() == 3 && character >= "\xEE\xBE\x80" && character <= "\xEE\xBF\xBF")
          out += static_cast<char>((character[1] & 0x03) << 6 | (character[2] & 0x3F));
        else
          out += character;
      },
      [&](unsigned char byte) { out += static_cast<char>(byte); });
  return out;
}

}  // namespace contrastive::detail
