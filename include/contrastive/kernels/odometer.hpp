// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "contrastive/core/shape.hpp"

/// Index arithmetic that backends share.
namespace contrastive {

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

}  // namespace contrastive
