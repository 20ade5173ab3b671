// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

namespace contrastive {

/// An object in an image: its corners in pixels, right and bottom excluded, and its class.
struct Box {
  float left = 0, top = 0, right = 0, bottom = 0;
  int label = -1;

  double area() const { return (static_cast<double>(right) - left) * (static_cast<double>(bottom) - top); }
  friend bool operator==(const Box&, const Box&) = default;
};

/// The area that two boxes share.
inline double intersection(const Box& a, const Box& b) {
  const double width = std::min<double>(a.right, b.right) - std::max<double>(a.left, b.left),
               height = std::min<double>(a.bottom, b.bottom) - std::max<double>(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}
/// Intersection over union; 0 of boxes that share nothing.
inline double iou(const Box& a, const Box& b) {
  const double both = intersection(a, b);
  return both > 0 ? both / (a.area() + b.area() - both) : 0;
}

}  // namespace contrastive
