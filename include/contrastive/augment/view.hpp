// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "contrastive/augment/drawn.hpp"
#include "contrastive/augment/normalize.hpp"
#include "contrastive/media/image.hpp"
#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

/// What a view is made of. Pictures can be shown; numbers are for the method alone (MAE's noise).
enum class ViewKind { picture, tokens, sound, frames, points, map, numbers };

/// What a view is: the shape and dtype of one, without the batch. Integers are never cast, so that bf16 is a matter of the
/// other views.
struct ViewSpec {
  Shape one;
  ViewKind kind = ViewKind::picture;
  DType dtype = DType::f32;
  /// The picture that a picture's numbers were made of; empty where they are pixel / 255.
  std::function<Image(const float* numbers, int height, int width, int channels)> to_picture;

  ViewSpec() = default;
  /// A square picture (size, size, channels).
  ViewSpec(std::int64_t size, std::int64_t channels) : one{size, size, channels} {}
  ViewSpec(Shape shape, ViewKind of, DType type = DType::f32) : one(shape), kind(of), dtype(type) {}

  /// Rows of a picture, tokens of a text, samples of a sound.
  std::int64_t size() const { return one[0]; }
  std::int64_t channels() const { return one[-1]; }
  /// Of `count` such views.
  Shape shape(std::int64_t count) const {
    Shape all{count};
    for (int axis = 0; axis < one.rank; ++axis) all.push_back(one[axis]);
    return all;
  }
};

/// The pictures that views (N, H, W, C) were made of, as far as numbers within 0 to 255 can show them.
inline std::vector<Image> pictures_of(const ViewSpec& spec, const Tensor& views) {
  require(views.rank() == 4 && (views.size(3) == 1 || views.size(3) == 3),
          "[pictures_of] expected pictures (N, H, W, 1 or 3), got ", views.shape());
  const Tensor numbers = views.detach().to(Device::cpu).to(DType::f32);
  const int height = static_cast<int>(views.size(1)), width = static_cast<int>(views.size(2)),
            channels = static_cast<int>(views.size(3));
  std::vector<Image> pictures;
  for (std::int64_t n = 0; n < views.size(0); ++n) {
    const float* const from = numbers.data<float>() + n * height * width * channels;
    pictures.push_back(spec.to_picture ? spec.to_picture(from, height, width, channels)
                                       : Normalize{}.picture(from, height, width, channels));
  }
  return pictures;
}

/// A batch of views: row n of view[v] is view v of sample n, drawn[n][v] its record (where kept).
struct Views {
  std::vector<Tensor> view;
  std::size_t globals = 0;           // leading views that the target branch sees too
  std::vector<std::int64_t> sample;  // index of each row's sample in the data set
  std::vector<std::int64_t> label;   // -1 where there is none
  std::vector<std::vector<Drawn>> drawn;
};

/// Memory for the views that an augmentation makes of `batch` samples.
template <class A>
Views allocate_views(const A& augment, std::int64_t batch) {
  Views views;
  for (const ViewSpec& spec : augment.views()) views.view.emplace_back(spec.shape(batch), spec.dtype);
  views.globals = augment.globals();
  return views;
}

}  // namespace contrastive
