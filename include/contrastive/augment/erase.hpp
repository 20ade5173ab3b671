// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstring>

#include "contrastive/augment/canvas.hpp"
#include "contrastive/augment/drawn.hpp"
#include "contrastive/core/rng.hpp"

namespace contrastive {

/// Fills a box of random area (a share of the view's) and aspect ratio (height / width) with one level, with
/// probability `p`; ten tries to find one that fits. (torchvision RandomErasing; Zhong et al. 2017)
struct RandomErasing {
  double p = 0.5;
  Range area{0.02, 0.33};
  Range ratio{0.3, 3.3};
  std::uint8_t level = 0;

  void operator()(Canvas& canvas, Stream& stream, Drawn& drawn) const {
    if (!stream.chance(p)) return;
    for (int attempt = 0; attempt < 10; ++attempt) {
      const double target = static_cast<double>(canvas.count()) * stream.uniform(area.low, area.high);
      const double aspect = std::exp(stream.uniform(std::log(ratio.low), std::log(ratio.high)));
      const double h = std::nearbyint(std::sqrt(target * aspect)), w = std::nearbyint(std::sqrt(target / aspect));
      if (h < 1 || w < 1 || h >= canvas.height() || w >= canvas.width()) continue;
      CropBox box{0, 0, static_cast<int>(h), static_cast<int>(w)};
      box.top = static_cast<int>(stream.below(static_cast<std::uint64_t>(canvas.height() - box.height + 1)));
      box.left = static_cast<int>(stream.below(static_cast<std::uint64_t>(canvas.width() - box.width + 1)));
      for (int c = 0; c < canvas.channels(); ++c)
        for (int y = 0; y < box.height; ++y)
          std::memset(canvas.row(c, box.top + y) + box.left, level, static_cast<std::size_t>(box.width));
      drawn.erased = box;
      return;
    }
  }
};

}  // namespace contrastive
