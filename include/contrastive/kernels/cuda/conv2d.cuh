// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/kernels/cuda/gemm.cuh"
#include "contrastive/kernels/cuda/index.cuh"
#if defined(CONTRASTIVE_WITH_CUDNN)
#include "contrastive/kernels/cuda/cudnn.cuh"
#endif

/// Convolution over (N, H, W, C): cuDNN's where it is built in and has an algorithm, else windows unrolled into rows
/// and multiplied.
namespace contrastive::cuda {

namespace detail {

struct ConvShape {
  std::int64_t N, H, W, C, OH, OW, O;
  WindowSpec spec;
  ConvShape(const View& x, const View& y, WindowSpec window)
      : N(x.shape[0]),
        H(x.shape[1]),
        W(x.shape[2]),
        C(x.shape[3]),
        OH(y.shape[1]),
        OW(y.shape[2]),
        O(y.shape[3]),
        spec(window) {}

  CONTRASTIVE_HD std::int64_t window() const { return std::int64_t{spec.kernel} * spec.kernel * C; }
  bool pointwise() const { return spec.kernel == 1 && spec.stride == 1 && spec.padding == 0; }
  /// Images unrolled at a time: about 32 million elements.
  std::int64_t images_at_once() const {
    return std::max<std::int64_t>(1, (std::int64_t{1} << 25) / std::max<std::int64_t>(1, OH * OW * window()));
  }
};

/// columns (n OH OW, k k C) of images [first, ..): the cell of each window, or zero outside the image.
template <class T>
__global__ void unroll_kernel(const T* x, ConvShape s, std::int64_t first_image, std::int64_t count, T* columns) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x, window = s.window();
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    const std::int64_t row = i / window, cell = i % window, c = cell % s.C;
    const int place = static_cast<int>(cell / s.C);
    const std::int64_t ox = row % s.OW, oy = row / s.OW % s.OH, n = first_image + row / s.OW / s.OH;
    const std::int64_t iy = oy * s.spec.stride - s.spec.padding + place / s.spec.kernel;
    const std::int64_t ix = ox * s.spec.stride - s.spec.padding + place % s.spec.kernel;
    const bool inside = iy >= 0 && iy < s.H && ix >= 0 && ix < s.W;
    columns[i] = inside ? x[((n * s.H + iy) * s.W + ix) * s.C + c] : T(compute_t<T>(0));
  }
}

/// The way back: each input cell gathers from the windows that cover it, in order.
template <class T>
__global__ void fold_kernel(const compute_t<T>* columns, ConvShape s, std::int64_t count, T* dx) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x, window = s.window();
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    const std::int64_t c = i % s.C, ix = i / s.C % s.W, iy = i / s.C / s.W % s.H, n = i / s.C / s.W / s.H;
    const WindowRange rows(iy, s.spec.kernel, s.spec.stride, s.spec.padding, s.OH);
    const WindowRange across(ix, s.spec.kernel, s.spec.stride, s.spec.padding, s.OW);
    compute_t<T> total = 0;
    for (std::int64_t oy = rows.first; oy <= rows.last; ++oy)
      for (std::int64_t ox = across.first; ox <= across.last; ++ox) {
        const std::int64_t ky = iy + s.spec.padding - oy * s.spec.stride, kx = ix + s.spec.padding - ox * s.spec.stride;
        total += columns[((n * s.OH + oy) * s.OW + ox) * window + (ky * s.spec.kernel + kx) * s.C + c];
      }
    dx[i] = T(total);
  }
}

template <class T>
View matrix(const T* data, std::int64_t rows, std::int64_t columns) {
  return {const_cast<T*>(data), Shape{rows, columns}, dtype_of<T>, Device::cuda};
}

inline View flat_weight(View w) {
  w.shape = Shape{w.shape[0], w.shape.count(1, w.shape.rank)};
  return w;
}

/// f(first image, images, their windows as rows) over the batch.
template <class T, class F>
void each_unrolled(const View& x, const ConvShape& s, F&& f) {
  const std::int64_t image = s.OH * s.OW, at_once = s.pointwise() ? s.N : std::min(s.N, s.images_at_once());
  std::optional<Scratch> memory;
  if (!s.pointwise()) memory.emplace(static_cast<std::size_t>(at_once * image * s.window()) * sizeof(T));
  for (std::int64_t first = 0; first < s.N; first += at_once) {
    const std::int64_t n = std::min(at_once, s.N - first), count = n * image * s.window();
    if (memory)
      launch("unroll", unroll_kernel<T>, blocks_for(count), block_threads, x.as<const T>(), s, first, count,
             memory->as<T>());
    f(first, n, matrix<T>(memory ? memory->as<T>() : x.as<T>(), n * image, s.window()));
  }
}

}  // namespace detail

inline void own_conv2d(View x, View w, View y, WindowSpec spec) {
  const detail::ConvShape s(x, y, spec);
  const std::int64_t image = s.OH * s.OW;
  dispatch_compute("conv2d", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    detail::each_unrolled<T>(x, s, [&](std::int64_t first, std::int64_t n, View columns) {
      matmul(columns, detail::flat_weight(w), detail::matrix<T>(y.as<T>() + first * image * s.O, n * image, s.O),
             {.transpose_b = true});
    });
  });
}

inline void own_conv2d_grad_input(View dy, View w, View dx, WindowSpec spec) {
  const detail::ConvShape s(dx, dy, spec);
  const std::int64_t image = s.OH * s.OW, at_once = std::min(s.N, s.images_at_once());
  dispatch_compute("conv2d", dy.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const Scratch memory(static_cast<std::size_t>(at_once * image * s.window()) * sizeof(A));
    for (std::int64_t first = 0; first < s.N; first += at_once) {
      const std::int64_t n = std::min(at_once, s.N - first), count = n * s.H * s.W * s.C;
      matmul(detail::matrix<T>(dy.as<T>() + first * image * s.O, n * image, s.O), detail::flat_weight(w),
             detail::matrix<A>(memory.as<A>(), n * image, s.window()), {});
      launch("fold", detail::fold_kernel<T>, blocks_for(count), block_threads, memory.as<const A>(), s, count,
             dx.as<T>() + first * s.H * s.W * s.C);
    }
  });
}

inline void own_conv2d_grad_weight(View x, View dy, View dw, WindowSpec spec) {
  const detail::ConvShape s(x, dy, spec);
  const std::int64_t image = s.OH * s.OW;
  dispatch_compute("conv2d", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    detail::each_unrolled<T>(x, s, [&](std::int64_t first, std::int64_t n, View columns) {
      matmul(detail::matrix<T>(dy.as<T>() + first * image * s.O, n * image, s.O), columns, detail::flat_weight(dw),
             {.transpose_a = true, .beta = first ? 1.0 : 0.0});
    });
  });
}

inline void conv2d(View x, View w, View y, WindowSpec spec) {
  if (y.count() == 0) return;
  if (x.count() == 0) return fill(y, 0);
#if defined(CONTRASTIVE_WITH_CUDNN)
  if (cudnn::conv2d(x, w, y, spec)) return;
#endif
  own_conv2d(x, w, y, spec);
}

/// No pass of its own: the statistics are a second look.
inline bool conv2d_with_stats(View, View, View, View, View, WindowSpec) { return false; }

namespace detail {
/// A gradient that is overwritten becomes one that is added to: `write` fills an array like `sum`.
template <class F>
void added(View sum, F&& write) {
  const Scratch memory(static_cast<std::size_t>(sum.count()) * size_of(sum.dtype));
  const View part{memory.as<void>(), sum.shape, sum.dtype, Device::cuda};
  write(part);
  accumulate(part, sum);
}
}  // namespace detail

inline void conv2d_grad_input(View dy, View w, View dx, WindowSpec spec, bool add) {
  if (dx.count() == 0) return;
  if (dy.count() == 0) return add ? void() : fill(dx, 0);
  if (add) return detail::added(dx, [&](View part) { conv2d_grad_input(dy, w, part, spec, false); });
#if defined(CONTRASTIVE_WITH_CUDNN)
  if (cudnn::conv2d_grad_input(dy, w, dx, spec)) return;
#endif
  own_conv2d_grad_input(dy, w, dx, spec);
}

inline void conv2d_grad_weight(View x, View dy, View dw, WindowSpec spec, bool add) {
  if (dw.count() == 0) return;
  if (x.count() == 0 || dy.count() == 0) return add ? void() : fill(dw, 0);
  if (add) return detail::added(dw, [&](View part) { conv2d_grad_weight(x, dy, part, spec, false); });
#if defined(CONTRASTIVE_WITH_CUDNN)
  if (cudnn::conv2d_grad_weight(x, dy, dw, spec)) return;
#endif
  own_conv2d_grad_weight(x, dy, dw, spec);
}

}  // namespace contrastive::cuda
