// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "contrastive/augment/any_augment.hpp"
#include "contrastive/augment/crop.hpp"
#include "contrastive/augment/image_ops.hpp"

namespace app {

using namespace contrastive;

/// A random crop, and a flip if it flips, before the view of an image that evaluation takes: for training on top of an
/// encoder whose preparation is known by that view alone.
struct CropBefore {
  AnyAugment view;
  Range scale;  // of the crop's share of the image
  bool flips = false;
  Filter filter = Filter::bilinear;

  std::vector<ViewSpec> views() const { return view.views(); }
  std::size_t globals() const { return 1; }
  Parts parts() const { return view.parts(); }
  void operator()(const Sample& whole, Rng rng, std::span<void* const> out, std::span<Drawn> drawn) const {
    const int size = static_cast<int>(view.views().at(0).size());
    Stream stream(rng / "finetune");
    Drawn crop;
    RandomResizedCrop{size, scale, filter}.place(whole.full, stream, crop);
    Sample cut;
    cut.image = resized_crop(whole.image, crop.crop, size, size, filter);
    if (flips && stream.uniform(0, 1) < 0.5) cut.image = hflip(cut.image);
    cut.full = {size, size};
    view(cut, rng, out, drawn);
  }
};

}  // namespace app
