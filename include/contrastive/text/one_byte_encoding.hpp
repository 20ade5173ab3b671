// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "contrastive/text/legacy_tables.hpp"
#include "contrastive/text/unicode.hpp"

namespace contrastive::detail {

/// One byte a character. Where the vendor left holes, `sloppy` encodings take U+FFFD as byte 1A, the mark of a lost byte.
class OneByteEncoding {
 public:
  OneByteEncoding(std::span<const char16_t> upper, bool sloppy) : sloppy_(sloppy) {
    for (std::size_t i = 0; i < 128; ++i) {
      const char16_t code = upper.empty() ? static_cast<char16_t>(128 + i) : upper[i];
      decoded_[i] = code;
      bytes_[code] = static_cast<char>(128 + i);
    }
  }

  std::optional<char> byte(char32_t code) const {
    if (sloppy_ && (code == 0x1A || code == replacement_character))
      return code == 0x1A ? std::nullopt : std::optional('\x1A');
    if (code < 0x80) return static_cast<char>(code);
    const auto found = bytes_.find(code);
    return found == bytes_.end() ? std::nullopt : std::optional(found->second);
  }
  std::optional<std::string> encode(std::u32string_view text) const {
    std::string bytes;
    for (const char32_t code : text) {
      const std::optional<char> one = byte(code);
      if (!one) return std::nullopt;
      bytes += *one;
    }
    return bytes;
  }
  char32_t decoded(unsigned char byte) const { return byte < 128 ? byte : decoded_[byte - 128]; }
  bool sloppy() const { return sloppy_; }

 private:
  bool sloppy_;
  std::array<char16_t, 128> decoded_;
  std::unordered_map<char32_t, char> bytes_;
};

/// Those that text is wrongly decoded in, in the order in which ftfy tries them.
struct Encodings {
  OneByteEncoding latin_1{{}, false}, windows_1252{page_cp1252, true}, windows_1251{page_cp1251, true},
      windows_1250{page_cp1250, true}, windows_1253{page_cp1253, true}, windows_1254{page_cp1254, true},
      windows_1257{page_cp1257, true}, iso_8859_2{page_iso8859_2, false}, mac_roman{page_mac_roman, false},
      cp437{page_cp437, false};
  const OneByteEncoding* all[10] = {&latin_1,      &windows_1252, &windows_1251, &windows_1250, &windows_1253,
                                    &windows_1254, &windows_1257, &iso_8859_2,   &mac_roman,    &cp437};

  static const Encodings& get() {
    static const Encodings encodings;
    return encodings;
  }
};

}  // namespace contrastive::detail
