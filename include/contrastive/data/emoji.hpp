// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#if defined(CONTRASTIVE_WITH_FONTS)
#include <ft2build.h>
#include FT_FREETYPE_H
#include <hb.h>
#endif

#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/data/array_dataset.hpp"
#include "contrastive/data/emoji_list.hpp"
#include "contrastive/data/files.hpp"

namespace contrastive {

/// Where the emoji come from, and how they are sorted into classes.
struct EmojiOptions {
  std::string font = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf";  // fonts-noto-color-emoji
  std::string list = "/usr/share/unicode/emoji/emoji-test.txt";            // unicode-data
  std::string label = "group";                                             // or "subgroup"
};

namespace detail {

#if defined(CONTRASTIVE_WITH_FONTS)
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

  /// The glyph of a sequence; 0 when the font draws it as several or not at all.
  std::uint32_t glyph(const std::vector<std::uint32_t>& code_points) {
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

  /// The bitmap of a glyph on white; false when it has none.
  bool draw(std::uint32_t glyph, Image& image) {
    if (glyph == 0 || FT_Load_Glyph(face_.get(), glyph, FT_LOAD_COLOR) != 0) return false;
    const FT_Bitmap& bitmap = face_->glyph->bitmap;
    if (bitmap.pixel_mode != FT_PIXEL_MODE_BGRA || bitmap.rows == 0 || bitmap.width == 0) return false;
    image = Image(static_cast<int>(bitmap.rows), static_cast<int>(bitmap.width), 3);
    for (int y = 0; y < image.height; ++y) {
      const std::uint8_t* from = bitmap.buffer + static_cast<std::ptrdiff_t>(y) * bitmap.pitch;
      std::uint8_t* to = image.row(y);
      for (int x = 0; x < image.width; ++x, from += 4, to += 3)
        for (int c = 0; c < 3; ++c)  // colours are premultiplied by alpha
          to[c] = static_cast<std::uint8_t>(std::min(255, from[2 - c] + 255 - from[3]));
    }
    return true;
  }

 private:
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
#endif

}  // namespace detail

/// The pictures of an emoji font (Debian's fonts-noto-color-emoji, 136 x 128, on white), with the groups or subgroups
/// of Unicode's emoji-test.txt as classes; skin-tone variants are left out. About one picture in five, chosen by a
/// hash of its code points, is the test split. `split` is "train", "test" or "all".
inline ArrayDataset read_emoji(const std::string& split, const EmojiOptions& options = {}) {
  require(split == "train" || split == "test" || split == "all", "[emoji] split is train, test or all, got ", split);
  require(options.label == "group" || options.label == "subgroup", "[emoji] label is group or subgroup, got ",
          options.label);
#if defined(CONTRASTIVE_WITH_FONTS)
  require(detail::is_file(options.list), "[emoji] ", options.list, ": no such file: install the package unicode-data");
  const std::vector<EmojiEntry> entries = parse_emoji_test(read_text(options.list), options.list);
  detail::ColourFont font(options.font);
  ArrayDataset set{.title = "emoji " + split};
  Image image;
  for (const EmojiEntry& entry : entries) {
    // Classes are numbered over the whole list, so that both splits agree.
    const std::string& name = options.label == "group" ? entry.group : entry.subgroup;
    auto found = std::find(set.classes.begin(), set.classes.end(), name);
    if (found == set.classes.end()) found = set.classes.insert(found, name);
    const int label = static_cast<int>(found - set.classes.begin());

    Rng key = Rng(0) / "emoji split";
    for (std::uint32_t code : entry.code_points) key = key / code;
    if (split != "all" && (split == "test") != (key.key() % 5 == 0)) continue;
    if (!font.draw(font.glyph(entry.code_points), image)) continue;
    if (set.height == 0) set.height = image.height, set.width = image.width;
    if (image.height != set.height || image.width != set.width) continue;
    set.pixels.insert(set.pixels.end(), image.pixels.begin(), image.pixels.end());
    set.labels.push_back(label);
  }
  require(!set.labels.empty(), "[emoji] ", options.font, ": draws none of the emoji of ", options.list);
  return set;
#else
  fail(
      "[emoji] this program was built without FreeType and HarfBuzz (CONTRASTIVE_WITH_FONTS, packages "
      "libfreetype-dev and libharfbuzz-dev)");
#endif
}

}  // namespace contrastive
