// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "contrastive/core/shape.hpp"

/// Index arithmetic of the CUDA kernels. It holds no CUDA, so that the host compiler tests it.
namespace contrastive::cuda {

/// Turns a place in row-major order into offsets in K arrays with strides of their own. Neighbouring axes that all
/// arrays walk as one are joined.
template <int K>
struct Odometer {
  int rank = 0;
  std::int64_t sizes[Shape::max_rank] = {};
  std::int64_t strides[K][Shape::max_rank] = {};

  /// Adds an axis inside the present ones, with its stride in each of the K arrays.
  void push(std::int64_t size, const std::int64_t* steps) {
    if (size == 1) return;
    bool joins = rank > 0;
    for (int k = 0; k < K && joins; ++k) joins = strides[k][rank - 1] == size * steps[k];
    if (joins)
      sizes[rank - 1] *= size;
    else
      sizes[rank++] = size;
    for (int k = 0; k < K; ++k) strides[k][rank - 1] = steps[k];
  }

  CONTRASTIVE_HD std::int64_t count() const {
    std::int64_t product = 1;
    for (int axis = 0; axis < rank; ++axis) product *= sizes[axis];
    return product;
  }

  /// Offsets of entry `index` of the first `axes` axes; I is an unsigned type that holds it (32 bits divide faster).
  template <class I>
  CONTRASTIVE_HD void offsets(I index, int axes, std::int64_t (&out)[K]) const {
    for (int k = 0; k < K; ++k) out[k] = 0;
    for (int axis = axes - 1; axis > 0; --axis) {
      const I size = static_cast<I>(sizes[axis]), next = index / size;
      const std::int64_t place = static_cast<std::int64_t>(index - next * size);
      index = next;
      for (int k = 0; k < K; ++k) out[k] += place * strides[k][axis];
    }
    if (axes > 0)
      for (int k = 0; k < K; ++k) out[k] += static_cast<std::int64_t>(index) * strides[k][0];
  }
  CONTRASTIVE_HD void offsets(std::int64_t index, std::int64_t (&out)[K]) const {
    if (index <= 0xffffffffll)
      offsets(static_cast<std::uint32_t>(index), rank, out);
    else
      offsets(static_cast<std::uint64_t>(index), rank, out);
  }
};

/// Where the operands of a broadcast to `y` stand.
inline Odometer<2> broadcast_plan(const Shape& a, const Shape& b, const Shape& y) {
  std::int64_t steps[Shape::max_rank][2], a_step = 1, b_step = 1;
  for (int back = 1; back <= y.rank; ++back) {
    const std::int64_t m = back <= a.rank ? a[-back] : 1, n = back <= b.rank ? b[-back] : 1;
    steps[y.rank - back][0] = m == 1 ? 0 : a_step;
    steps[y.rank - back][1] = n == 1 ? 0 : b_step;
    a_step *= m;
    b_step *= n;
  }
  Odometer<2> plan;
  for (int axis = 0; axis < y.rank; ++axis) plan.push(y.sizes[axis], steps[axis]);
  return plan;
}

/// Where the elements of `y`, whose axis i is x's axis axes[i], stand in x.
template <class Axes>
Odometer<1> permute_plan(const Shape& x, const Axes& axes) {
  Odometer<1> plan;
  for (int i = 0; i < x.rank; ++i) {
    const std::int64_t step = x.count(axes[i] + 1, x.rank);
    plan.push(x.sizes[axes[i]], &step);
  }
  return plan;
}

/// The axes of x that a sum to `y` keeps, and those that it takes, with their strides in x.
struct SumPlan {
  Odometer<1> kept, taken;
  SumPlan(const Shape& x, const Shape& y) {
    for (int axis = 0; axis < x.rank; ++axis) {
      const int back = x.rank - axis;
      const std::int64_t step = x.count(axis + 1, x.rank);
      const bool reduced = back > y.rank || y[-back] == 1;
      (reduced ? taken : kept).push(x.sizes[axis], &step);
    }
  }
};

/// x as (outer, reduced, inner) when the reduced axes are neighbours; false otherwise.
inline bool as_three_axes(const Shape& x, const Shape& y, std::int64_t (&sizes)[3]) {
  sizes[0] = sizes[1] = sizes[2] = 1;
  int stage = 0;
  for (int axis = 0; axis < x.rank; ++axis) {
    if (x.sizes[axis] == 1) continue;
    const int back = x.rank - axis;
    const bool reduced = back > y.rank || y[-back] == 1;
    if (reduced && stage == 2) return false;
    if (reduced)
      stage = 1;
    else if (stage == 1)
      stage = 2;
    sizes[stage] *= x.sizes[axis];
  }
  return true;
}

/// The windows [first, last] along one direction that cover input place `i`: first > last where none does.
struct WindowRange {
  std::int64_t first, last;
  CONTRASTIVE_HD WindowRange(std::int64_t i, int kernel, int stride, int padding, std::int64_t windows) {
    const std::int64_t below = i + padding - kernel;  // windows that start at or before this end before i
    first = below < 0 ? 0 : below / stride + 1;
    last = (i + padding) / stride;
    if (last >= windows) last = windows - 1;
  }
};

/// Cuts n items into chunks that depend on n alone: of `least` items, or larger so that there are at most `most`.
struct Chunks {
  std::int64_t size, count;
  CONTRASTIVE_HD Chunks(std::int64_t n, std::int64_t least, std::int64_t most) {
    const std::int64_t needed = (n + most - 1) / most;
    size = needed > least ? needed : least;
    count = (n + size - 1) / size;
  }
};

}  // namespace contrastive::cuda
