// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "contrastive/core/dtype.hpp"
#include "contrastive/kernels/cuda/context.cuh"

/// Sums in a fixed order: by threads in strides, by a butterfly in a warp, and by warps in turn. No atomics anywhere.
namespace contrastive::cuda {

/// The value of a sum or a statistic in the type it is stored in.
template <class To>
__device__ To rounded(double value) {
  return To(static_cast<compute_t<To>>(value));
}

template <class T>
__device__ T warp_sum(T value) {
  for (int lane = 16; lane > 0; lane >>= 1) value += __shfl_xor_sync(0xffffffffu, value, lane);
  return value;
}

template <class T>
__device__ T warp_max(T value) {
  for (int lane = 16; lane > 0; lane >>= 1) {
    const T other = __shfl_xor_sync(0xffffffffu, value, lane);
    value = other > value ? other : value;
  }
  return value;
}

/// Sum over a group of threads, a warp or a block of that many; each thread gets it.
template <int Threads, class T>
__device__ T group_sum(T value) {
  value = warp_sum(value);
  if constexpr (Threads > 32) {
    __shared__ T part[Threads / 32];
    __syncthreads();  // earlier readers are done
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = value;
    __syncthreads();
    value = part[0];
    for (int warp = 1; warp < Threads / 32; ++warp) value += part[warp];
  }
  return value;
}

template <int Threads, class T>
__device__ T group_max(T value) {
  value = warp_max(value);
  if constexpr (Threads > 32) {
    __shared__ T part[Threads / 32];
    __syncthreads();
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = value;
    __syncthreads();
    value = part[0];
    for (int warp = 1; warp < Threads / 32; ++warp) value = part[warp] > value ? part[warp] : value;
  }
  return value;
}

/// Sum of f(i) over i = first, first + step, ... < last: short runs in the type of f, joined in double.
template <class F>
__device__ double strided_sum(std::int64_t first, std::int64_t last, std::int64_t step, const F& f) {
  constexpr int run = 32;
  double total = 0;
  while (first < last) {
    decltype(f(first)) part = 0;
    for (int k = 0; k < run && first < last; ++k, first += step) part += f(first);
    total += static_cast<double>(part);
  }
  return total;
}

/// One row is the work of `Threads` threads: `op.template run<Threads>(row, n, place among them)`.
template <int Threads, class Op>
__global__ void rows_kernel(Op op, std::int64_t rows, std::int64_t n) {
  const std::int64_t row = std::int64_t{blockIdx.x} * (block_threads / Threads) + threadIdx.x / Threads;
  if (row < rows) op.template run<Threads>(row, n, static_cast<int>(threadIdx.x % Threads));
}

/// Runs `op` over rows of n: a warp for short rows, a block for long ones.
template <class Op>
void each_row(Call call, const Op& op, std::int64_t rows, std::int64_t n) {
  if (n <= 1024)
    launch(call, rows_kernel<32, Op>, divide_up(rows, block_threads / 32), block_threads, op, rows, n);
  else
    launch(call, rows_kernel<block_threads, Op>, rows, block_threads, op, rows, n);
}

}  // namespace contrastive::cuda
