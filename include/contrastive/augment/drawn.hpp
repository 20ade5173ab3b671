// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>

#include "contrastive/media/image.hpp"

namespace contrastive {

/// A box in pixels.
struct CropBox {
  int top = 0, left = 0, height = 0, width = 0;
  friend bool operator==(const CropBox&, const CropBox&) = default;
};

/// Bounds of a uniform draw.
struct Range {
  double low = 0, high = 1;
};

/// What was drawn for one view; a member whose step did not act keeps its neutral value.
struct Drawn {
  CropBox crop;  // in pixels of the full picture
  bool flipped = false;
  std::array<std::int8_t, 4> order{-1, -1, -1, -1};  // 0 brightness, 1 contrast, 2 saturation, 3 hue
  double brightness = 1, contrast = 1, saturation = 1, hue = 0;
  bool grey = false;
  double sigma = 0;  // of the blur; 0: none
  bool solarised = false;
  CropBox erased;  // in pixels of the view
};

}  // namespace contrastive
