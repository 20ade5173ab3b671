// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "contrastive/ops/index.hpp"
#include "contrastive/ops/matmul.hpp"

namespace contrastive {

/// Where the samples of a resized axis lie, as torch.nn.functional.interpolate has it.
enum class ResizeCorners {
  aligned,  // the first and last samples stay where they are (align_corners=True)
  free,     // samples are the middles of equal cells (align_corners=False)
};

namespace detail {

/// The two samples that each place of a linearly resized axis lies between, as a matrix (out, in) in f64.
inline Tensor linear_weights(std::int64_t in, std::int64_t out, ResizeCorners corners) {
  const Tensor weights = Tensor::zeros({out, in}, DType::f64);
  const bool aligned = corners == ResizeCorners::aligned;
  const double scale = !aligned  ? static_cast<double>(in) / static_cast<double>(out)
                       : out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1)
                                 : 0;
  for (std::int64_t i = 0; i < out; ++i) {
    const double place = static_cast<double>(i);
    const double at = aligned ? place * scale : std::max(0.0, (place + 0.5) * scale - 0.5);
    const std::int64_t low = std::min(static_cast<std::int64_t>(at), in - 1), high = std::min(low + 1, in - 1);
    const double share = at - static_cast<double>(low);
    weights.data<double>()[i * in + low] += 1 - share;
    weights.data<double>()[i * in + high] += share;
  }
  return weights;
}

/// A matrix N times, (N, rows, columns), like x.
inline Tensor repeated(const Tensor& matrix, std::int64_t N, const Tensor& x) {
  const Tensor one = matrix.to(x.dtype()), all({N, matrix.size(0), matrix.size(1)}, x.dtype());
  for (std::int64_t n = 0; n < N; ++n) all.slice(n, n + 1).copy_from(one.reshape({1, one.size(0), one.size(1)}));
  return all.to(x.device());
}

}  // namespace detail

/// Bilinear resize (N, h, w, C) -> (N, H, W, C) with torch's arithmetic: a product for each axis, so that gradients pass
/// on any device.
inline Tensor resize_bilinear(const Tensor& x, std::int64_t H, std::int64_t W, ResizeCorners corners) {
  require(x.rank() == 4 && x.count() > 0 && H > 0 && W > 0,
          "[resize_bilinear] expected maps (N, h, w, C) and a size, got ", x.shape(), " and ", H, " x ", W);
  const std::int64_t N = x.size(0), h = x.size(1), w = x.size(2), C = x.size(3);
  Tensor y = x;
  if (H != h) {
    const Tensor down = detail::repeated(detail::linear_weights(h, H, corners), N, x);
    y = matmul(down, y.reshape({N, h, w * C})).reshape({N, H, w, C});
  }
  if (W != w) {
    const Tensor across = detail::repeated(detail::linear_weights(w, W, corners), N, x);
    const Tensor columns = permute(y, {0, 2, 1, 3}).reshape({N, w, H * C});
    y = permute(matmul(across, columns).reshape({N, W, H, C}), {0, 2, 1, 3});
  }
  return y;
}

}  // namespace contrastive
