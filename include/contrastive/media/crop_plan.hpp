// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <functional>

namespace contrastive {

/// The part of an image that will be looked at, in pixels of the whole image.
struct Region {
  int top = 0;
  int left = 0;
  int height = 0;
  int width = 0;
  /// Decode at 1/reduce of each side: 1, 2, 4 or 8. Above 1 the whole picture comes back, smaller.
  int reduce = 1;
};

/// Told the size of a picture before it is decoded, answers what will be used of it. Pixels outside the region may
/// then be left black. A plan is advice: only JPEG through libjpeg-turbo follows it, everything else decodes all.
using CropPlan = std::function<Region(int height, int width)>;

/// The whole picture at full scale.
inline Region whole(int height, int width) { return {0, 0, height, width, 1}; }

/// The smallest region that holds both.
inline Region join_regions(const Region& a, const Region& b) {
  const int top = std::min(a.top, b.top), left = std::min(a.left, b.left);
  const int bottom = std::max(a.top + a.height, b.top + b.height), right = std::max(a.left + a.width, b.left + b.width);
  return {top, left, bottom - top, right - left, std::min(a.reduce, b.reduce)};
}

/// The largest of 1, 2, 4, 8 at which a crop of this size still has at least `size` pixels a side: shrinking further
/// would lose detail that the view can show.
inline int reduction_for(int crop_height, int crop_width, int size) {
  int reduce = 1;
  while (reduce < 8 && std::min(crop_height, crop_width) / (2 * reduce) >= size) reduce *= 2;
  return reduce;
}

}  // namespace contrastive
