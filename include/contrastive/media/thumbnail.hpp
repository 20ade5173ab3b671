// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

#include "contrastive/media/image.hpp"

namespace contrastive {

/// The picture at most `side` pixels on its longer side, each pixel the mean of those it covers; smaller ones as is.
inline Image thumbnail(const Image& image, int side) {
  const int longer = std::max(image.height, image.width);
  if (longer <= side) return image;
  Image small(std::max(1, image.height * side / longer), std::max(1, image.width * side / longer), image.channels);
  for (int y = 0; y < small.height; ++y)
    for (int x = 0; x < small.width; ++x) {
      const auto first = [](int i, int from, int to) { return static_cast<int>(std::int64_t{i} * from / to); };
      const int y0 = first(y, image.height, small.height),
                y1 = std::max(y0 + 1, first(y + 1, image.height, small.height));
      const int x0 = first(x, image.width, small.width), x1 = std::max(x0 + 1, first(x + 1, image.width, small.width));
      const int area = (y1 - y0) * (x1 - x0);
      for (int c = 0; c < image.channels; ++c) {
        std::int64_t sum = area / 2;
        for (int v = y0; v < y1; ++v)
          for (int u = x0; u < x1; ++u) sum += image.row(v)[u * image.channels + c];
        small.row(y)[x * image.channels + c] = static_cast<std::uint8_t>(sum / area);
      }
    }
  return small;
}

}  // namespace contrastive
