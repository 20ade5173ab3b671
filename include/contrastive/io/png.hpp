// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "contrastive/media/image.hpp"

namespace contrastive {

/// The picture as the bytes of a PNG file: 8 bit, grey (C = 1), RGB (3) or RGBA (4). Needs stb (CONTRASTIVE_WITH_STB);
/// zlib, where it is there, compresses better. Throws `[png] ...` on any other picture, and without stb.
std::string encode_png(const Image& image);

/// RFC 4648 base64, as `data:` addresses in a page want it.
inline std::string base64(std::string_view bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i)
      group = group << 8 | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    for (std::size_t i = 0; i < 4; ++i) out += at + i <= bytes.size() ? digits[group >> (18 - 6 * i) & 63] : '=';
  }
  return out;
}

}  // namespace contrastive

#if !defined(CONTRASTIVE_COMPILED)
#include "contrastive/io/png_parts.hpp"  // IWYU pragma: export
#endif
