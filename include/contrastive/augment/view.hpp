// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "contrastive/augment/drawn.hpp"
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
