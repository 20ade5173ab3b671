// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/media/boxes.hpp"

namespace contrastive {

/// A box that was found, with its class in `box.label`.
struct Detection {
  Box box;
  double score = 0;
};

/// A box that is there, as evaluation needs it. A crowd may be found any number of times, and none of them counts.
struct TrueBox {
  Box box;
  double area = -1;  // of the object, by which it is small, medium or large; below 0: of the box
  bool crowd = false;

  double size() const { return area >= 0 ? area : box.area(); }
};

}  // namespace contrastive
