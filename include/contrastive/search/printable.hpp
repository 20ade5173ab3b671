// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "contrastive/io/utf8.hpp"
#include "contrastive/text/unicode.hpp"

namespace contrastive {

/// A file name for a terminal or a page: what could move the cursor, colour the screen, turn the reading direction or
/// cannot be seen is shown as \xNN or \u{NNNN}, and so are bytes that are not UTF-8.
inline std::string printable(std::string_view name) {
  std::string out;
  char escape[16];
  detail::each_utf8(
      name,
      [&](std::string_view character) {
        const char32_t code = detail::first_character(character).code;
        const bool hidden = code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0xAD || code == 0x61C ||
                            (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
                            (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF ||
                            (code >= 0xFFF0 && code <= 0xFFFB) || code >= 0xE0000;
        if (!hidden) {
          out += character;
          return;
        }
        std::snprintf(escape, sizeof escape, code < 0x80 ? "\\x%02x" : "\\u{%x}", static_cast<unsigned>(code));
        out += escape;
      },
      [&](unsigned char byte) {
        std::snprintf(escape, sizeof escape, "\\x%02x", byte);
        out += escape;
      });
  return out;
}

}  // namespace contrastive
