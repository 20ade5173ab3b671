// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/kernels/cuda/context.cuh"
#include "contrastive/kernels/cuda/index.cuh"
#include "contrastive/kernels/table.hpp"

/// Pooling over (N, H, W, C). Backward gathers: each input cell asks the windows that cover it, so nothing is added
/// from two places.
namespace contrastive::cuda {

namespace detail {

struct PoolShape {
  std::int64_t H, W, C, OH, OW;
  WindowSpec spec;
  PoolShape(const View& x, const View& y, WindowSpec window)
      : H(x.shape[1]), W(x.shape[2]), C(x.shape[3]), OH(y.shape[1]), OW(y.shape[2]), spec(window) {}
};

/// Place `i` of (N, height, width, C).
struct Cell {
  std::int64_t n, y, x, c;
  __device__ Cell(std::int64_t i, std::int64_t height, std::int64_t width, std::int64_t C) {
    c = i % C;
    x = i / C % width;
    y = i / C / width % height;
    n = i / C / width / height;
  }
};

template <class Op>
__global__ void pool_kernel(Op op, std::int64_t n) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) op(i);
}

template <class T>
struct MaxPool {
  PoolShape s;
  const T* x;
  T* y;
  std::uint8_t* index;
  __device__ void operator()(std::int64_t i) const {
    using A = compute_t<T>;
    const Cell at(i, s.OH, s.OW, s.C);
    A best = 0;
    int place = 0;
    bool first = true;
    for (int ky = 0; ky < s.spec.kernel; ++ky) {
      const std::int64_t iy = at.y * s.spec.stride - s.spec.padding + ky;
      if (iy < 0 || iy >= s.H) continue;
      for (int kx = 0; kx < s.spec.kernel; ++kx) {
        const std::int64_t ix = at.x * s.spec.stride - s.spec.padding + kx;
        if (ix < 0 || ix >= s.W) continue;
        const A value = A(x[((at.n * s.H + iy) * s.W + ix) * s.C + at.c]);
        if (first || value > best || value != value) {
          best = value;
          place = ky * s.spec.kernel + kx;
        }
        first = false;
      }
    }
    y[i] = T(best);
    index[i] = static_cast<std::uint8_t>(place);
  }
};

template <class T>
struct MaxPoolGrad {
  PoolShape s;
  const T* dy;
  const std::uint8_t* index;
  T* dx;
  __device__ void operator()(std::int64_t i) const {
    using A = compute_t<T>;
    const Cell at(i, s.H, s.W, s.C);
    const WindowRange rows(at.y, s.spec.kernel, s.spec.stride, s.spec.padding, s.OH);
    const WindowRange columns(at.x, s.spec.kernel, s.spec.stride, s.spec.padding, s.OW);
    A total = 0;
    for (std::int64_t oy = rows.first; oy <= rows.last; ++oy)
      for (std::int64_t ox = columns.first; ox <= columns.last; ++ox) {
        const std::int64_t from = ((at.n * s.OH + oy) * s.OW + ox) * s.C + at.c;
        const std::int64_t ky = at.y + s.spec.padding - oy * s.spec.stride,
                           kx = at.x + s.spec.padding - ox * s.spec.stride;
        if (index[from] == ky * s.spec.kernel + kx) total += A(dy[from]);
      }
    dx[i] = T(total);
  }
};

template <class T>
struct AvgPool {
  PoolShape s;
  const T* x;
  T* y;
  __device__ void operator()(std::int64_t i) const {
    using A = compute_t<T>;
    const Cell at(i, s.OH, s.OW, s.C);
    A total = 0;
    for (int ky = 0; ky < s.spec.kernel; ++ky)
      for (int kx = 0; kx < s.spec.kernel; ++kx) {
        const std::int64_t iy = at.y * s.spec.stride - s.spec.padding + ky;
        const std::int64_t ix = at.x * s.spec.stride - s.spec.padding + kx;
        if (iy >= 0 && iy < s.H && ix >= 0 && ix < s.W) total += A(x[((at.n * s.H + iy) * s.W + ix) * s.C + at.c]);
      }
    y[i] = T(total * (A(1) / static_cast<A>(s.spec.kernel * s.spec.kernel)));
  }
};

template <class T>
struct AvgPoolGrad {
  PoolShape s;
  const T* dy;
  T* dx;
  __device__ void operator()(std::int64_t i) const {
    using A = compute_t<T>;
    const Cell at(i, s.H, s.W, s.C);
    const WindowRange rows(at.y, s.spec.kernel, s.spec.stride, s.spec.padding, s.OH);
    const WindowRange columns(at.x, s.spec.kernel, s.spec.stride, s.spec.padding, s.OW);
    A total = 0;
    for (std::int64_t oy = rows.first; oy <= rows.last; ++oy)
      for (std::int64_t ox = columns.first; ox <= columns.last; ++ox)
        total += A(dy[((at.n * s.OH + oy) * s.OW + ox) * s.C + at.c]);
    dx[i] = T(total * (A(1) / static_cast<A>(s.spec.kernel * s.spec.kernel)));
  }
};

template <class Op>
void each_cell(Call call, const Op& op, std::int64_t n) {
  launch(call, pool_kernel<Op>, blocks_for(n), block_threads, op, n);
}

}  // namespace detail

/// index holds the place of the largest in the window, ky * kernel + kx; padding is never it.
inline void max_pool(View x, View y, View index, WindowSpec spec) {
  dispatch_compute("max_pool", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    detail::each_cell(
        "max_pool", detail::MaxPool<T>{{x, y, spec}, x.as<const T>(), y.as<T>(), index.as<std::uint8_t>()}, y.count());
  });
}

inline void max_pool_grad(View dy, View index, View dx, WindowSpec spec) {
  dispatch_compute("max_pool", dy.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    detail::each_cell(
        "max_pool_grad",
        detail::MaxPoolGrad<T>{{dx, dy, spec}, dy.as<const T>(), index.as<const std::uint8_t>(), dx.as<T>()},
        dx.count());
  });
}

inline void avg_pool(View x, View y, WindowSpec spec) {
  dispatch_compute("avg_pool", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    detail::each_cell("avg_pool", detail::AvgPool<T>{{x, y, spec}, x.as<const T>(), y.as<T>()}, y.count());
  });
}

inline void avg_pool_grad(View dy, View dx, WindowSpec spec) {
  dispatch_compute("avg_pool", dy.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    detail::each_cell("avg_pool_grad", detail::AvgPoolGrad<T>{{dx, dy, spec}, dy.as<const T>(), dx.as<T>()},
                      dx.count());
  });
}

}  // namespace contrastive::cuda
