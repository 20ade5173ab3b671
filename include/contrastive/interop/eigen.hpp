// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <type_traits>

#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

/// Eigen's matrix in the order of a tensor's memory.
template <class T>
using RowMajorMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// A CPU tensor's memory as an Eigen matrix, without a copy: (N, D) as it is, a vector as one row, higher ranks with
/// all but the last axis joined. Writing through it writes the tensor, which must outlive the map; call `mark_written`
/// then where an op has kept the tensor. Throws when T is not the dtype.
template <class T>
Eigen::Map<RowMajorMatrix<T>> as_eigen(const Tensor& tensor) {
  T* data = tensor.data<T>();
  const Shape& shape = tensor.shape();
  const std::int64_t columns = shape.rank ? shape[-1] : 1;
  return {data, shape.rank ? shape.count(0, shape.rank - 1) : 1, columns};
}

/// A CPU tensor's memory as an Eigen column vector, whatever its shape, without a copy.
template <class T>
Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, 1>> as_eigen_vector(const Tensor& tensor) {
  return {tensor.data<T>(), tensor.count()};
}

/// A tensor (rows, cols) on the memory of a row-major matrix or a dense map of one, without a copy: the matrix must
/// outlive the tensor and all that shares it. A column-major matrix does not compile: use `copy_eigen`.
template <class Derived>
Tensor borrow_eigen(Eigen::PlainObjectBase<Derived>& matrix) {
  static_assert(Derived::IsRowMajor || Derived::IsVectorAtCompileTime,
                "borrow_eigen needs a row-major matrix; copy_eigen takes any");
  return Tensor::borrow(matrix.data(), Shape{matrix.rows(), matrix.cols()}, dtype_of<typename Derived::Scalar>);
}
template <class Derived>
Tensor borrow_eigen(Eigen::PlainObjectBase<Derived>&& matrix) = delete;  // a temporary would dangle

/// The same on an `Eigen::Map`; its memory must outlive the tensor.
template <class Plain, int Options>
Tensor borrow_eigen(Eigen::Map<Plain, Options, Eigen::Stride<0, 0>> map) {
  static_assert(Plain::IsRowMajor || Plain::IsVectorAtCompileTime,
                "borrow_eigen needs a row-major matrix; copy_eigen takes any");
  static_assert(!std::is_const_v<Plain>, "borrow_eigen gives a writable tensor; copy_eigen takes constant maps");
  return Tensor::borrow(map.data(), Shape{map.rows(), map.cols()}, dtype_of<typename Plain::Scalar>);
}

/// A new tensor (rows, cols) with the values of any Eigen expression, in whatever order it is stored.
template <class Derived>
Tensor copy_eigen(const Eigen::DenseBase<Derived>& expression) {
  using T = typename Derived::Scalar;
  Tensor tensor(Shape{expression.rows(), expression.cols()}, dtype_of<T>);
  as_eigen<T>(tensor) = expression.derived();
  return tensor;
}

}  // namespace contrastive
