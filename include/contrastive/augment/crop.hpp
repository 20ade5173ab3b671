// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <concepts>

#include "contrastive/augment/drawn.hpp"
#include "contrastive/augment/resize.hpp"
#include "contrastive/core/rng.hpp"

namespace contrastive {

/// The first step of a view: which pixels of a picture it is made of. What is drawn depends on the picture's size
/// alone. `size` and `channels` are the view's.
template <class C>
concept CropStep = requires(const C& crop, ImageSize full, Stream& stream, Drawn& drawn) {
  { crop.size } -> std::convertible_to<int>;
  { crop.channels } -> std::convertible_to<int>;
  { crop.place(full, stream, drawn) } -> std::same_as<Placement>;
};

/// A box of random area (a share of the picture's) and aspect ratio (width / height, uniform in its logarithm), resized
/// to `size` x `size`. Ten tries; a box that does not fit is drawn again, not cut, and after ten the largest centred
/// box within the bounds of the ratio is taken. (torchvision RandomResizedCrop; Szegedy et al. 2015)
struct RandomResizedCrop {
  int size = 224;
  Range area{0.08, 1.0};
  Filter filter = Filter::bilinear;
  int channels = 3;
  Range ratio{3.0 / 4.0, 4.0 / 3.0};

  CropBox draw_crop(int height, int width, Stream& stream) const {
    require(height > 0 && width > 0, "[random_resized_crop] expected a picture of at least 1 x 1, got ", height, " x ",
            width);
    const double pixels = static_cast<double>(height) * width;
    const double log_low = std::log(ratio.low), log_high = std::log(ratio.high);
    for (int attempt = 0; attempt < 10; ++attempt) {
      const double target = pixels * stream.uniform(area.low, area.high);
      const double aspect = std::exp(stream.uniform(log_low, log_high));
      const double w = std::nearbyint(std::sqrt(target * aspect)), h = std::nearbyint(std::sqrt(target / aspect));
      if (w < 1 || h < 1 || w > width || h > height) continue;
      CropBox box{0, 0, static_cast<int>(h), static_cast<int>(w)};
      box.top = static_cast<int>(stream.below(static_cast<std::uint64_t>(height - box.height + 1)));
      box.left = static_cast<int>(stream.below(static_cast<std::uint64_t>(width - box.width + 1)));
      return box;
    }
    const double aspect = static_cast<double>(width) / height;
    int h = height, w = width;
    if (aspect < ratio.low)
      h = std::clamp(static_cast<int>(std::nearbyint(width / ratio.low)), 1, height);
    else if (aspect > ratio.high)
      w = std::clamp(static_cast<int>(std::nearbyint(height * ratio.high)), 1, width);
    return {(height - h) / 2, (width - w) / 2, h, w};
  }

  Placement place(ImageSize full, Stream& stream, Drawn& drawn) const {
    drawn.crop = draw_crop(full.height, full.width, stream);
    const CropBox& box = drawn.crop;
    return {double(box.top), double(box.left), double(box.height), double(box.width), size, size, 0, 0, size, size,
            filter};
  }
};

/// The window that CLIP's and torchvision's "resize the short side, then centre crop" looks at: the long side becomes
/// int(size * long / short). (openai/CLIP clip.py _transform; torchvision functional._compute_resized_output_size)
inline Placement center_placement(int height, int width, int resize_to, int size, Filter filter) {
  require(height > 0 && width > 0, "[center_crop] expected a picture of at least 1 x 1, got ", height, " x ", width);
  require(size > 0 && resize_to >= size, "[center_crop] cannot keep ", size, " of a short side of ", resize_to);
  Placement place{0, 0, double(height), double(width), resize_to, resize_to, 0, 0, size, size, filter};
  if (height < width)
    place.full_width = static_cast<int>(std::int64_t{resize_to} * width / height);
  else
    place.full_height = static_cast<int>(std::int64_t{resize_to} * height / width);
  place.out_top = static_cast<int>(std::nearbyint((place.full_height - size) / 2.0));
  place.out_left = static_cast<int>(std::nearbyint((place.full_width - size) / 2.0));
  return place;
}

namespace detail {

/// The source pixels that the filter looks at for the part of a resized picture that is kept.
inline CropBox window_of(const Placement& p, ImageSize full) {
  const auto window = [&](int size_in, int size_out, int from, int size, int& start, int& length) {
    const double scale = static_cast<double>(size_in) / size_out;
    const double margin = filter_support(p.filter) * std::max(scale, 1.0) + 1.0;
    start = std::max(0, static_cast<int>(from * scale - margin));
    length = std::min(size_in, static_cast<int>(std::ceil((from + size) * scale + margin))) - start;
  };
  CropBox box;
  window(full.height, p.full_height, p.out_top, p.out_height, box.top, box.height);
  window(full.width, p.full_width, p.out_left, p.out_width, box.left, box.width);
  return box;
}

}  // namespace detail

/// Short side to `resize_to` (0: to `size`), then the middle `size` x `size`: how pictures are prepared for evaluation.
struct CenterCrop {
  int size = 224;
  int resize_to = 0;
  Filter filter = Filter::bilinear;
  int channels = 3;

  Placement place(ImageSize full, Stream&, Drawn& drawn) const {
    const Placement p = center_placement(full.height, full.width, resize_to > 0 ? resize_to : size, size, filter);
    drawn.crop = detail::window_of(p, full);
    return p;
  }
};

/// Short side to `resize_to` (0: to `size`), then a window of `size` x `size` anywhere in it. (torchvision RandomCrop)
struct RandomCrop {
  int size = 64;
  int resize_to = 0;
  Filter filter = Filter::bilinear;
  int channels = 3;

  Placement place(ImageSize full, Stream& stream, Drawn& drawn) const {
    Placement p = center_placement(full.height, full.width, resize_to > 0 ? resize_to : size, size, filter);
    p.out_top = static_cast<int>(stream.below(static_cast<std::uint64_t>(p.full_height - size + 1)));
    p.out_left = static_cast<int>(stream.below(static_cast<std::uint64_t>(p.full_width - size + 1)));
    drawn.crop = detail::window_of(p, full);
    return p;
  }
};

}  // namespace contrastive
