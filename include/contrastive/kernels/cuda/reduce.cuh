// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/kernels/cuda/group.cuh"
#include "contrastive/kernels/cuda/index.cuh"
#include "contrastive/kernels/cuda/memory.cuh"

/// Sums and maxima over axes. Long sums are cut into chunks that depend on the shape alone; their partial sums, in
/// double, are joined by the same kernel.
namespace contrastive::cuda {

namespace detail {

/// (rows, n) -> (rows, chunks): row r of the launch is chunk r % chunks of row r / chunks.
template <class From, class To>
struct SumRows {
  const From* x;
  std::int64_t n, chunk, chunks;
  double scale;
  To* y;

  template <int Threads>
  __device__ void run(std::int64_t row, std::int64_t, int place) const {
    const From* from = x + row / chunks * n;
    const std::int64_t first = row % chunks * chunk, last = first + chunk < n ? first + chunk : n;
    const double total = group_sum<Threads>(
        strided_sum(first + place, last, Threads, [&](std::int64_t i) { return compute_t<From>(from[i]); }));
    if (place == 0) y[row] = rounded<To>(total * scale);
  }
};

/// (outer, rows, inner) -> (outer, chunks, inner): a block sums one chunk of blockDim.x columns.
template <class From, class To>
__global__ void sum_columns(const From* x, std::int64_t rows, std::int64_t inner, Chunks chunks, std::int64_t tiles,
                            double scale, To* y) {
  __shared__ double part[block_threads];
  const std::int64_t column = blockIdx.x % tiles * blockDim.x + threadIdx.x;
  const std::int64_t at = blockIdx.x / tiles;  // outer and chunk
  const std::int64_t first = at % chunks.count * chunks.size;
  const std::int64_t last = first + chunks.size < rows ? first + chunks.size : rows;
  const From* from = x + at / chunks.count * rows * inner + column;
  part[threadIdx.y * blockDim.x + threadIdx.x] =
      column < inner ? strided_sum(first + threadIdx.y, last, blockDim.y,
                                   [&](std::int64_t row) { return compute_t<From>(from[row * inner]); })
                     : 0.0;
  __syncthreads();
  if (threadIdx.y != 0 || column >= inner) return;
  double total = 0;
  for (unsigned i = 0; i < blockDim.y; ++i) total += part[i * blockDim.x + threadIdx.x];
  y[at * inner + column] = rounded<To>(total * scale);
}

template <class From, class To>
void sum_stage(const From* x, std::int64_t outer, std::int64_t rows, std::int64_t inner, Chunks chunks, double scale,
               To* y) {
  if (inner == 1)
    return each_row("sum", SumRows<From, To>{x, rows, chunks.size, chunks.count, scale, y}, outer * chunks.count,
                    chunks.size < rows ? chunks.size : rows);
  const unsigned deep = rows < 8 ? 1 : 8;
  const dim3 threads(block_threads / deep, deep);
  const std::int64_t tiles = divide_up(inner, threads.x);
  launch("sum", sum_columns<From, To>, outer * chunks.count * tiles, threads, x, rows, inner, chunks, tiles, scale, y);
}

/// (outer, reduced, inner) -> (outer, inner)
template <class T>
void sum_three_axes(const T* x, std::int64_t outer, std::int64_t reduced, std::int64_t inner, double scale, T* y) {
  const Chunks chunks = inner == 1 ? Chunks(reduced, 1 << 13, 1024) : Chunks(reduced, 128, 512);
  if (chunks.count == 1) return sum_stage(x, outer, reduced, inner, chunks, scale, y);
  const Scratch partial(static_cast<std::size_t>(outer * chunks.count * inner) * sizeof(double));
  sum_stage(x, outer, reduced, inner, chunks, 1.0, partial.as<double>());
  sum_stage(partial.as<const double>(), outer, chunks.count, inner, Chunks(chunks.count, chunks.count, 1), scale, y);
}

/// Axes taken here and there: a block an output.
template <class T>
__global__ void sum_scattered(const T* x, SumPlan plan, std::int64_t taken, double scale, T* y) {
  std::int64_t base[1];
  plan.kept.offsets(static_cast<std::int64_t>(blockIdx.x), base);
  const double total = group_sum<block_threads>(strided_sum(threadIdx.x, taken, block_threads, [&](std::int64_t i) {
    std::int64_t at[1];
    plan.taken.offsets(i, at);
    return compute_t<T>(x[base[0] + at[0]]);
  }));
  if (threadIdx.x == 0) y[blockIdx.x] = rounded<T>(total * scale);
}

/// The larger of two candidates, the earlier of equals.
template <class A>
struct Best {
  A value;
  std::int64_t index;
  __device__ void meet(A other, std::int64_t at) {
    if (other > value || (other == value && at < index)) {
      value = other;
      index = at;
    }
  }
};

/// As a loop that asks `x > best` would find it: a NaN in first place stays, others never win.
template <class T>
struct MaxRows {
  const T* x;
  T* y;
  std::int64_t* index;

  template <int Threads>
  __device__ void run(std::int64_t row, std::int64_t n, int place) const {
    static_assert(Threads == 32);
    using A = compute_t<T>;
    const T* from = x + row * n;
    Best<A> best{A(from[0]), 0};
    for (std::int64_t i = place; i < n; i += Threads) best.meet(A(from[i]), i);
    for (int lane = 16; lane > 0; lane >>= 1) {
      const A value = __shfl_xor_sync(0xffffffffu, best.value, lane);
      const long long at = __shfl_xor_sync(0xffffffffu, static_cast<long long>(best.index), lane);
      best.meet(value, at);
    }
    if (place != 0) return;
    y[row] = from[best.index];
    index[row] = best.index;
  }
};

template <class T>
__global__ void max_columns(const T* x, std::int64_t n, std::int64_t inner, std::int64_t count, T* y,
                            std::int64_t* index) {
  using A = compute_t<T>;
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    const T* from = x + i / inner * n * inner + i % inner;
    Best<A> best{A(from[0]), 0};
    for (std::int64_t j = 1; j < n; ++j) best.meet(A(from[j * inner]), j);
    y[i] = from[best.index * inner];
    index[i] = best.index;
  }
}

}  // namespace detail

inline void sum_to(View x, double scale, View y) {
  if (y.count() == 0) return;
  if (x.count() == 0) return fill(y, 0);
  dispatch_compute("sum", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::int64_t sizes[3];
    if (as_three_axes(x.shape, y.shape, sizes))
      return detail::sum_three_axes(x.as<const T>(), sizes[0], sizes[1], sizes[2], scale, y.as<T>());
    const SumPlan plan(x.shape, y.shape);
    launch("sum", detail::sum_scattered<T>, y.count(), block_threads, x.as<const T>(), plan, plan.taken.count(), scale,
           y.as<T>());
  });
}

inline void max_axis(View x, int axis, View y, View index) {
  const std::int64_t n = x.shape[axis], inner = x.shape.count(axis + 1, x.shape.rank), count = y.count();
  if (count == 0) return;
  dispatch_compute("max", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (inner == 1)
      launch("max", rows_kernel<32, detail::MaxRows<T>>, divide_up(count, block_threads / 32), block_threads,
             detail::MaxRows<T>{x.as<const T>(), y.as<T>(), index.as<std::int64_t>()}, count, n);
    else
      launch("max", detail::max_columns<T>, blocks_for(count), block_threads, x.as<const T>(), n, inner, count,
             y.as<T>(), index.as<std::int64_t>());
  });
}

}  // namespace contrastive::cuda
