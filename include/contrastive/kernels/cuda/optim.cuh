// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/kernels/cuda/group.cuh"
#include "contrastive/kernels/cuda/index.cuh"
#include "contrastive/kernels/table.hpp"

/// Optimiser steps, one pass over the memory. The formulas stand in kernels/list.def. What changes from
/// step to step is read on the device.
namespace contrastive::cuda {

namespace detail {

template <class F>
decltype(auto) dispatch_parameter(const char* op, DType dtype, F&& f) {
  if (dtype == DType::f32) return f(contrastive::detail::TypeTag<float>{});
  if (dtype == DType::f64) return f(contrastive::detail::TypeTag<double>{});
  fail("[", op, "] parameters are f32 or f64, got ", to_string(dtype));
}

template <class T>
__global__ void sgd_kernel(std::int64_t n, T* p, const T* g, T* buffer, const T* trust, const SgdHyper<T>* hyper) {
  const SgdHyper<T> h = *hyper;
  const bool inside = h.lr_in_buffer != T(0), nesterov = h.nesterov != T(0);
  const T scale = trust ? trust[0] : T(1), decay = trust ? trust[1] : h.weight_decay;
  const T lr_inside = inside ? h.lr : T(1), lr_outside = inside ? T(1) : h.lr;
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) {
    T u = lr_inside * (scale * (g[i] + decay * p[i]));
    if (buffer) {
      const T b = h.momentum * buffer[i] + u;
      buffer[i] = b;
      u = nesterov ? u + h.momentum * b : b;
    }
    p[i] -= lr_outside * u;
  }
}

template <class T>
__global__ void adamw_kernel(std::int64_t n, T* p, const T* g, T* m, T* v, const AdamHyper<T>* hyper) {
  const AdamHyper<T> h = *hyper;
  const bool decoupled = h.decoupled != T(0);
  const T keep = decoupled ? T(1) - h.lr * h.weight_decay : T(1), l2 = decoupled ? T(0) : h.weight_decay;
  const T rate = h.lr / h.correction1, unbias = T(1) / std::sqrt(h.correction2);
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) {
    const T d = g[i] + l2 * p[i];
    const T first = h.beta1 * m[i] + h.gain1 * d, second = h.beta2 * v[i] + h.gain2 * d * d;
    m[i] = first;
    v[i] = second;
    p[i] = keep * p[i] - rate * first / (std::sqrt(second) * unbias + h.eps);
  }
}

template <class T, class Keep>
__global__ void lerp_kernel(std::int64_t n, T* target, const T* source, const Keep* keep) {
  const T k = static_cast<T>(*keep);
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step)
    target[i] = k * target[i] + (T(1) - k) * source[i];
}

/// Sums of squares of chunks: of x into sums[0, chunks), and of y + a x into the next, where y is there and a is read
/// from `decay` (0 where null).
template <class T>
__global__ void squares_kernel(const T* x, const T* y, const compute_t<T>* decay, std::int64_t n, Chunks chunks,
                               double* sums) {
  const std::int64_t first = blockIdx.x * chunks.size;
  const std::int64_t last = first + chunks.size < n ? first + chunks.size : n;
  const double a = decay ? static_cast<double>(*decay) : 0.0;
  double s = 0, t = 0;
  for (std::int64_t i = first + threadIdx.x; i < last; i += block_threads) {
    const auto value = static_cast<double>(static_cast<compute_t<T>>(x[i]));
    s += value * value;
    if (y) {
      const double other = static_cast<double>(static_cast<compute_t<T>>(y[i])) + a * value;
      t += other * other;
    }
  }
  s = group_sum<block_threads>(s);
  t = group_sum<block_threads>(t);
  if (threadIdx.x != 0) return;
  sums[blockIdx.x] = s;
  if (y) sums[chunks.count + blockIdx.x] = t;
}

__device__ inline double join_chunks(const double* sums, std::int64_t count) {
  double total = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += block_threads) total += sums[i];
  return group_sum<block_threads>(total);
}

template <class To>
__global__ void finish_squares(const double* sums, std::int64_t count, To* y) {
  const double total = join_chunks(sums, count);
  if (threadIdx.x == 0) *y = static_cast<To>(total);
}

template <class T>
__global__ void finish_trust(const double* sums, std::int64_t count, const SgdHyper<T>* hyper, T* trust) {
  const double p_norm = std::sqrt(join_chunks(sums, count)), g_norm = std::sqrt(join_chunks(sums + count, count));
  if (threadIdx.x != 0) return;
  const SgdHyper<T> h = *hyper;
  const bool decayed = h.decayed_norm != T(0);
  double ratio = 1, decay = h.weight_decay;
  if (p_norm > 0 && g_norm > 0) {
    ratio = h.trust * p_norm / (decayed ? g_norm : g_norm + p_norm * h.weight_decay + h.eps);
    if (h.clip != T(0)) ratio = ratio < h.lr ? ratio / h.lr : 1;
  } else if (!decayed) {
    decay = 0;
  }
  trust[0] = static_cast<T>(ratio);
  trust[1] = static_cast<T>(decay);
}

/// What `trust_ratio` adds of p to g before it takes the norm.
template <class T>
__global__ void trust_decay(const SgdHyper<T>* hyper, T* decay) {
  *decay = hyper->decayed_norm != T(0) ? hyper->weight_decay : T(0);
}

inline Chunks square_chunks(std::int64_t n) { return Chunks(n, 1 << 14, 1024); }

}  // namespace detail

inline void sgd(View p, View g, View buffer, View trust, View hyper) {
  detail::dispatch_parameter("sgd", p.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch("sgd", detail::sgd_kernel<T>, blocks_for(p.count()), block_threads, p.count(), p.as<T>(), g.as<const T>(),
           buffer.as<T>(), trust.as<const T>(), hyper.as<const SgdHyper<T>>());
  });
}

inline void trust_ratio(View p, View g, View hyper, View trust) {
  detail::dispatch_parameter("trust_ratio", p.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Chunks chunks = detail::square_chunks(p.count());
    const Scratch memory(static_cast<std::size_t>(2 * chunks.count) * sizeof(double)), decay(sizeof(T));
    double* sums = memory.as<double>();
    launch("trust_ratio", detail::trust_decay<T>, 1, 1, hyper.as<const SgdHyper<T>>(), decay.as<T>());
    launch("trust_ratio", detail::squares_kernel<T>, chunks.count, block_threads, p.as<const T>(), g.as<const T>(),
           decay.as<const T>(), p.count(), chunks, sums);
    launch("trust_ratio", detail::finish_trust<T>, 1, block_threads, sums, chunks.count, hyper.as<const SgdHyper<T>>(),
           trust.as<T>());
  });
}

inline void adamw(View p, View g, View m, View v, View hyper) {
  detail::dispatch_parameter("adamw", p.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch("adamw", detail::adamw_kernel<T>, blocks_for(p.count()), block_threads, p.count(), p.as<T>(),
           g.as<const T>(), m.as<T>(), v.as<T>(), hyper.as<const AdamHyper<T>>());
  });
}

inline void lerp(View target, View source, View keep) {
  detail::dispatch_parameter("lerp", target.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const std::int64_t n = target.count(), blocks = blocks_for(n);
    if (keep.dtype == DType::f64)
      launch("lerp", detail::lerp_kernel<T, double>, blocks, block_threads, n, target.as<T>(), source.as<const T>(),
             keep.as<const double>());
    else
      launch("lerp", detail::lerp_kernel<T, float>, blocks, block_threads, n, target.as<T>(), source.as<const T>(),
             keep.as<const float>());
  });
}

inline void sum_squares(View x, View y) {
  dispatch_compute("sum_squares", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const Chunks chunks = detail::square_chunks(x.count());
    const Scratch memory(static_cast<std::size_t>(chunks.count) * sizeof(double));
    launch("sum_squares", detail::squares_kernel<T>, chunks.count, block_threads, x.as<const T>(),
           static_cast<const T*>(nullptr), static_cast<const compute_t<T>*>(nullptr), x.count(), chunks,
           memory.as<double>());
    if (y.dtype == DType::f64)
      launch("sum_squares", detail::finish_squares<double>, 1, block_threads, memory.as<const double>(), chunks.count,
             y.as<double>());
    else
      launch("sum_squares", detail::finish_squares<float>, 1, block_threads, memory.as<const double>(), chunks.count,
             y.as<float>());
  });
}

}  // namespace contrastive::cuda
