// SPDX-License-Identifier: MIT
#pragma once

// xtensor moves its files between releases: flat up to 0.25, in folders from 0.26 on.
#if __has_include(<xtensor/containers/xadapt.hpp>)
#include <xtensor/containers/xadapt.hpp>
#else
#include <xtensor/xadapt.hpp>
#endif

#include <cstddef>
#include <type_traits>
#include <vector>

#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

/// A CPU tensor's memory as an xtensor array of the same shape, without a copy. Writing through it writes the tensor,
/// which must outlive the array; call `mark_written` then where an op has kept the tensor. Throws when T is not the dtype.
template <class T>
auto as_xtensor(const Tensor& tensor) {
  T* data = tensor.data<T>();
  std::vector<std::size_t> shape;
  for (int axis = 0; axis < tensor.rank(); ++axis) shape.push_back(static_cast<std::size_t>(tensor.shape()[axis]));
  return xt::adapt(data, static_cast<std::size_t>(tensor.count()), xt::no_ownership(), shape);
}

namespace detail {
template <class Array>
Shape xtensor_shape(const Array& array) {
  Shape shape;
  for (const auto size : array.shape()) shape.push_back(static_cast<std::int64_t>(size));
  return shape;
}
}  // namespace detail

/// A tensor on the memory of a row-major `xt::xarray` or `xt::xtensor`, without a copy: the array must outlive the
/// tensor and all that shares it. Other layouts throw: use `copy_xtensor`.
template <class Array>
Tensor borrow_xtensor(Array& array) {
  static_assert(!std::is_const_v<Array>, "borrow_xtensor gives a writable tensor; copy_xtensor takes constant arrays");
  require(array.layout() == xt::layout_type::row_major || array.dimension() < 2,
          "[borrow_xtensor] expected a row-major array; copy_xtensor takes any");
  return Tensor::borrow(array.data(), detail::xtensor_shape(array), dtype_of<typename Array::value_type>);
}

/// A new tensor with the values of any xtensor expression.
template <class Expression>
Tensor copy_xtensor(const Expression& expression) {
  using T = typename Expression::value_type;
  Tensor tensor(detail::xtensor_shape(expression), dtype_of<T>);
  auto target = as_xtensor<T>(tensor);
  target = expression;
  return tensor;
}

}  // namespace contrastive
