// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "contrastive/augment/augment.hpp"
#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/data/crop_plan.hpp"
#include "contrastive/data/image.hpp"
#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

/// One step's worth of views.
struct Batch {
  Views views;
  std::int64_t epoch = 0;
  std::int64_t step = 0;  // within the epoch
};

namespace detail {

/// Room for the views of `count` pictures; the tensors are not initialised.
template <Augment A>
Views room_for(const A& augment, std::size_t count) {
  Views views = allocate_views(augment, static_cast<std::int64_t>(count));
  views.sample.assign(count, -1);
  views.label.assign(count, -1);
  views.drawn.assign(count, std::vector<Drawn>(views.view.size()));
  return views;
}

/// Reads one picture by `read(plan)` and writes row `k` of every view. An augmentation that says beforehand what it
/// will look at lets the decoder leave out the rest, and work at a reduced scale where every crop is far larger than
/// its view; the draws are those of the full picture. False where there is no picture.
template <Augment A, class Read>
bool read_views(const A& augment, Rng rng, Views& views, std::size_t k, Read&& read) {
  float* out[64];
  require(views.view.size() <= 64, "[augment] more than 64 views of a picture: ", views.view.size());
  for (std::size_t v = 0; v < views.view.size(); ++v) {
    const Tensor& view = views.view[v];
    out[v] = view.data<float>() + static_cast<std::int64_t>(k) * view.shape().count(1, view.rank());
  }
  const std::span<float* const> targets(out, views.view.size());
  const std::span<Drawn> drawn(views.drawn[k]);
  if constexpr (PlannedAugment<A>) {
    bool planned = true;
    if constexpr (requires { augment.planned(); }) planned = augment.planned();  // known at run time
    ImageSize full;
    const CropPlan plan = [&](int height, int width) {
      full = {height, width};
      Region region;
      for (std::size_t v = 0; v < targets.size(); ++v) {
        const CropBox box = augment.crop(v, full, rng);
        const int size = static_cast<int>(views.view[v].size(1));
        // A filter looks a little past the box, three source pixels for each of the view at most.
        const int spare = 3 * (std::max(box.height, box.width) / size + 1);
        const int top = std::max(0, box.top - spare), left = std::max(0, box.left - spare);
        const Region one{top, left, std::min(height, box.top + box.height + spare) - top,
                         std::min(width, box.left + box.width + spare) - left,
                         reduction_for(box.height, box.width, size)};
        region = v == 0 ? one : join_regions(region, one);
      }
      return region;
    };
    const std::optional<Image> image = read(planned ? plan : CropPlan{});
    if (!image) return false;
    if (full.height == 0) full = {image->height, image->width};  // a set that asks for no plan
    augment(*image, full, rng, targets, drawn);
  } else {
    const std::optional<Image> image = read(CropPlan{});
    if (!image) return false;
    augment(*image, rng, targets, drawn);
  }
  return true;
}

}  // namespace detail

}  // namespace contrastive
