// SPDX-License-Identifier: MIT
#pragma once

#if defined(CONTRASTIVE_WITH_FONTS)
#include <ft2build.h>
#include FT_FREETYPE_H
#include <hb.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/data/files.hpp"
#include "contrastive/media/image.hpp"

namespace contrastive::detail {

/// The colour bitmaps of a font: FreeType reads the strikes, HarfBuzz joins sequences to one glyph (GSUB).
class ColourFont {
 public:
  explicit ColourFont(const std::string& path) : path_(path) {
    require(is_file(path), "[emoji] ", path, ": no such file: install the package fonts-noto-color-emoji");
    FT_Library library = nullptr;
    require(FT_Init_FreeType(&library) == 0, "[emoji] FreeType does not start");
    library_.reset(library);
    FT_Face face = nullptr;
    require(FT_New_Face(library, path.c_str(), 0, &face) == 0, "[emoji] ", path, ": not a font");
    face_.reset(face);
    require(FT_HAS_COLOR(face) && face->num_fixed_sizes > 0 && FT_Select_Size(face, 0) == 0, "[emoji] ", path,
            ": has no colour bitmaps (the CBDT version of Noto Color Emoji is expected)");
    std::unique_ptr<hb_blob_t, void (*)(hb_blob_t*)> blob(hb_blob_create_from_file(path.c_str()), hb_blob_destroy);
    std::unique_ptr<hb_face_t, void (*)(hb_face_t*)> shape_face(hb_face_create(blob.get(), 0), hb_face_destroy);
    font_.reset(hb_font_create(shape_face.get()));
    buffer_.reset(hb_buffer_create());
  }

  /// The bitmap of the one glyph that a sequence makes, (H, W, 4): red, green and blue times alpha, then alpha. Without
  /// pixels when the font draws it as several glyphs or not at all.
  Image bitmap(const std::vector<std::uint32_t>& code_points) {
    const std::uint32_t glyph = glyph_of(code_points);
    if (glyph == 0 || FT_Load_Glyph(face_.get(), glyph, FT_LOAD_COLOR) != 0) return {};
    const FT_Bitmap& bitmap = face_->glyph->bitmap;
    if (bitmap.pixel_mode != FT_PIXEL_MODE_BGRA || bitmap.rows == 0 || bitmap.width == 0) return {};
    Image image(static_cast<int>(bitmap.rows), static_cast<int>(bitmap.width), 4);
    for (int y = 0; y < image.height; ++y) {
      const std::uint8_t* from = bitmap.buffer + static_cast<std::ptrdiff_t>(y) * bitmap.pitch;
      std::uint8_t* to = image.row(y);
      for (int x = 0; x < image.width; ++x, from += 4, to += 4)
        to[0] = from[2], to[1] = from[1], to[2] = from[0], to[3] = from[3];
    }
    return image;
  }

 private:
  /// 0 when the sequence is several glyphs or none.
  std::uint32_t glyph_of(const std::vector<std::uint32_t>& code_points) {
    hb_buffer_clear_contents(buffer_.get());
    hb_buffer_add_utf32(buffer_.get(), code_points.data(), static_cast<int>(code_points.size()), 0, -1);
    hb_buffer_guess_segment_properties(buffer_.get());
    hb_shape(font_.get(), buffer_.get(), nullptr, 0);
    unsigned count = 0, found = 0;
    std::uint32_t glyph = 0;
    const hb_glyph_info_t* glyphs = hb_buffer_get_glyph_infos(buffer_.get(), &count);
    const hb_glyph_position_t* places = hb_buffer_get_glyph_positions(buffer_.get(), &count);
    for (unsigned i = 0; i < count; ++i)
      if (places[i].x_advance != 0 || count == 1) {  // variation selectors stay as glyphs without width
        glyph = glyphs[i].codepoint;
        ++found;
      }
    return found == 1 ? glyph : 0;
  }

  template <auto release>
  struct Release {
    void operator()(auto* object) const { release(object); }
  };
  std::string path_;
  std::unique_ptr<FT_LibraryRec_, Release<FT_Done_FreeType>> library_;
  std::unique_ptr<FT_FaceRec_, Release<FT_Done_Face>> face_;
  std::unique_ptr<hb_font_t, Release<hb_font_destroy>> font_;
  std::unique_ptr<hb_buffer_t, Release<hb_buffer_destroy>> buffer_;
};

/// A bitmap whose colours are multiplied by alpha, on white.
inline Image on_white(const Image& bitmap) {
  Image image(bitmap.height, bitmap.width, 3);
  const std::uint8_t* from = bitmap.pixels.data();
  for (std::uint8_t* to = image.pixels.data(); to != image.pixels.data() + image.pixels.size(); from += 4, to += 3)
    for (int c = 0; c < 3; ++c) to[c] = static_cast<std::uint8_t>(std::min(255, from[c] + 255 - from[3]));
  return image;
}

}  // namespace contrastive::detail
#endif
