// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "contrastive/objectives/similarity/packed.hpp"

namespace contrastive {

/// A row-major (rows, columns) matrix in memory that someone else owns. What is returned beside it is a
/// `std::vector<T>`.
template <class T>
struct MatrixSpan {
  std::span<T> data;
  std::int64_t rows = 0, columns = 0;
};
template <class T>
MatrixSpan(std::span<T>, std::int64_t, std::int64_t) -> MatrixSpan<T>;

namespace similarity {

template <class T>
inline constexpr bool is_element = std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, bf16>;
template <class P>
concept ElementPointer = is_element<std::remove_cvref_t<decltype(*std::declval<P>())>>;

/// Eigen's matrices, arrays and maps, of either order.
template <class M>
concept EigenLike = requires(const M& m) {
  { m.rows() } -> std::convertible_to<std::int64_t>;
  { m.cols() } -> std::convertible_to<std::int64_t>;
  { m.innerStride() } -> std::convertible_to<std::int64_t>;
  { m.outerStride() } -> std::convertible_to<std::int64_t>;
  { M::IsRowMajor } -> std::convertible_to<bool>;
  requires bool(M::Flags & 0x40);  // Eigen::DirectAccessBit: a transposed expression has a `data` too, without a body
  { m.data() } -> ElementPointer;
};

/// xtensor's containers and views with strides.
template <class M>
concept XtensorLike = requires(const M& m) {
  { m.shape()[0] } -> std::convertible_to<std::int64_t>;
  { m.strides()[0] } -> std::convertible_to<std::int64_t>;
  { m.dimension() } -> std::convertible_to<std::size_t>;
  { m.data() } -> ElementPointer;
};

template <class M>
inline constexpr bool is_matrix_span = false;
template <class T>
inline constexpr bool is_matrix_span<MatrixSpan<T>> = is_element<std::remove_const_t<T>>;

/// A matrix of another library that lies in memory: the losses take it as it is.
template <class M>
concept StoredMatrix = EigenLike<M> || XtensorLike<M> || is_matrix_span<std::remove_const_t<M>>;

/// An expression of Eigen, which has no memory until it is evaluated.
template <class M>
concept EigenExpression = !StoredMatrix<M> && requires(const M& m) {
  requires EigenLike<std::remove_cvref_t<decltype(m.eval())>>;
};

template <class M>
concept ForeignMatrix = StoredMatrix<M> || EigenExpression<M>;

/// The matrix itself, or the value of an expression.
template <ForeignMatrix M>
decltype(auto) evaluated(const M& m) {
  if constexpr (EigenExpression<M>)
    return m.eval();
  else
    return (m);
}

/// (rows, columns, strides) of a foreign matrix around its memory, as a Matrix or MutableMatrix.
template <class To, StoredMatrix M>
To borrow(M& m) {
  if constexpr (is_matrix_span<std::remove_const_t<M>>) {
    using T = std::remove_const_t<typename decltype(m.data)::element_type>;
    require(static_cast<std::int64_t>(m.data.size()) == m.rows * m.columns, "[borrow] a span of ", m.data.size(),
            " elements is not (", m.rows, ", ", m.columns, ")");
    return To{m.data.data(), dtype_of<T>, m.rows, m.columns, m.columns, 1};
  } else {
    using T = std::remove_cvref_t<decltype(*m.data())>;
    if constexpr (EigenLike<M>) {
      const bool row_major = M::IsRowMajor;
      return To{m.data(),
                dtype_of<T>,
                m.rows(),
                m.cols(),
                row_major ? m.outerStride() : m.innerStride(),
                row_major ? m.innerStride() : m.outerStride()};
    } else {
      require(m.dimension() == 2, "[borrow] expected a matrix, got ", m.dimension(), " axes");
      // xtensor gives stride 0 to an axis of length 1, where it does not matter.
      return To{m.data() + m.data_offset(),
                dtype_of<T>,
                static_cast<std::int64_t>(m.shape()[0]),
                static_cast<std::int64_t>(m.shape()[1]),
                static_cast<std::int64_t>(m.strides()[0]),
                static_cast<std::int64_t>(m.strides()[1])};
    }
  }
}

/// What a gradient of M is kept in.
template <class M>
struct GradientOf {
  struct type {};  // for what is no matrix
};
template <XtensorLike M>
struct GradientOf<M> {
  using type = M;
};
template <class M>
requires EigenLike<M> || EigenExpression<M>
struct GradientOf<M> {
  using type = typename M::PlainObject;
};
template <class T>
struct GradientOf<MatrixSpan<T>> {
  using type = std::vector<std::remove_const_t<T>>;
};
template <class M>
using gradient_t = typename GradientOf<std::remove_cvref_t<M>>::type;

/// Memory of the caller's for a gradient of M.
template <class D, class M>
concept GradientMemory = StoredMatrix<D> ||(is_matrix_span<std::remove_const_t<M>>&& requires(D& d) {
  { d.data() } -> ElementPointer;
});

/// A gradient of the shape of m, and how to write it.
template <StoredMatrix M>
gradient_t<M> gradient_for(const M& m) {
  if constexpr (is_matrix_span<M>) {
    return gradient_t<M>(m.data.size());
  } else if constexpr (EigenLike<M>) {
    return gradient_t<M>(m.rows(), m.cols());
  } else {
    gradient_t<M> d(m);
    return d;
  }
}
template <class D, StoredMatrix M>
MutableMatrix writable(D& gradient, const M& like) {
  if constexpr (is_matrix_span<M> && !StoredMatrix<D>)
    return {gradient.data(), dtype_of<typename D::value_type>, like.rows, like.columns, like.columns, 1};
  else
    return borrow<MutableMatrix>(gradient);
}

}  // namespace similarity

/// Loss and gradients of a pair of matrices: `da` and `db` are of their kinds, order and shape.
template <class A, class B = A>
struct PairLoss {
  double loss = 0;
  similarity::gradient_t<A> da;
  similarity::gradient_t<B> db;
  double dlog_scale = 0, dbias = 0;
};

}  // namespace contrastive
