// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "contrastive/core/error.hpp"
#include "contrastive/core/host_device.hpp"

namespace contrastive {

/// Sizes of a row-major array, outermost first; images are (N, H, W, C). At most six dimensions, held by value so
/// that kernels take it as an argument. Rank 0 is a scalar.
struct Shape {
  static constexpr int max_rank = 6;

  std::int64_t sizes[max_rank] = {};
  int rank = 0;

  constexpr Shape() = default;
  constexpr Shape(std::initializer_list<std::int64_t> list) {
    require(list.size() <= max_rank, "[shape] at most 6 dimensions, got ", list.size());
    for (std::int64_t size : list) sizes[rank++] = size;
  }

  /// Negative indices count from the end: `shape[-1]` is the innermost size.
  CONTRASTIVE_HD constexpr std::int64_t operator[](int axis) const { return sizes[axis < 0 ? axis + rank : axis]; }
  CONTRASTIVE_HD constexpr std::int64_t& operator[](int axis) { return sizes[axis < 0 ? axis + rank : axis]; }

  CONTRASTIVE_HD constexpr std::int64_t count() const {
    std::int64_t product = 1;
    for (int axis = 0; axis < rank; ++axis) product *= sizes[axis];
    return product;
  }

  /// Product of the sizes of the axes [first, last).
  CONTRASTIVE_HD constexpr std::int64_t count(int first, int last) const {
    std::int64_t product = 1;
    for (int axis = first; axis < last; ++axis) product *= sizes[axis];
    return product;
  }

  constexpr void push_back(std::int64_t size) {
    require(rank < max_rank, "[shape] at most 6 dimensions");
    sizes[rank++] = size;
  }

  friend constexpr bool operator==(const Shape& a, const Shape& b) {
    if (a.rank != b.rank) return false;
    for (int axis = 0; axis < a.rank; ++axis)
      if (a.sizes[axis] != b.sizes[axis]) return false;
    return true;
  }
};

/// "(256, 128)"; a scalar is "()".
inline std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (int axis = 0; axis < shape.rank; ++axis) text += (axis ? ", " : "") + std::to_string(shape.sizes[axis]);
  return text + ")";
}

/// NumPy's rule: align the innermost axes; a size of 1 stretches. Throws `[op] ...` when the shapes do not fit.
inline Shape broadcast(const char* op, const Shape& a, const Shape& b) {
  Shape out;
  out.rank = a.rank > b.rank ? a.rank : b.rank;
  for (int back = 1; back <= out.rank; ++back) {
    const std::int64_t m = back <= a.rank ? a[-back] : 1;
    const std::int64_t n = back <= b.rank ? b[-back] : 1;
    require(m == n || m == 1 || n == 1, "[", op, "] shapes do not broadcast: ", a, " and ", b);
    out[out.rank - back] = m == 1 ? n : m;
  }
  return out;
}

/// Maps a negative axis to its place and checks the range.
inline int checked_axis(const char* op, int axis, int rank) {
  const int place = axis < 0 ? axis + rank : axis;
  require(place >= 0 && place < rank, "[", op, "] axis ", axis, " is outside a tensor of rank ", rank);
  return place;
}

}  // namespace contrastive
