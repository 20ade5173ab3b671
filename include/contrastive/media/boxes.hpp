// SPDX-License-Identifier: MIT
#pragma once

namespace contrastive {

/// An object in an image: its corners in pixels, right and bottom excluded, and its class.
struct Box {
  float left = 0, top = 0, right = 0, bottom = 0;
  int label = -1;

  float area() const { return (right - left) * (bottom - top); }
};

}  // namespace contrastive
