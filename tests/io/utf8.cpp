// SPDX-License-Identifier: MIT
#include "contrastive/io/utf8.hpp"

#include <cstdint>

#include "support/catch.hpp"

using namespace contrastive;

namespace {

/// RFC 3629, table of section 3.
std::string encode(std::uint32_t code) {
  const auto byte = [](std::uint32_t bits) { return static_cast<char>(bits); };
  if (code < 0x80) return {byte(code)};
  if (code < 0x800) return {byte(0xC0 | code >> 6), byte(0x80 | (code & 63))};
  if (code < 0x10000) return {byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 63)), byte(0x80 | (code & 63))};
  return {byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 63)), byte(0x80 | (code >> 6 & 63)),
          byte(0x80 | (code & 63))};
}

bool surrogate(std::uint32_t code) { return code >= 0xD800 && code < 0xE000; }

}  // namespace

TEST_CASE("every character is UTF-8, and nothing else is", "[io]") {
  std::size_t wrong = 0;
  for (std::uint32_t code = 0; code < 0x110000; ++code) {
    const std::string text = encode(code);
    wrong += detail::utf8_length(text) != (surrogate(code) ? 0 : text.size());
    if (!surrogate(code)) wrong += detail::path_from_utf8(detail::path_as_utf8(text)) != text;
  }
  CHECK(wrong == 0);
  // All of two bytes, and of three after each first byte: valid where decoding and encoding gives them back.
  for (std::uint32_t first = 0x80; first < 0x100; ++first)
    for (std::uint32_t second = 0; second < 0x100; ++second)
      for (std::uint32_t third = 0; third < 0x100; ++third) {
        const std::string text{static_cast<char>(first), static_cast<char>(second), static_cast<char>(third)};
        const std::uint32_t two = (first & 31) << 6 | (second & 63),
                            three = (first & 15) << 12 | (second & 63) << 6 | (third & 63);
        const bool is_two = first < 0xE0 && encode(two) == text.substr(0, 2),
                   is_three = first >= 0xE0 && !surrogate(three) && encode(three) == text;
        wrong += detail::utf8_length(text) != (is_two ? 2u : is_three ? 3u : 0u);
      }
  CHECK(wrong == 0);
  CHECK(detail::utf8_length("\xf4\x90\x80\x80") == 0);  // above U+10FFFF
  CHECK(detail::utf8_length("\xf0\x8f\xbf\xbf") == 0);  // overlong
  CHECK(detail::utf8_length("\xf0\x9f\x98") == 0);      // cut off
  CHECK(detail::utf8_length("") == 0);
}

TEST_CASE("bytes that are not UTF-8 are shown as Latin-1, or kept to be given back", "[io]") {
  CHECK(detail::as_utf8("caf\xe9 caf\xc3\xa9") == "caf\xc3\xa9 caf\xc3\xa9");
  for (int byte = 0x80; byte < 0x100; ++byte) {
    const std::string text = "a" + std::string(1, static_cast<char>(byte)) + "b";
    CHECK(detail::as_utf8(text) == "a" + encode(static_cast<std::uint32_t>(byte)) + "b");
    const std::string kept = detail::path_as_utf8(text);
    CHECK(kept == "a" + encode(0xEF00 + static_cast<std::uint32_t>(byte)) + "b");
    CHECK(detail::as_utf8(kept) == kept);
    CHECK(detail::path_from_utf8(kept) == text);
    CHECK(detail::path_from_utf8(text) == text);  // written before there was a form for it
  }
}
