// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "contrastive/media/image.hpp"

namespace contrastive::detail {

using Bytes = std::span<const std::uint8_t>;

inline std::uint32_t big_endian(const std::uint8_t* p, int count) {
  std::uint32_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | p[i];
  return value;
}

inline std::uint32_t little_endian(const std::uint8_t* p, int count) {
  std::uint32_t value = 0;
  for (int i = count; i-- > 0;) value = value << 8 | p[i];
  return value;
}

/// The orientation tag (0x0112) of a TIFF block (Exif 2.3, 4.6.4): 1 to 8; 1 when it is absent or damaged, for a
/// picture is not refused because of its notes.
inline int tiff_orientation(Bytes tiff) {
  if (tiff.size() < 8) return 1;
  const bool little = tiff[0] == 'I';
  const auto number = [&](std::size_t at, int count) {
    return little ? little_endian(tiff.data() + at, count) : big_endian(tiff.data() + at, count);
  };
  if ((!little && tiff[0] != 'M') || tiff[1] != tiff[0] || number(2, 2) != 42) return 1;
  const std::size_t directory = number(4, 4);
  if (directory + 2 > tiff.size()) return 1;
  const std::size_t entries = number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.size()) return 1;
    if (number(entry, 2) != 0x0112) continue;
    const std::size_t kind = number(entry + 2, 2), bytes = kind == 1 ? 1 : kind == 3 ? 2 : kind == 4 ? 4 : 0;
    const std::uint32_t value = number(entry + 8, static_cast<int>(bytes));  // BYTE, SHORT or LONG, left-aligned
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

/// Walks the markers of a JPEG file up to the first scan.
inline int jpeg_orientation(Bytes file) {
  for (std::size_t at = 2; at + 4 <= file.size() && file[at] == 0xFF;) {
    const std::uint8_t marker = file[at + 1];
    if (marker == 0xFF) {  // fill byte
      ++at;
      continue;
    }
    if (marker == 0xDA || marker == 0xD9) break;
    const std::size_t length = big_endian(file.data() + at + 2, 2);
    if (length < 2 || at + 2 + length > file.size()) break;
    if (marker == 0xE1 && length >= 8 && std::memcmp(file.data() + at + 4, "Exif\0\0", 6) == 0)
      return tiff_orientation(file.subspan(at + 10, length - 8));
    at += 2 + length;
  }
  return 1;
}

/// Turns stored pixels into the upright picture: orientation 2 is mirrored, 3 upside down, 4 both; 5 to 8 are the
/// same four with rows and columns exchanged.
inline Image upright(Image stored, int orientation) {
  if (orientation <= 1 || orientation > 8) return stored;
  const bool exchange = orientation >= 5;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const int height = exchange ? stored.width : stored.height, width = exchange ? stored.height : stored.width;
  Image turned(height, width, stored.channels);
  const std::size_t C = static_cast<std::size_t>(stored.channels);
  for (int y = 0; y < height; ++y) {
    std::uint8_t* out = turned.row(y);
    for (int x = 0; x < width; ++x) {
      int from_y = exchange ? x : y, from_x = exchange ? y : x;
      if (flip_y) from_y = stored.height - 1 - from_y;
      if (flip_x) from_x = stored.width - 1 - from_x;
      std::memcpy(out + static_cast<std::size_t>(x) * C, stored.row(from_y) + static_cast<std::size_t>(from_x) * C, C);
    }
  }
  return turned;
}

}  // namespace contrastive::detail
