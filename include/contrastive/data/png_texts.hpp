// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "contrastive/core/error.hpp"
#include "contrastive/data/exif.hpp"

namespace contrastive::detail {

/// What the chunks of a PNG file say before its pixels.
struct PngHeader {
  std::uint32_t width = 0, height = 0;
  std::map<std::string, std::string> texts;  // of its tEXt chunks, by keyword: "Title"
};

/// Reads the chunks that stand before the pixels, and of these only the texts. Throws `Error` naming the file.
inline PngHeader read_png_header(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  require(file != nullptr, "[png] ", path, ": cannot be opened");
  const auto read = [&](void* out, std::size_t size) {
    require(std::fread(out, 1, size, file.get()) == size, "[png] ", path, ": the file is truncated");
  };
  std::uint8_t bytes[16];
  read(bytes, 8);
  require(std::memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0, "[png] ", path, ": not a PNG file");
  PngHeader header;
  for (;;) {
    read(bytes, 8);
    const std::size_t length = big_endian(bytes, 4);
    const std::string_view type(reinterpret_cast<const char*>(bytes) + 4, 4);
    require(length < (std::size_t{1} << 31), "[png] ", path, ": a chunk of ", length, " bytes");
    if (type == "IDAT" || type == "IEND") return header;
    if (type == "IHDR") {
      require(length == 13, "[png] ", path, ": the header is damaged");
      std::uint8_t size[13];
      read(size, 13);
      header.width = static_cast<std::uint32_t>(big_endian(size, 4)),
      header.height = static_cast<std::uint32_t>(big_endian(size + 4, 4));
      require(std::fseek(file.get(), 4, SEEK_CUR) == 0, "[png] ", path, ": the file is truncated");
    } else if (type == "tEXt" && length <= 65536) {
      std::string text(length, '\0');
      read(text.data(), length);
      if (const std::size_t end = text.find('\0'); end != std::string::npos)
        header.texts[text.substr(0, end)] = text.substr(end + 1);
      require(std::fseek(file.get(), 4, SEEK_CUR) == 0, "[png] ", path, ": the file is truncated");
    } else {
      require(std::fseek(file.get(), static_cast<long>(length) + 4, SEEK_CUR) == 0, "[png] ", path,
              ": the file is truncated");
    }
  }
}

}  // namespace contrastive::detail
