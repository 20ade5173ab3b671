// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "contrastive/media/image.hpp"

namespace contrastive {

/// Frames of a video, all of one size.
struct Clip {
  double rate = 25;  // frames a second
  std::vector<Image> frames;
};

}  // namespace contrastive
