// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <vector>

namespace contrastive {

/// Points of a surface in space.
struct PointCloud {
  std::vector<float> positions;  // (N, 3): x, y, z
  std::vector<float> colors;     // (N, 3), 0 to 1, or empty

  std::size_t size() const { return positions.size() / 3; }
};

}  // namespace contrastive
