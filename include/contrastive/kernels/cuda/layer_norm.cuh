// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/kernels/cuda/group.cuh"
#include "contrastive/kernels/cuda/memory.cuh"
#include "contrastive/kernels/table.hpp"

/// Layer norm over the rows of (rows, D): a group of threads a row; sums of the weight's gradient by chunks of rows,
/// joined in order.
namespace contrastive::cuda {

namespace detail {

template <class T>
struct LayerNormRow {
  using A = compute_t<T>;
  const T* x;
  const A *weight, *bias;
  double eps;
  T* y;
  A *mean, *spread;
  template <int Threads>
  __device__ void run(std::int64_t row, std::int64_t D, int place) const {
    const T* from = x + row * D;
    A total = 0;
    for (std::int64_t i = place; i < D; i += Threads) total += A(from[i]);
    const A m = group_sum<Threads>(total) / A(D);
    A square = 0;
    for (std::int64_t i = place; i < D; i += Threads) square += (A(from[i]) - m) * (A(from[i]) - m);
    square = group_sum<Threads>(square);
    const A scale = A(1 / std::sqrt(double(square) / double(D) + eps));
    if (place == 0) {
      mean[row] = m;
      spread[row] = scale;
    }
    for (std::int64_t i = place; i < D; i += Threads)
      y[row * D + i] = T((A(from[i]) - m) * scale * (weight ? weight[i] : A(1)) + (bias ? bias[i] : A(0)));
  }
};

template <class T>
struct LayerNormGradRow {
  using A = compute_t<T>;
  const T* x;
  const A *mean, *spread, *weight;
  const T* dy;
  T* dx;
  template <int Threads>
  __device__ void run(std::int64_t row, std::int64_t D, int place) const {
    const T *from = x + row * D, *pull = dy + row * D;
    const A m = mean[row], scale = spread[row];
    A sum = 0, product = 0;
    for (std::int64_t i = place; i < D; i += Threads) {
      const A g = A(pull[i]) * (weight ? weight[i] : A(1));
      sum += g;
      product += g * (A(from[i]) - m) * scale;
    }
    sum = group_sum<Threads>(sum) / A(D);
    product = group_sum<Threads>(product) / A(D);
    for (std::int64_t i = place; i < D; i += Threads) {
      const A g = A(pull[i]) * (weight ? weight[i] : A(1));
      dx[row * D + i] = T((g - sum - (A(from[i]) - m) * scale * product) * scale);
    }
  }
};

/// One thread a channel and chunk of rows, `tiles` blocks side by side over the channels; parts (chunks, 2, D).
template <class T>
__global__ void layer_norm_parts(const T* x, const compute_t<T>* mean, const compute_t<T>* spread, const T* dy,
                                 std::int64_t rows, std::int64_t D, std::int64_t tiles, std::int64_t chunk,
                                 double* parts) {
  using A = compute_t<T>;
  const std::int64_t d = blockIdx.x % tiles * blockDim.x + threadIdx.x, part = blockIdx.x / tiles, first = part * chunk;
  if (d >= D) return;
  const std::int64_t last = first + chunk < rows ? first + chunk : rows;
  double* const out = parts + part * 2 * D;
  out[d] = strided_sum(first, last, 1,
                       [&](std::int64_t r) { return A(dy[r * D + d]) * (A(x[r * D + d]) - mean[r]) * spread[r]; });
  out[D + d] = strided_sum(first, last, 1, [&](std::int64_t r) { return A(dy[r * D + d]); });
}

template <class A>
__global__ void layer_norm_join(const double* parts, std::int64_t chunks, std::int64_t D, A* dweight, A* dbias) {
  const std::int64_t d = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (d >= D) return;
  double weight = 0, bias = 0;
  for (std::int64_t c = 0; c < chunks; ++c) {
    weight += parts[c * 2 * D + d];
    bias += parts[c * 2 * D + D + d];
  }
  if (dweight) dweight[d] = A(weight);
  if (dbias) dbias[d] = A(bias);
}

}  // namespace detail

inline void layer_norm(View x, View weight, View bias, double eps, View y, View mean, View spread) {
  if (x.count() == 0) return;
  dispatch_compute("layer_norm", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const std::int64_t D = x.shape[-1];
    each_row("layer_norm",
             detail::LayerNormRow<T>{x.as<const T>(), weight.as<const A>(), bias.as<const A>(), eps, y.as<T>(),
                                     mean.as<A>(), spread.as<A>()},
             x.count() / D, D);
  });
}

inline void layer_norm_grad(LayerNormGradCall call) {
  if (call.x.count() == 0) {
    if (call.dweight.data) fill(call.dweight, 0);
    if (call.dbias.data) fill(call.dbias, 0);
    return;
  }
  dispatch_compute("layer_norm_grad", call.x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const std::int64_t D = call.x.shape[-1], rows = call.x.count() / D;
    if (call.dx.data)
      each_row("layer_norm_grad",
               detail::LayerNormGradRow<T>{call.x.as<const T>(), call.mean.as<const A>(), call.spread.as<const A>(),
                                           call.weight.as<const A>(), call.dy.as<const T>(), call.dx.as<T>()},
               rows, D);
    if (!call.dweight.data && !call.dbias.data) return;
    const std::int64_t chunk = rows > 64 * 1024 ? divide_up(rows, 1024) : 64, chunks = divide_up(rows, chunk);
    const std::int64_t tiles = divide_up(D, block_threads);
    const Scratch parts(static_cast<std::size_t>(chunks * 2 * D) * sizeof(double));
    launch("layer_norm_grad", detail::layer_norm_parts<T>, tiles * chunks, block_threads, call.x.as<const T>(),
           call.mean.as<const A>(), call.spread.as<const A>(), call.dy.as<const T>(), rows, D, tiles, chunk,
           parts.as<double>());
    launch("layer_norm_grad", detail::layer_norm_join<A>, tiles, block_threads, parts.as<const double>(), chunks, D,
           call.dweight.as<A>(), call.dbias.as<A>());
  });
}

}  // namespace contrastive::cuda
