// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/ops/elementwise.hpp"

namespace contrastive {

namespace detail {

inline Tensor scaled_sum(const Tensor& x, const Shape& kept, const Shape& out, double scale) {
  const Tensor y(kept, x.dtype(), x.device());
  x.kernels().sum_to(x.view(), scale, y.view());
  const Tensor shaped = y.reshape(out);
  if (!recording({&x})) return shaped;
  return record(shaped, [dx = Grad(x), from = x.shape(), kept, scale](const Tensor& dy) {
    const Tensor spread = Tensor::full(from, scale, dy.dtype(), dy.device());
    dx.add(spread * dy.reshape(kept));
  });
}

/// The shape with `axis` set to 1, and without it.
inline std::pair<Shape, Shape> without_axis(const Shape& shape, int axis) {
  Shape kept = shape, out;
  kept[axis] = 1;
  for (int i = 0; i < shape.rank; ++i)
    if (i != axis) out.push_back(shape[i]);
  return {kept, out};
}

inline Shape ones_like(const Shape& shape) {
  Shape ones = shape;
  for (int i = 0; i < ones.rank; ++i) ones[i] = 1;
  return ones;
}

}  // namespace detail

/// Sum over everything, a scalar.
inline Tensor sum(const Tensor& x) { return detail::scaled_sum(x, detail::ones_like(x.shape()), Shape{}, 1); }

/// Sum over one axis, which goes away unless `keep`.
inline Tensor sum(const Tensor& x, int axis, bool keep = false) {
  const auto [kept, out] = detail::without_axis(x.shape(), checked_axis("sum", axis, x.rank()));
  return detail::scaled_sum(x, kept, keep ? kept : out, 1);
}

/// Mean over everything, a scalar; throws for an empty tensor.
inline Tensor mean(const Tensor& x) {
  require(x.count() > 0, "[mean] of no elements: ", x.shape());
  return detail::scaled_sum(x, detail::ones_like(x.shape()), Shape{}, 1.0 / static_cast<double>(x.count()));
}

inline Tensor mean(const Tensor& x, int axis, bool keep = false) {
  axis = checked_axis("mean", axis, x.rank());
  require(x.size(axis) > 0, "[mean] of no elements: axis ", axis, " of ", x.shape());
  const auto [kept, out] = detail::without_axis(x.shape(), axis);
  return detail::scaled_sum(x, kept, keep ? kept : out, 1.0 / static_cast<double>(x.size(axis)));
}

struct MaxResult {
  Tensor values;
  Tensor indices;  // i64; the first of equals
};

/// Largest along an axis. The values carry no gradient: use the indices with `gather` forms where one is wanted.
inline MaxResult max(const Tensor& x, int axis) {
  axis = checked_axis("max", axis, x.rank());
  require(x.size(axis) > 0, "[max] of no elements: axis ", axis, " of ", x.shape());
  const Shape out = detail::without_axis(x.shape(), axis).second;
  MaxResult result{Tensor(out, x.dtype(), x.device()), Tensor(out, DType::i64, x.device())};
  x.kernels().max_axis(x.view(), axis, result.values.view(), result.indices.view());
  return result;
}
inline Tensor argmax(const Tensor& x, int axis) { return max(x, axis).indices; }

}  // namespace contrastive
