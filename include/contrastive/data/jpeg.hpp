// SPDX-License-Identifier: MIT
#pragma once

#if defined(CONTRASTIVE_WITH_JPEG)

#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE

#include <jpeglib.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/data/exif.hpp"
#include "contrastive/media/crop_plan.hpp"

namespace contrastive::detail {

/// libjpeg reports errors by longjmp. No object with a destructor lives in a function that it jumps out of: the
/// state below and the picture belong to the caller.
struct JpegState {
  jpeg_decompress_struct info;
  jpeg_error_mgr errors;
  jpeg_source_mgr source;
  jpeg_progress_mgr progress;
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX] = {};

  JpegState() {
    info.err = jpeg_std_error(&errors);
    info.client_data = this;
    errors.error_exit = [](j_common_ptr common) {
      auto& state = *static_cast<JpegState*>(common->client_data);
      if (!state.message[0]) common->err->format_message(common, state.message);
      std::longjmp(state.escape, 1);
    };
    // Warnings (odd bytes between markers, a wrong colour transform) are passed over, as Pillow does; missing data
    // is not: the source below makes it an error.
    errors.emit_message = [](j_common_ptr, int) {};
    jpeg_create_decompress(&info);
    info.client_data = this;
  }
  ~JpegState() { jpeg_destroy_decompress(&info); }
  JpegState(const JpegState&) = delete;
  JpegState& operator=(const JpegState&) = delete;

  void refuse(const char* reason) {
    std::snprintf(message, sizeof message, "%s", reason);
    errors.error_exit(reinterpret_cast<j_common_ptr>(&info));
  }

  static JpegState& of(j_common_ptr common) { return *static_cast<JpegState*>(common->client_data); }

  void read_from(Bytes file) {
    source.next_input_byte = file.data();
    source.bytes_in_buffer = file.size();
    source.init_source = [](j_decompress_ptr) {};
    source.term_source = [](j_decompress_ptr) {};
    source.resync_to_restart = jpeg_resync_to_restart;
    source.fill_input_buffer = [](j_decompress_ptr cinfo) -> boolean {
      of(reinterpret_cast<j_common_ptr>(cinfo)).refuse("the file is truncated");
      return FALSE;
    };
    source.skip_input_data = [](j_decompress_ptr cinfo, long count) {
      if (count <= 0) return;
      if (static_cast<std::size_t>(count) > cinfo->src->bytes_in_buffer)
        of(reinterpret_cast<j_common_ptr>(cinfo)).refuse("the file is truncated");
      cinfo->src->next_input_byte += count;
      cinfo->src->bytes_in_buffer -= static_cast<std::size_t>(count);
    };
    info.src = &source;
    // A small file can ask for thousands of passes over a large picture.
    progress.progress_monitor = [](j_common_ptr common) {
      if (reinterpret_cast<j_decompress_ptr>(common)->input_scan_number > 500)
        of(common).refuse("the file has more than 500 scans");
    };
    info.progress = &progress;
  }

  bool header() {
    if (setjmp(escape)) return false;
    jpeg_read_header(&info, TRUE);
    return true;
  }

  bool start(int reduce) {
    if (setjmp(escape)) return false;
    const bool inks = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
    info.out_color_space = inks ? JCS_CMYK : JCS_RGB;
    info.scale_num = 1;
    info.scale_denom = static_cast<unsigned>(reduce);
    jpeg_start_decompress(&info);
    return true;
  }

  /// Rows [top, bottom) and at least the columns [left, right) of `image`; `row` has room for one CMYK row.
  bool pixels(Image& image, int top, int bottom, int left, int right, std::uint8_t* row) {
    if (setjmp(escape)) return false;
    JDIMENSION x = static_cast<JDIMENSION>(left), width = static_cast<JDIMENSION>(right - left);
    if (width < info.output_width) jpeg_crop_scanline(&info, &x, &width);
    if (top > 0) jpeg_skip_scanlines(&info, static_cast<JDIMENSION>(top));
    for (int y = top; y < bottom; ++y) {
      std::uint8_t* out = image.row(y) + 3 * static_cast<std::size_t>(x);
      JSAMPROW target = info.out_color_space == JCS_CMYK ? row : out;
      jpeg_read_scanlines(&info, &target, 1);
      if (target == row) inks_to_rgb(row, out, width);
    }
    if (bottom == image.height)
      jpeg_finish_decompress(&info);  // reads up to the end marker: throws where it is missing
    else
      jpeg_abort_decompress(&info);
    return true;
  }

 private:
  /// Adobe files store inverted inks: what is read is already 255 - ink. Pillow's rounding of a / 255.
  static void inks_to_rgb(const std::uint8_t* inks, std::uint8_t* out, JDIMENSION width) {
    for (JDIMENSION i = 0; i < width; ++i, inks += 4, out += 3) {
      const int light = inks[3];
      for (int c = 0; c < 3; ++c) {
        const int product = (255 - inks[c]) * light + 128;
        out[c] = static_cast<std::uint8_t>(std::max(0, light - (((product >> 8) + product) >> 8)));
      }
    }
  }
};

inline bool has_end_marker(Bytes rest) {
  const std::uint8_t* p = rest.data();
  const std::uint8_t* const end = p + rest.size();
  while (p < end && (p = static_cast<const std::uint8_t*>(std::memchr(p, 0xFF, static_cast<std::size_t>(end - p))))) {
    if (p + 1 < end && p[1] == 0xD9) return true;  // inside a scan 0xFF is followed by 0 or a restart marker
    ++p;
  }
  return false;
}

/// Decodes with libjpeg-turbo. Files cut short are errors, also where the missing part is outside the region.
inline Image decode_jpeg(Bytes file, std::string_view name, const CropPlan& plan, std::int64_t max_pixels) {
  JpegState state;
  const auto check = [&](bool good) { require(good, "[decode] ", name, ": ", state.message); };
  state.read_from(file);
  check(state.header());
  const std::int64_t H = state.info.image_height, W = state.info.image_width;
  require(H * W <= max_pixels, "[decode] ", name, ": ", W, " x ", H, " pixels are more than the ", max_pixels,
          " that are allowed");
  // Every 8 x 8 block costs at least one bit: a header that promises more than the file can hold is not believed.
  require(H * W / 512 <= static_cast<std::int64_t>(file.size()), "[decode] ", name, ": ", file.size(),
          " bytes cannot hold ", W, " x ", H, " pixels");

  const int orientation = jpeg_orientation(file);
  Region region = whole(static_cast<int>(H), static_cast<int>(W));
  if (plan) {
    const Region wanted = orientation >= 5 ? plan(static_cast<int>(W), static_cast<int>(H))
                                           : plan(static_cast<int>(H), static_cast<int>(W));
    region.reduce = wanted.reduce;
    if (orientation == 1 && wanted.reduce == 1) region = wanted;  // turned pictures are rare: decoded whole
  }
  require(region.reduce == 1 || region.reduce == 2 || region.reduce == 4 || region.reduce == 8,
          "[decode] reduce must be 1, 2, 4 or 8, got ", region.reduce);

  const Bytes scans(state.source.next_input_byte, state.source.bytes_in_buffer);
  check(state.start(region.reduce));
  Image image(static_cast<int>(state.info.output_height), static_cast<int>(state.info.output_width), 3);
  int top = 0, left = 0, bottom = image.height, right = image.width;
  if (region.reduce == 1) {
    // Chroma is interpolated from its neighbours: with a block to spare on each side the pixels inside are the same
    // as those of the whole picture.
    constexpr int spare = 32;
    top = std::clamp(region.top - spare, 0, image.height - 1);
    left = std::clamp(region.left - spare, 0, image.width - 1);
    bottom = std::clamp(region.top + region.height + spare, top + 1, image.height);
    right = std::clamp(region.left + region.width + spare, left + 1, image.width);
  }
  require(bottom == image.height || has_end_marker(scans), "[decode] ", name, ": the file is truncated");
  std::vector<std::uint8_t> row(state.info.out_color_space == JCS_CMYK ? 4 * static_cast<std::size_t>(image.width) : 0);
  check(state.pixels(image, top, bottom, left, right, row.data()));
  return upright(std::move(image), orientation);
}

}  // namespace contrastive::detail

#endif  // CONTRASTIVE_WITH_JPEG
