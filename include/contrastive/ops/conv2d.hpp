// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

namespace detail {
inline Shape window_shape(const char* op, const Shape& x, std::int64_t channels, const WindowSpec& spec) {
  require(spec.kernel >= 1 && spec.stride >= 1 && spec.padding >= 0, "[", op, "] kernel ", spec.kernel, ", stride ",
          spec.stride, ", padding ", spec.padding, " make no window");
  const std::int64_t height = window_output(x[1], spec), width = window_output(x[2], spec);
  require(x[1] + 2 * spec.padding >= spec.kernel && x[2] + 2 * spec.padding >= spec.kernel, "[", op, "] a window of ",
          spec.kernel, " does not fit an image of ", x, " with padding ", spec.padding);
  return {x[0], height, width, channels};
}
}  // namespace detail

/// Convolution: x (N, H, W, C), w (O, k, k, C) -> (N, H', W', O). With bf16 x the weights may stay f32.
inline Tensor conv2d(const Tensor& x, const Tensor& w, WindowSpec spec) {
  require(x.rank() == 4 && w.rank() == 4 && x.size(3) == w.size(3) && w.size(1) == w.size(2),
          "[conv2d] expected x (N, H, W, C) and w (O, k, k, C), got ", x.shape(), " and ", w.shape());
  check_devices("conv2d", {&x, &w});
  spec.kernel = static_cast<int>(w.size(1));
  const Tensor y(detail::window_shape("conv2d", x.shape(), w.size(0), spec), x.dtype(), x.device());
  x.kernels().conv2d(x.view(), w.view(), y.view(), spec);
  if (!recording({&x, &w})) return y;
  return record(y, [dx = Grad(x), dw = Grad(w), x = x.detach(), w = w.detach(), spec](const Tensor& dy) {
    if (dw) {
      const Tensor d(w.shape(), w.dtype(), w.device());
      x.kernels().conv2d_grad_weight(x.view(), dy.view(), d.view(), spec);
      dw.add(d);
    }
    if (dx) {
      const Tensor d(x.shape(), x.dtype(), x.device());
      x.kernels().conv2d_grad_input(dy.view(), w.view(), d.view(), spec);
      dx.add(d);
    }
  });
}

}  // namespace contrastive
