// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "contrastive/kernels/cpu/gemm.hpp"
#include "contrastive/kernels/cpu/memory.hpp"

/// Convolution over (N, H, W, C) by unrolling windows into rows and multiplying. It stands in where oneDNN is absent,
/// serves f64, and is the convolution of deterministic mode. f32 and f64; bf16 comes widened.
namespace contrastive::cpu {

namespace detail {

struct ConvShape {
  std::int64_t N, H, W, C, OH, OW, O;
  WindowSpec spec;

  std::int64_t window() const { return std::int64_t{spec.kernel} * spec.kernel * C; }
  bool pointwise() const { return spec.kernel == 1 && spec.stride == 1 && spec.padding == 0; }
  /// Output rows (pixels) unrolled at a time: at most about 4 million elements, whole images where possible.
  std::int64_t rows_at_once() const {
    const std::int64_t limit =
        std::max<std::int64_t>(OW, (std::int64_t{1} << 22) / std::max<std::int64_t>(1, window()));
    const std::int64_t image = OH * OW;
    return limit >= image ? limit / std::max<std::int64_t>(1, image) * image : limit / OW * OW;
  }
};

/// f(source or null, column) for each window cell of output pixel `row`.
template <class F>
void each_window_cell(const ConvShape& s, std::int64_t row, F&& f) {
  const std::int64_t ox = row % s.OW, oy = row / s.OW % s.OH, n = row / (s.OW * s.OH);
  for (int ky = 0; ky < s.spec.kernel; ++ky) {
    const std::int64_t iy = oy * s.spec.stride - s.spec.padding + ky;
    for (int kx = 0; kx < s.spec.kernel; ++kx) {
      const std::int64_t ix = ox * s.spec.stride - s.spec.padding + kx;
      const bool inside = iy >= 0 && iy < s.H && ix >= 0 && ix < s.W;
      f(inside ? ((n * s.H + iy) * s.W + ix) * s.C : std::int64_t{-1}, (ky * s.spec.kernel + kx) * s.C);
    }
  }
}

template <class T>
void unroll(const T* x, const ConvShape& s, std::int64_t first, std::int64_t rows, T* out) {
  const std::int64_t window = s.window();
  parallel_for(rows, grain_for(window), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      each_window_cell(s, first + r, [&](std::int64_t source, std::int64_t column) {
        T* to = out + r * window + column;
        if (source >= 0)
          std::copy(x + source, x + source + s.C, to);
        else
          std::fill(to, to + s.C, T(0));
      });
  });
}

/// Adds the unrolled gradient back; the images of the range are shared out, so no two threads meet.
template <class T>
void fold(const T* columns, const ConvShape& s, std::int64_t first, std::int64_t rows, T* dx) {
  const std::int64_t image = s.OH * s.OW, window = s.window();
  const std::int64_t first_image = first / image, last_image = (first + rows + image - 1) / image;
  parallel_for(last_image - first_image, 1, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t from = std::max(first, (first_image + begin) * image);
    const std::int64_t to = std::min(first + rows, (first_image + end) * image);
    for (std::int64_t row = from; row < to; ++row)
      each_window_cell(s, row, [&](std::int64_t source, std::int64_t column) {
        if (source < 0) return;
        const T* at = columns + (row - first) * window + column;
        for (std::int64_t c = 0; c < s.C; ++c) dx[source + c] += at[c];
      });
  });
}

template <class T>
View matrix(T* data, std::int64_t rows, std::int64_t columns) {
  return {const_cast<std::remove_const_t<T>*>(data), Shape{rows, columns}, dtype_of<std::remove_const_t<T>>,
          Device::cpu};
}

inline ConvShape conv_shape(const View& x, const View& y, WindowSpec spec) {
  return {x.shape[0], x.shape[1], x.shape[2], x.shape[3], y.shape[1], y.shape[2], y.shape[3], spec};
}

template <class F>
void f32_or_f64(DType dtype, F&& f) {
  require(dtype == DType::f32 || dtype == DType::f64, "[conv2d] computes in f32 or f64, got ", to_string(dtype));
  return dtype == DType::f64 ? f(contrastive::detail::TypeTag<double>{}) : f(contrastive::detail::TypeTag<float>{});
}

inline View flat_weight(View w) {
  w.shape = Shape{w.shape[0], w.shape.count(1, w.shape.rank)};
  return w;
}

}  // namespace detail

inline void own_conv2d(View x, View w, View y, WindowSpec spec) {
  const detail::ConvShape s = detail::conv_shape(x, y, spec);
  detail::f32_or_f64(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const std::int64_t rows = s.N * s.OH * s.OW, step = s.rows_at_once();
    thread_local Buffer<T> columns;
    for (std::int64_t first = 0; first < rows; first += step) {
      const std::int64_t n = std::min(step, rows - first);
      const T* data = x.as<T>() + first * s.C;
      if (!s.pointwise()) {
        T* const part = columns.resize(n * s.window());
        detail::unroll(x.as<T>(), s, first, n, part);
        data = part;
      }
      own_matmul(detail::matrix(data, n, s.window()), detail::flat_weight(w),
                 detail::matrix(y.as<T>() + first * s.O, n, s.O), {.transpose_b = true});
    }
  });
}

inline void own_conv2d_grad_input(View dy, View w, View dx, WindowSpec spec, bool add) {
  const detail::ConvShape s = detail::conv_shape(dx, dy, spec);
  detail::f32_or_f64(dy.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const std::int64_t rows = s.N * s.OH * s.OW, step = s.rows_at_once();
    if (s.pointwise())
      return own_matmul(detail::matrix(dy.as<T>(), rows, s.O), detail::flat_weight(w),
                        detail::matrix(dx.as<T>(), rows, s.C), {.beta = add ? 1.0 : 0.0});
    thread_local Buffer<T> columns;
    if (!add) fill(dx, 0);
    for (std::int64_t first = 0; first < rows; first += step) {
      const std::int64_t n = std::min(step, rows - first);
      T* const part = columns.resize(n * s.window());
      own_matmul(detail::matrix(dy.as<T>() + first * s.O, n, s.O), detail::flat_weight(w),
                 detail::matrix(part, n, s.window()), {});
      detail::fold(part, s, first, n, dx.as<T>());
    }
  });
}

inline void own_conv2d_grad_weight(View x, View dy, View dw, WindowSpec spec, bool add) {
  const detail::ConvShape s = detail::conv_shape(x, dy, spec);
  if (dw.count() == 0) return;
  detail::f32_or_f64(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const std::int64_t rows = s.N * s.OH * s.OW, step = s.rows_at_once();
    thread_local Buffer<T> columns;
    for (std::int64_t first = 0; first < rows; first += step) {
      const std::int64_t n = std::min(step, rows - first);
      const T* data = x.as<T>() + first * s.C;
      if (!s.pointwise()) {
        T* const part = columns.resize(n * s.window());
        detail::unroll(x.as<T>(), s, first, n, part);
        data = part;
      }
      own_matmul(detail::matrix(dy.as<T>() + first * s.O, n, s.O), detail::matrix(data, n, s.window()),
                 detail::flat_weight(dw), {.transpose_a = true, .beta = add || first ? 1.0 : 0.0});
    }
  });
}

}  // namespace contrastive::cpu
