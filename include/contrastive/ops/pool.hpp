// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/ops/conv2d.hpp"
#include "contrastive/ops/reduce.hpp"

namespace contrastive {

/// Largest in each window: (N, H, W, C) -> (N, H', W', C). Padding is never the largest.
inline Tensor max_pool(const Tensor& x, WindowSpec spec) {
  require(x.rank() == 4 && spec.kernel <= 15 && spec.padding < spec.kernel,
          "[max_pool] expected (N, H, W, C), a kernel of at most 15 and a smaller padding, got ", x.shape(), ", ",
          spec.kernel, ", ", spec.padding);
  const Tensor y(detail::window_shape("max_pool", x.shape(), x.size(3), spec), x.dtype(), x.device());
  const Tensor index(y.shape(), DType::u8, x.device());
  x.kernels().max_pool(x.view(), y.view(), index.view(), spec);
  if (!recording({&x})) return y;
  return record(y, [dx = Grad(x), from = x.shape(), index, spec](const Tensor& dy) {
    const Tensor d(from, dy.dtype(), dy.device());
    dy.kernels().max_pool_grad(dy.view(), index.view(), d.view(), spec);
    dx.add(d);
  });
}

/// Mean of each window, with padding counted as zeros (PyTorch's default).
inline Tensor avg_pool(const Tensor& x, WindowSpec spec) {
  require(x.rank() == 4, "[avg_pool] expected (N, H, W, C), got ", x.shape());
  const Tensor y(detail::window_shape("avg_pool", x.shape(), x.size(3), spec), x.dtype(), x.device());
  x.kernels().avg_pool(x.view(), y.view(), spec);
  if (!recording({&x})) return y;
  return record(y, [dx = Grad(x), from = x.shape(), spec](const Tensor& dy) {
    const Tensor d(from, dy.dtype(), dy.device());
    dy.kernels().avg_pool_grad(dy.view(), d.view(), spec);
    dx.add(d);
  });
}

/// Mean over the picture: (N, H, W, C) -> (N, C).
inline Tensor global_avg_pool(const Tensor& x) {
  require(x.rank() == 4, "[global_avg_pool] expected (N, H, W, C), got ", x.shape());
  return mean(x.reshape({x.size(0), x.size(1) * x.size(2), x.size(3)}), 1);
}

}  // namespace contrastive
