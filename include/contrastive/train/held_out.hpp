// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>

#include "contrastive/data/dataset.hpp"

namespace contrastive {

/// A share, 0 to 1, by which a method is watched on held-out samples instead of kNN: CLIP's R@1. The weights of the epoch
/// with the highest are kept (`best.safetensors`).
struct HeldOutCheck {
  std::string name;  // "R@1": of the curve and on the bar
  /// Of some test samples; calls `alive` between batches, which throws when the run is to stop.
  std::function<double(const AnyDataset& test, const std::function<void()>& alive)> measure;
};

}  // namespace contrastive
