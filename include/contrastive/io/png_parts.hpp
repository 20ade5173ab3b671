// SPDX-License-Identifier: MIT
#pragma once

// stb_image_write inside a namespace of ours, as data/stb.hpp has stb_image.

#include <climits>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "contrastive/core/compiled.hpp"
#include "contrastive/core/error.hpp"
#include "contrastive/io/png.hpp"

#if defined(CONTRASTIVE_WITH_ZLIB)
#include <zlib.h>

namespace contrastive::detail::stb_write {

/// In place of stb's own, which makes a page of pictures a tenth to a fifth longer. The result is the caller's to free.
inline unsigned char* compress(const unsigned char* bytes, int size, int* compressed_size) {
  uLongf length = ::compressBound(static_cast<uLong>(size));
  auto* const out = static_cast<unsigned char*>(std::malloc(length));
  if (out && ::compress2(out, &length, bytes, static_cast<uLong>(size), 9) != Z_OK) length = 0;
  *compressed_size = static_cast<int>(length);
  return out;
}

}  // namespace contrastive::detail::stb_write
#endif

#if defined(CONTRASTIVE_WITH_STB)
// What stb_image_write includes, taken in before the namespace opens.
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#endif
#pragma push_macro("STBIWDEF")
#pragma push_macro("INCLUDE_STB_IMAGE_WRITE_H")
#pragma push_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma push_macro("STB_IMAGE_WRITE_STATIC")
#pragma push_macro("STBI_WRITE_NO_STDIO")
#undef STBIWDEF
#undef INCLUDE_STB_IMAGE_WRITE_H
#undef STB_IMAGE_WRITE_IMPLEMENTATION
#undef STB_IMAGE_WRITE_STATIC
#undef STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#define STBIW_ASSERT(condition) ((void)0)
#if defined(CONTRASTIVE_WITH_ZLIB)
#define STBIW_ZLIB_COMPRESS(bytes, size, compressed_size, quality) compress(bytes, size, compressed_size)
#endif
namespace contrastive::detail::stb_write {
using ::abs;  // before the tensor operation of the same name
#include <stb/stb_image_write.h>
}  // namespace contrastive::detail::stb_write
#undef STBIW_MALLOC
#undef STBIW_REALLOC
#undef STBIW_REALLOC_SIZED
#undef STBIW_FREE
#undef STBIW_MEMMOVE
#undef STBIW_ASSERT
#undef STBIW_UCHAR
#undef STBIW_ZLIB_COMPRESS
#pragma pop_macro("STBI_WRITE_NO_STDIO")
#pragma pop_macro("STB_IMAGE_WRITE_STATIC")
#pragma pop_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma pop_macro("INCLUDE_STB_IMAGE_WRITE_H")
#pragma pop_macro("STBIWDEF")
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
#endif  // CONTRASTIVE_WITH_STB

namespace contrastive {

// NOLINTBEGIN(misc-definitions-in-headers): one file of src/ compiles them
CONTRASTIVE_ONCE std::string encode_png(const Image& image) {
  require(image.height > 0 && image.width > 0 && (image.channels == 1 || image.channels == 3 || image.channels == 4),
          "[png] expected a picture with 1, 3 or 4 channels, got ", image.height, " x ", image.width, " x ",
          image.channels);
  const std::int64_t bytes = std::int64_t{image.height} * image.width * image.channels;
  require(static_cast<std::int64_t>(image.pixels.size()) == bytes, "[png] the picture's pixels do not fill its size");
  require(bytes <= INT_MAX / 2, "[png] ", bytes, " bytes are too many for one picture");  // stb counts in int
#if defined(CONTRASTIVE_WITH_STB)
  int size = 0;
  const std::unique_ptr<unsigned char, decltype(&std::free)> png(
      detail::stb_write::stbi_write_png_to_mem(image.pixels.data(), 0, image.width, image.height, image.channels,
                                               &size),
      &std::free);
  require(png != nullptr, "[png] no memory for a picture of ", bytes, " bytes");
  return std::string(reinterpret_cast<const char*>(png.get()), static_cast<std::size_t>(size));
#else
  fail("[png] this program was built without stb_image_write (CONTRASTIVE_WITH_STB, package libstb-dev)");
#endif
}
// NOLINTEND(misc-definitions-in-headers)

}  // namespace contrastive
