// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "contrastive/kernels/odometer.hpp"

/// Index arithmetic of the CUDA kernels. It holds no CUDA, so that the host compiler tests it.
namespace contrastive::cuda {

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
