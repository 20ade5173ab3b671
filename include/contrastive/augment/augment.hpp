// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "contrastive/augment/drawn.hpp"
#include "contrastive/core/parallel.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/data/image.hpp"
#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

/// One view is (size, width, channels) floats.
struct ViewSpec {
  int size = 0;
  int channels = 3;
  bool picture = true;  // false: numbers for the method, not to be shown (MAE's noise, sound)
  int width = 0;        // 0: as much as size

  /// Of `count` such views.
  Shape shape(std::int64_t count) const { return {count, size, width > 0 ? width : size, channels}; }
};

/// Makes the views of a picture.
///   views()     size, width and channels of each
///   globals()   how many leading views are global crops, which the target branch sees too
///   a(image, rng, out, drawn)   fills out[v], size * width * channels floats of view v, row by row, channels innermost
/// View v draws from `rng / v` alone. `drawn` is empty or has one record for each view. Const and safe to call from
/// several threads. A member more is optional, see `PlannedAugment`.
template <class A>
concept Augment = requires(const A& a, const Image& image, Rng rng, std::span<float* const> out,
                           std::span<Drawn> drawn) {
  { a.views() } -> std::convertible_to<std::vector<ViewSpec>>;
  { a.globals() } -> std::convertible_to<std::size_t>;
  a(image, rng, out, drawn);
};

/// An augmentation that can say which part of a picture a view will look at before the picture is decoded:
///   crop(view, size, rng)              the box, in pixels of the full picture of that size
///   a(image, size, rng, out, drawn)    the same draws on an image decoded at a reduced scale
template <class A>
concept PlannedAugment = Augment<A> && requires(const A& a, const Image& image, ImageSize full, Rng rng,
                                                std::span<float* const> out, std::span<Drawn> drawn) {
  { a.crop(std::size_t{}, full, rng) } -> std::same_as<CropBox>;
  a(image, full, rng, out, drawn);
};

/// A batch of views: view[v] is (N, H, W, C), drawn[n][v] its record (where kept).
struct Views {
  std::vector<Tensor> view;
  std::size_t globals = 0;
  std::vector<std::int64_t> sample;  // index of each picture in the set
  std::vector<std::int64_t> label;   // -1 where there is none
  std::vector<std::vector<Drawn>> drawn;
};

/// Empty tensors of the right shapes for `batch` pictures.
template <Augment A>
Views allocate_views(const A& augment, std::int64_t batch) {
  Views views;
  for (const ViewSpec& spec : augment.views()) views.view.emplace_back(spec.shape(batch));
  views.globals = augment.globals();
  return views;
}

/// The views of some pictures, on all threads. Picture n draws from `rng / sample[n]`: neither its place in the batch
/// nor the threads matter.
template <Augment A>
Views make_views(const A& augment, std::span<const Image> images, std::span<const std::int64_t> sample, Rng rng,
                 bool keep_drawn = false) {
  require(images.size() == sample.size(), "[make_views] ", images.size(), " pictures and ", sample.size(),
          " sample numbers");
  Views views = allocate_views(augment, static_cast<std::int64_t>(images.size()));
  views.sample.assign(sample.begin(), sample.end());
  const std::size_t count = views.view.size();
  if (keep_drawn) views.drawn.assign(images.size(), std::vector<Drawn>(count));
  parallel_for(static_cast<std::int64_t>(images.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float*> out(count);
    for (std::int64_t n = begin; n < end; ++n) {
      for (std::size_t v = 0; v < count; ++v)
        out[v] = views.view[v].template data<float>() + n * views.view[v].shape().count(1, 4);
      const auto place = static_cast<std::size_t>(n);
      augment(images[place], rng / static_cast<std::uint64_t>(sample[place]), std::span<float* const>(out),
              keep_drawn ? std::span<Drawn>(views.drawn[place]) : std::span<Drawn>());
    }
  });
  return views;
}

}  // namespace contrastive
