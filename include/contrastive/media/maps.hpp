// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace contrastive {

/// A class for each pixel of an image, (H, W) row-major.
struct LabelMap {
  static constexpr std::uint16_t nothing = 65535;  // no class, left out of losses and scores

  int height = 0;
  int width = 0;
  std::vector<std::uint16_t> labels;

  LabelMap() = default;
  LabelMap(int h, int w) : height(h), width(w), labels(static_cast<std::size_t>(h) * w, nothing) {}
};

/// A distance from the camera for each pixel of an image, (H, W) row-major, in metres; 0 where it is not known.
struct DepthMap {
  int height = 0;
  int width = 0;
  std::vector<float> metres;

  DepthMap() = default;
  DepthMap(int h, int w) : height(h), width(w), metres(static_cast<std::size_t>(h) * w) {}
};

}  // namespace contrastive
