// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/data/exif.hpp"
#include "contrastive/data/jpeg.hpp"
#include "contrastive/data/stb.hpp"
#include "contrastive/io/file.hpp"
#include "contrastive/media/crop_plan.hpp"
#include "contrastive/media/image.hpp"

namespace contrastive {

/// Pictures above this many pixels are refused, as Pillow does: a file of a few bytes can promise any size.
inline constexpr std::int64_t max_image_pixels = 178956970;

namespace detail {

inline std::uint32_t crc32_of(Bytes bytes) {  // PNG specification, annex D
  static const auto table = [] {
    std::array<std::uint32_t, 256> entries{};
    for (std::uint32_t n = 0; n < 256; ++n) {
      std::uint32_t c = n;
      for (int k = 0; k < 8; ++k) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
      entries[n] = c;
    }
    return entries;
  }();
  std::uint32_t crc = 0xFFFFFFFFu;
  for (std::uint8_t byte : bytes) crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

/// Walks the chunks: lengths, checksums, a size that the file can hold, an end. Returns the orientation.
inline int check_png(Bytes file, std::string_view name) {
  int orientation = 1;
  for (std::size_t at = 8; at + 12 <= file.size();) {
    const std::size_t length = big_endian(file.data() + at, 4);
    require(length <= file.size() - at - 12, "[decode] ", name, ": the file is truncated");
    const Bytes chunk = file.subspan(at + 4, length + 4);  // type and data
    require(crc32_of(chunk) == big_endian(file.data() + at + 8 + length, 4), "[decode] ", name,
            ": a checksum is wrong, the file is damaged");
    const std::string_view type(reinterpret_cast<const char*>(chunk.data()), 4);
    if (at == 8) {
      require(type == "IHDR" && length == 13, "[decode] ", name, ": the PNG header is missing");
      const std::int64_t W = big_endian(chunk.data() + 4, 4), H = big_endian(chunk.data() + 8, 4);
      require(W > 0 && H > 0, "[decode] ", name, ": a picture of ", W, " x ", H, " pixels");
      require(W <= max_image_pixels && H <= max_image_pixels && W * H <= max_image_pixels, "[decode] ", name, ": ", W,
              " x ", H, " pixels are more than the ", max_image_pixels, " that are allowed");
      // Deflate shrinks at most 1032 times; a pixel has at least one bit.
      require(W * H / 8 / 1032 <= static_cast<std::int64_t>(file.size()), "[decode] ", name, ": ", file.size(),
              " bytes cannot hold ", W, " x ", H, " pixels");
    }
    if (type == "eXIf") orientation = tiff_orientation(chunk.subspan(4));
    if (type == "IEND") return orientation;
    at += length + 12;
  }
  fail("[decode] ", name, ": the file is truncated");
}

/// stb_image reads zeros past the end of a BMP: the rows that the header promises must be there.
inline void check_bmp(Bytes file, std::string_view name) {
  require(file.size() >= 30, "[decode] ", name, ": the file is truncated");
  const std::int64_t offset = little_endian(file.data() + 10, 4);
  const bool core = little_endian(file.data() + 14, 4) == 12;  // the OS/2 header
  const auto number = [&](std::size_t at, int count) {
    return static_cast<std::int64_t>(static_cast<std::int32_t>(little_endian(file.data() + at, count)));
  };
  const std::int64_t W = core ? number(18, 2) : number(18, 4);
  const std::int64_t H = core ? number(20, 2) : std::abs(number(22, 4));
  const std::int64_t bits = core ? number(24, 2) : number(28, 2);
  require(W > 0 && H > 0 && W <= max_image_pixels && H <= max_image_pixels && W * H <= max_image_pixels, "[decode] ",
          name, ": a picture of ", W, " x ", H, " pixels");
  const std::int64_t stride = (W * bits + 31) / 32 * 4;
  require(offset + stride * H <= static_cast<std::int64_t>(file.size()), "[decode] ", name, ": the file is truncated");
}

/// Walks the blocks to the end of the first frame: stb_image takes what is missing for zeros.
inline void check_gif(Bytes file, std::string_view name) {
  const auto there = [&](std::size_t end) {
    require(end <= file.size(), "[decode] ", name, ": the file is truncated");
  };
  there(13);
  const std::int64_t W = little_endian(file.data() + 6, 2), H = little_endian(file.data() + 8, 2);
  // A code has three bits or more and stands for 4096 pixels at most.
  require(W > 0 && H > 0 && W * H <= max_image_pixels && W * H / 4096 <= 3 * static_cast<std::int64_t>(file.size()),
          "[decode] ", name, ": ", file.size(), " bytes cannot hold ", W, " x ", H, " pixels");
  const auto table = [](std::uint8_t flags) { return flags & 0x80 ? 3u << ((flags & 7) + 1) : 0u; };
  std::size_t at = 13 + table(file[10]);
  for (bool frame = false; !frame;) {
    there(at + 2);
    frame = file[at] == ',';
    require(frame || file[at] == '!', "[decode] ", name, ": the GIF file has no image or is damaged");
    if (frame) {
      there(at + 11);
      at += 10 + table(file[at + 9]);
      there(at + 1);
      require(file[at] <= 8, "[decode] ", name, ": the GIF file is damaged");
      ++at;
    } else {
      at += 2;
    }
    for (there(at + 1); file[at] != 0; there(at + 1)) at += 1 + std::size_t{file[at]};
    ++at;
  }
}

/// stb_image 2.27 writes past its arrays when a Huffman table claims more than 256 codes.
inline void check_huffman_tables(Bytes file, std::string_view name) {
  for (std::size_t at = 2; at + 4 <= file.size();) {
    const std::uint8_t marker = file[at + 1];
    if (file[at] != 0xFF || marker == 0xFF) {
      ++at;
      continue;
    }
    if (marker == 0xD9) return;
    if (marker == 0 || (marker >= 0xD0 && marker <= 0xD8)) {  // inside a scan
      at += 2;
      continue;
    }
    const std::size_t end = at + 2 + big_endian(file.data() + at + 2, 2);
    for (std::size_t table = at + 4; marker == 0xC4 && table < end;) {
      require(table + 17 <= file.size(), "[decode] ", name, ": the file is truncated");
      std::size_t codes = 0;
      for (std::size_t i = 1; i <= 16; ++i) codes += file[table + i];
      require(codes <= 256, "[decode] ", name, ": a Huffman table is damaged");
      table += 17 + codes;
    }
    at = std::max(end, at + 4);
  }
}

inline Image decode_by_stb([[maybe_unused]] Bytes file, std::string_view name,
                           [[maybe_unused]] std::int64_t most_pixels = max_image_pixels,
                           [[maybe_unused]] bool on_white = false) {
#if defined(CONTRASTIVE_WITH_STB)
  require(file.size() <= INT_MAX, "[decode] ", name, ": larger than 2 GiB");
  int W = 0, H = 0, channels = 0;
  const int size = static_cast<int>(file.size());
  require(stb::stbi_info_from_memory(file.data(), size, &W, &H, &channels) != 0, "[decode] ", name, ": ",
          stb::stbi_failure_reason());
  require(static_cast<std::int64_t>(W) * H <= std::min(most_pixels, max_image_pixels), "[decode] ", name, ": ", W,
          " x ", H, " pixels are more than the file can hold or than the ", max_image_pixels, " that are allowed");
  struct Free {
    void operator()(std::uint8_t* pixels) const { stb::stbi_image_free(pixels); }
  };
  const std::unique_ptr<std::uint8_t, Free> pixels(
      stb::stbi_load_from_memory(file.data(), size, &W, &H, &channels, on_white ? 4 : 3));
  require(pixels != nullptr, "[decode] ", name, ": ", stb::stbi_failure_reason());
  Image image(H, W, 3);
  if (!on_white) {
    std::memcpy(image.pixels.data(), pixels.get(), image.pixels.size());
    return image;
  }
  const std::uint8_t* from = pixels.get();
  for (std::size_t p = 0; p < image.pixels.size(); p += 3, from += 4)
    for (std::size_t c = 0; c < 3; ++c)
      image.pixels[p + c] = static_cast<std::uint8_t>((from[c] * from[3] + 255 * (255 - from[3]) + 127) / 255);
  return image;
#else
  fail("[decode] ", name, ": this program was built without stb_image (CONTRASTIVE_WITH_STB, package libstb-dev)");
#endif
}

inline bool starts_with(Bytes file, std::string_view magic) {
  return file.size() >= magic.size() && std::memcmp(file.data(), magic.data(), magic.size()) == 0;
}

}  // namespace detail

/// A JPEG, PNG, BMP or GIF file (the first frame) held in memory as RGB; the content decides, not the suffix. `name` is for messages.
///
/// Grey becomes three equal channels; alpha and palette transparency are dropped, not blended; of 16 bits the high
/// byte is kept; CMYK is converted as Pillow does. EXIF orientation is applied, so that pictures stand upright
/// (Pillow's `Image.open` and torchvision leave it to the caller). Throws `Error` naming the file for anything that
/// is truncated, damaged, absurdly large or of another kind.
///
/// With a `plan`, JPEG through libjpeg-turbo decodes only the region asked for (black elsewhere) or at a reduced
/// scale; the pixels inside the region are those of a full decode, bit for bit.
inline Image decode_image(std::span<const std::uint8_t> file, std::string_view name, const CropPlan& plan = {}) {
  using namespace detail;
  require(!file.empty(), "[decode] ", name, ": the file is empty");
  if (starts_with(file, "\xFF\xD8\xFF")) {
#if defined(CONTRASTIVE_WITH_JPEG)
    return decode_jpeg(file, name, plan, max_image_pixels);
#else
    static_cast<void>(plan);
    check_huffman_tables(file, name);
    // Every 8 x 8 block costs at least one bit.
    const std::int64_t most_pixels = 512 * static_cast<std::int64_t>(file.size() + 1);
    return upright(decode_by_stb(file, name, most_pixels), jpeg_orientation(file));
#endif
  }
  if (starts_with(file, "\x89PNG\r\n\x1a\n")) {
    const int orientation = check_png(file, name);
    return upright(decode_by_stb(file, name), orientation);
  }
  if (starts_with(file, "BM")) {
    check_bmp(file, name);
    return decode_by_stb(file, name);
  }
  if (starts_with(file, "GIF87a") || starts_with(file, "GIF89a")) {
    check_gif(file, name);
    return decode_by_stb(file, name);
  }
  fail("[decode] ", name, ": not a JPEG, PNG, BMP or GIF file");
}

/// A picture as `decode_image` gives it, but what is transparent in a PNG file is white, and blended at its edges.
inline Image decode_on_white(std::span<const std::uint8_t> file, std::string_view name) {
  if (!detail::starts_with(file, "\x89PNG\r\n\x1a\n")) return decode_image(file, name);
  const int orientation = detail::check_png(file, name);
  return detail::upright(detail::decode_by_stb(file, name, max_image_pixels, true), orientation);
}

/// Reads and decodes a file. Throws as `decode_image` does, and when the file cannot be read.
inline Image read_image(const std::string& path, const CropPlan& plan = {}) {
  const std::vector<std::byte> file = read_file(path);
  return decode_image({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()}, path, plan);
}

}  // namespace contrastive
