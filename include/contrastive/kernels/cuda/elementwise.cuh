// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/kernels/cuda/context.cuh"
#include "contrastive/kernels/cuda/index.cuh"
#include "contrastive/kernels/functors.hpp"
#include "contrastive/kernels/table.hpp"

/// Elementwise kernels: threads move 16 bytes at a time where every array is aligned, and single elements elsewhere.
namespace contrastive::cuda {

namespace detail {

template <class T, int Width>
struct alignas(sizeof(T) * Width) Pack {
  T at[Width];
};

/// y[i] = op(x[i]...): `packs` of Width elements first, then what is left.
template <int Width, class Op, class Y, class... X>
__global__ void each_element(Op op, std::int64_t packs, std::int64_t n, Y* y, const X*... x) {
  const std::int64_t first = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t p = first; p < packs; p += step) {
    Pack<Y, Width> out;
    [&](const Pack<X, Width>... in) {
#pragma unroll
      for (int j = 0; j < Width; ++j) out.at[j] = op(in.at[j]...);
    }(reinterpret_cast<const Pack<X, Width>*>(x)[p]...);
    reinterpret_cast<Pack<Y, Width>*>(y)[p] = out;
  }
  for (std::int64_t i = packs * Width + first; i < n; i += step) y[i] = op(x[i]...);
}

/// y = op(x...) over n elements. y may be one of x.
template <class Op, class Y, class... X>
void apply(Call call, const Op& op, std::int64_t n, Y* y, const X*... x) {
  constexpr int width = static_cast<int>(16 / std::max({sizeof(Y), sizeof(X)...}));
  const auto aligned = [](const void* data, std::size_t size) {
    return reinterpret_cast<std::uintptr_t>(data) % (size * width) == 0;
  };
  const std::int64_t packs = aligned(y, sizeof(Y)) && (aligned(x, sizeof(X)) && ...) ? n / width : 0;
  launch(call, each_element<width, Op, Y, X...>, blocks_for(packs ? packs + width : n), block_threads, op, packs, n, y,
         x...);
}

template <class F, class T>
struct MapOp {
  compute_t<T> a;
  __device__ T operator()(T x) const { return T(F::f(compute_t<T>(x), a)); }
  __device__ T with(T x, compute_t<T> bias) const { return T(F::f(compute_t<T>(x) + bias, a)); }
};

template <class F, class T>
struct MapGradOp {
  compute_t<T> a;
  __device__ T operator()(T kept, T dy) const { return at(compute_t<T>(kept), dy); }
  __device__ T with(T kept, T dy, compute_t<T> bias) const { return at(compute_t<T>(kept) + bias, dy); }
  __device__ T at(compute_t<T> kept, T dy) const {
    if constexpr (functors::from_y<F>)
      return T(compute_t<T>(dy) * F::df_at_y(kept, a));
    else
      return T(compute_t<T>(dy) * F::df(kept, a));
  }
};

/// y[i] = op.with(x[i]..., bias of its channel)
template <class Op, class T, class... X>
__global__ void each_with_bias(Op op, std::int64_t n, std::int64_t C, const compute_t<T>* bias, T* y, const X*... x) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step)
    y[i] = op.with(x[i]..., bias[i % C]);
}

template <class F, class T>
struct ZipOp {
  __device__ T operator()(T a, T b) const { return T(F::f(compute_t<T>(a), compute_t<T>(b))); }
};

template <class Op, class T>
__global__ void broadcast_kernel(Op op, Odometer<2> plan, std::int64_t n, const T* a, const T* b, T* y) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) {
    std::int64_t at[2];
    plan.offsets(i, at);
    y[i] = op(a[at[0]], b[at[1]]);
  }
}

}  // namespace detail

template <class F>
void map(View x, View bias, double a, View y) {
  dispatch_compute("map", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const detail::MapOp<F, T> op{static_cast<A>(a)};
    const std::int64_t n = x.count();
    if (!bias.data || n == 0) return detail::apply("map", op, n, y.as<T>(), x.as<const T>());
    launch("map", detail::each_with_bias<detail::MapOp<F, T>, T, T>, blocks_for(n), block_threads, op, n, bias.count(),
           bias.as<const A>(), y.as<T>(), x.as<const T>());
  });
}

template <class F>
void map_grad(View kept, View bias, View dy, double a, View dx) {
  dispatch_compute("map_grad", kept.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const detail::MapGradOp<F, T> op{static_cast<A>(a)};
    const std::int64_t n = kept.count();
    if (!bias.data || n == 0) return detail::apply("map_grad", op, n, dx.as<T>(), kept.as<const T>(), dy.as<const T>());
    launch("map_grad", detail::each_with_bias<detail::MapGradOp<F, T>, T, T, T>, blocks_for(n), block_threads, op, n,
           bias.count(), bias.as<const A>(), dx.as<T>(), kept.as<const T>(), dy.as<const T>());
  });
}

template <class F>
void zip(View a, View b, View y) {
  dispatch_compute("zip", y.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const detail::ZipOp<F, T> op;
    const std::int64_t n = y.count();
    if (n == 0) return;
    if (a.count() == n && b.count() == n)  // then neither is stretched
      return detail::apply("zip", op, n, y.as<T>(), a.as<const T>(), b.as<const T>());
    launch("zip", detail::broadcast_kernel<detail::ZipOp<F, T>, T>, blocks_for(n), block_threads, op,
           broadcast_plan(a.shape, b.shape, y.shape), n, a.as<const T>(), b.as<const T>(), y.as<T>());
  });
}

inline void accumulate(View x, View y) { zip<functors::Add>(y, x, y); }

}  // namespace contrastive::cuda
