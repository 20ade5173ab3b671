// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

namespace contrastive {

/// An 8-bit image, (H, W, C) row-major, C = 1 (grey) or 3 (RGB).
struct Image {
  int height = 0;
  int width = 0;
  int channels = 3;
  std::vector<std::uint8_t> pixels;

  Image() = default;
  Image(int h, int w, int c) : height(h), width(w), channels(c), pixels(static_cast<std::size_t>(h) * w * c) {}

  std::uint8_t* row(int y) { return pixels.data() + static_cast<std::size_t>(y) * width * channels; }
  const std::uint8_t* row(int y) const { return pixels.data() + static_cast<std::size_t>(y) * width * channels; }
};

struct ImageSize {
  int height = 0, width = 0;
};

}  // namespace contrastive
