// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "contrastive/augment/view.hpp"
#include "contrastive/core/parallel.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/media/image.hpp"
#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

/// Makes the views of an image.
///   views()     what each is (augment/view.hpp)
///   globals()   how many leading views are global crops, which the target branch sees too
///   a(image, rng, out, drawn)   fills out[v], the floats of view v, (H, W, C) row-major
/// View v draws from `rng / v` alone. `drawn` is empty or has one record for each view. Const and safe to call from
/// several threads. One more member is optional, see `PlannedAugment`. What looks at other parts of a sample than its
/// image is a `SampleAugment` (augment/sample_augment.hpp).
template <class A>
concept Augment = requires(const A& a, const Image& image, Rng rng, std::span<float* const> out,
                           std::span<Drawn> drawn) {
  { a.views() } -> std::convertible_to<std::vector<ViewSpec>>;
  { a.globals() } -> std::convertible_to<std::size_t>;
  a(image, rng, out, drawn);
};

/// An augmentation that can say which part of an image a view will look at before the image is decoded:
///   crop(view, size, rng)              the box, in pixels of the full image of that size
///   a(image, size, rng, out, drawn)    the same draws on an image decoded at a reduced scale
template <class A>
concept PlannedAugment = Augment<A> && requires(const A& a, const Image& image, ImageSize full, Rng rng,
                                                std::span<float* const> out, std::span<Drawn> drawn) {
  { a.crop(std::size_t{}, full, rng) } -> std::same_as<CropBox>;
  a(image, full, rng, out, drawn);
};

/// The views of some images, on all threads. Image n draws from `rng / sample[n]`: neither its place in the batch
/// nor the threads matter.
template <Augment A>
Views make_views(const A& augment, std::span<const Image> images, std::span<const std::int64_t> sample, Rng rng,
                 bool keep_drawn = false) {
  require(images.size() == sample.size(), "[make_views] ", images.size(), " images and ", sample.size(),
          " sample numbers");
  Views views = allocate_views(augment, static_cast<std::int64_t>(images.size()));
  views.sample.assign(sample.begin(), sample.end());
  const std::size_t count = views.view.size();
  if (keep_drawn) views.drawn.assign(images.size(), std::vector<Drawn>(count));
  parallel_for(static_cast<std::int64_t>(images.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float*> out(count);
    for (std::int64_t n = begin; n < end; ++n) {
      for (std::size_t v = 0; v < count; ++v)
        out[v] = views.view[v].template data<float>() + n * views.view[v].shape().count(1, views.view[v].rank());
      const auto place = static_cast<std::size_t>(n);
      augment(images[place], rng / static_cast<std::uint64_t>(sample[place]), std::span<float* const>(out),
              keep_drawn ? std::span<Drawn>(views.drawn[place]) : std::span<Drawn>());
    }
  });
  return views;
}

}  // namespace contrastive
