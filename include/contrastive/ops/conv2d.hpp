// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/ops/norm.hpp"

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

inline void check_conv2d(const Tensor& x, const Tensor& w, WindowSpec& spec) {
  require(x.rank() == 4 && w.rank() == 4 && x.size(3) == w.size(3) && w.size(1) == w.size(2),
          "[conv2d] expected x (N, H, W, C) and w (O, k, k, C), got ", x.shape(), " and ", w.shape());
  check_devices("conv2d", {&x, &w});
  spec.kernel = static_cast<int>(w.size(1));
}

inline Tensor record_conv2d(const Tensor& y, const Tensor& x, const Tensor& w, const WindowSpec& spec) {
  if (!recording({&x, &w})) return y;
  return record(
      y, [dx = Grad(x), dw = Grad(w), x = Saved("conv2d", x), w = Saved("conv2d", w), spec](const Tensor& dy) {
        const KernelTable& k = dy.kernels();
        dw.collect(w.like(),
                   [&](const Tensor& d, bool add) { k.conv2d_grad_weight(x->view(), dy.view(), d.view(), spec, add); });
        dx.collect(x.like(),
                   [&](const Tensor& d, bool add) { k.conv2d_grad_input(dy.view(), w->view(), d.view(), spec, add); });
      });
}
}  // namespace detail

/// Convolution: x (N, H, W, C), w (O, k, k, C) -> (N, H', W', O). With bf16 x the weights may stay f32.
inline Tensor conv2d(const Tensor& x, const Tensor& w, WindowSpec spec) {
  detail::check_conv2d(x, w, spec);
  const Tensor y(detail::window_shape("conv2d", x.shape(), w.size(0), spec), x.dtype(), x.device());
  x.kernels().conv2d(x.view(), w.view(), y.view(), spec);
  return detail::record_conv2d(y, x, w, spec);
}

struct ConvolvedWithStatistics {
  Tensor y;          // (N, H', W', O)
  Tensor mean, var;  // (G, O), as `batch_norm_statistics` has them
};

/// conv2d and the statistics of its output for the batch norm that follows, in one pass where the device has one.
inline ConvolvedWithStatistics conv2d_with_statistics(const Tensor& x, const Tensor& w, WindowSpec spec,
                                                      std::int64_t groups = 1) {
  detail::check_conv2d(x, w, spec);
  const Tensor y(detail::window_shape("conv2d", x.shape(), w.size(0), spec), x.dtype(), x.device());
  const auto [mean, var] = detail::room_for_statistics(y, groups);
  const KernelTable& k = x.kernels();
  if (!k.conv2d_with_stats(x.view(), w.view(), y.view(), mean.view(), var.view(), spec)) {
    k.conv2d(x.view(), w.view(), y.view(), spec);
    k.batch_norm_stats(y.view(), mean.view(), var.view());
  }
  return {detail::record_conv2d(y, x, w, spec), mean, var};
}

}  // namespace contrastive
