// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#if defined(CONTRASTIVE_WITH_ZLIB)
#include <zlib.h>
#endif

#include "contrastive/core/error.hpp"
#include "contrastive/io/atomic_file.hpp"
#include "contrastive/media/image.hpp"

namespace contrastive {

namespace detail {

/// CRC-32 of PNG and zlib (reflected 0xedb88320).
inline std::uint32_t crc32(std::string_view bytes) {
  static constexpr auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      t[i] = i;
      for (int bit = 0; bit < 8; ++bit) t[i] = (t[i] >> 1) ^ (t[i] & 1 ? 0xedb88320u : 0u);
    }
    return t;
  }();
  std::uint32_t crc = 0xffffffffu;
  for (char c : bytes) crc = table[(crc ^ static_cast<unsigned char>(c)) & 255] ^ (crc >> 8);
  return ~crc;
}

inline void append_big_endian(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 255);
}

/// A zlib stream (RFC 1950): compressed when zlib is there, else stored blocks, which every reader takes.
inline std::string zlib_stream(const std::string& raw) {
#if defined(CONTRASTIVE_WITH_ZLIB)
  uLongf size = compressBound(static_cast<uLong>(raw.size()));
  std::string out(size, '\0');
  const int status = compress2(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(raw.data()),
                               static_cast<uLong>(raw.size()), 9);
  require(status == Z_OK, "[png] zlib could not compress ", raw.size(), " bytes");
  out.resize(size);
  return out;
#else
  std::string out = "\x78\x01";
  std::uint32_t a = 1, b = 0;  // Adler-32
  for (char c : raw) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  for (std::size_t at = 0; at < raw.size() || at == 0;) {
    const std::size_t size = raw.size() - at < 65535 ? raw.size() - at : 65535;
    out += static_cast<char>(at + size == raw.size());
    for (std::size_t field : {size, ~size}) {
      out += static_cast<char>(field & 255);
      out += static_cast<char>(field >> 8 & 255);
    }
    out.append(raw, at, size);
    at += size ? size : 1;
  }
  append_big_endian(out, b << 16 | a);
  return out;
#endif
}

inline void append_chunk(std::string& png, std::string_view type, std::string_view data) {
  append_big_endian(png, static_cast<std::uint32_t>(data.size()));
  const std::size_t start = png.size();
  png += type;
  png += data;
  append_big_endian(png, crc32(std::string_view(png).substr(start)));
}

/// One scan line with the filter (none, sub, up) whose absolute residues sum to the least, PNG's usual heuristic.
inline void append_filtered(std::string& raw, const std::uint8_t* row, const std::uint8_t* above, int bytes, int step) {
  std::string best;
  long least = -1;
  for (int filter = 0; filter < 3; ++filter) {
    std::string line(1, static_cast<char>(filter));
    long cost = 0;
    for (int i = 0; i < bytes; ++i) {
      const int left = i >= step ? row[i - step] : 0, up = above ? above[i] : 0;
      const auto residue = static_cast<std::int8_t>(row[i] - (filter == 1 ? left : filter == 2 ? up : 0));
      line += static_cast<char>(residue);
      cost += std::abs(static_cast<int>(residue));
    }
    if (least < 0 || cost < least) {
      least = cost;
      best = std::move(line);
    }
  }
  raw += best;
}

}  // namespace detail

/// The picture as the bytes of a PNG file: 8 bit, grey (C = 1), RGB (3) or RGBA (4).
/// Format: https://www.w3.org/TR/png-3/.
inline std::string encode_png(const Image& image) {
  require(image.height > 0 && image.width > 0 && (image.channels == 1 || image.channels == 3 || image.channels == 4),
          "[png] expected a picture with 1, 3 or 4 channels, got ", image.height, " x ", image.width, " x ",
          image.channels);
  const int stride = image.width * image.channels;
  require(image.pixels.size() == static_cast<std::size_t>(image.height) * static_cast<std::size_t>(stride),
          "[png] the picture's pixels do not fill its size");
  std::string raw;
  raw.reserve(image.pixels.size() + static_cast<std::size_t>(image.height));
  for (int y = 0; y < image.height; ++y)
    detail::append_filtered(raw, image.row(y), y ? image.row(y - 1) : nullptr, stride, image.channels);

  std::string header;
  detail::append_big_endian(header, static_cast<std::uint32_t>(image.width));
  detail::append_big_endian(header, static_cast<std::uint32_t>(image.height));
  header += '\x08';
  header += image.channels == 1 ? '\x00' : image.channels == 3 ? '\x02' : '\x06';
  header += std::string_view("\0\0\0", 3);

  std::string png = "\x89PNG\r\n\x1a\n";
  detail::append_chunk(png, "IHDR", header);
  detail::append_chunk(png, "IDAT", detail::zlib_stream(raw));
  detail::append_chunk(png, "IEND", "");
  return png;
}

/// Writes a PNG file, atomically.
inline void save_png(const std::string& path, const Image& image) { write_file(path, encode_png(image)); }

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
