// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/ops/index.hpp"
#include "contrastive/ops/matmul.hpp"

namespace contrastive {

/// Windows of `kernel` steps every `stride`: (N, T, C) -> (N, T', kernel C), with `padding` zeros at both ends.
inline Tensor windows(Tensor x, std::int64_t kernel, std::int64_t stride, std::int64_t padding = 0) {
  require(x.rank() == 3 && kernel > 0 && stride > 0 && padding >= 0, "[windows] expected (N, T, C), got ", x.shape());
  const std::int64_t N = x.size(0), C = x.size(2);
  if (padding > 0) {
    const Tensor zeros = Tensor::zeros({N, padding, C}, x.dtype(), x.device());
    x = concat({zeros, x, zeros}, 1);
  }
  const std::int64_t T = x.size(1), out = (T - kernel) / stride + 1;
  require(T >= kernel, "[windows] a window of ", kernel, " does not fit a sequence of ", T);
  Tensor index({N * out * kernel}, DType::i64);
  std::int64_t* at = index.data<std::int64_t>();
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t t = 0; t < out; ++t)
      for (std::int64_t k = 0; k < kernel; ++k) *at++ = n * T + t * stride + k;
  return gather(x.reshape({N * T, C}), index.to(x.device())).reshape({N, out, kernel * C});
}

/// Convolution along a sequence: x (N, T, C), w (O, k, C) -> (N, T', O).
inline Tensor conv1d(const Tensor& x, const Tensor& w, std::int64_t stride = 1, std::int64_t padding = 0) {
  require(x.rank() == 3 && w.rank() == 3 && x.size(2) == w.size(2),
          "[conv1d] expected x (N, T, C) and w (O, k, C), got ", x.shape(), " and ", w.shape());
  const Tensor seen = windows(x, w.size(1), stride, padding);
  const std::int64_t N = seen.size(0), out = seen.size(1), depth = seen.size(2);
  return matmul(seen.reshape({N * out, depth}), w.reshape({w.size(0), depth}), false, true)
      .reshape({N, out, w.size(0)});
}

}  // namespace contrastive
