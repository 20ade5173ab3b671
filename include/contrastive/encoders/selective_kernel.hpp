// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "contrastive/nn/batch_norm.hpp"
#include "contrastive/nn/conv.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/pool.hpp"

namespace contrastive {

/// A selective-kernel convolution (Li et al. 2019, arXiv:1903.06586) as SimCLR v2 has it (google-research/simclr,
/// resnet.py, SK_Conv2D): one 3x3 convolution to two streams of C channels, batch norm and ReLU, and for each channel a
/// mixture of the two streams that their mean over the picture chooses. Batch norm and ReLU are inside.
struct SelectiveKernelConv {
  Conv2d conv;  // 3x3, to 2 C
  BatchNorm bn;
  Conv2d squeeze, excite;  // 1x1: C to max(ratio C, 32), and that to 2 C
  BatchNorm squeeze_bn;

  SelectiveKernelConv() = default;
  SelectiveKernelConv(std::int64_t in, std::int64_t C, int stride, double ratio, Rng rng) {
    const std::int64_t middle = std::max<std::int64_t>(static_cast<std::int64_t>(static_cast<double>(C) * ratio), 32);
    conv = Conv2d(in, 2 * C, {.kernel = 3, .stride = stride, .padding = 1}, rng / "conv");
    bn = BatchNorm(2 * C);
    squeeze = Conv2d(C, middle, {.kernel = 1}, rng / "squeeze");
    squeeze_bn = BatchNorm(middle);
    excite = Conv2d(middle, 2 * C, {.kernel = 1}, rng / "excite");
  }

  Tensor operator()(const Tensor& x) const {
    const Tensor both = bn.relu(conv, x);
    const std::int64_t N = both.size(0), C = both.size(3) / 2;
    const Tensor a = narrow(both, 3, 0, C), b = narrow(both, 3, C, 2 * C);
    const Tensor seen = global_avg_pool(a + b).reshape({N, 1, 1, C});
    const Tensor choice = excite(squeeze_bn.relu(squeeze, seen));                         // (N, 1, 1, 2 C)
    const Tensor share = sigmoid(narrow(choice, 3, 0, C) - narrow(choice, 3, C, 2 * C));  // softmax of two
    return b + (a - b) * share;
  }

  template <class F>
  void members(F&& f) {
    f("conv", conv);
    f("bn", bn);
    f("squeeze", squeeze);
    f("squeeze_bn", squeeze_bn);
    f("excite", excite);
  }
};

namespace detail {
/// A row (axis 1) or column (axis 2) of zeros for x.
inline Tensor zero_edge(const Tensor& x, int axis) {
  Shape edge = x.shape();
  edge[axis] = 1;
  return Tensor::zeros(edge, x.dtype(), x.device());
}
}  // namespace detail

/// The 2x2 means before a shortcut's convolution in SimCLR v2's ResNet-D. Every two pixels an odd side has zeros after it,
/// which count; at every pixel the means at the far edge are of what is there.
inline Tensor mean_2x2(Tensor x, int stride) {
  for (int axis = 1; axis <= 2; ++axis) {
    const std::int64_t size = x.size(axis);
    if (stride == 1)
      x = concat({x, narrow(x, axis, size - 1, size)}, axis);
    else if (size % 2 == 1)
      x = concat({x, detail::zero_edge(x, axis)}, axis);
  }
  return avg_pool(x, {.kernel = 2, .stride = stride});
}

/// 3x3 maxima every two pixels of numbers from 0 up, padded as TensorFlow's SAME: an even side after its end alone, where
/// torchvision pads both ends.
inline Tensor max_pool_same(Tensor x) {
  for (int axis = 1; axis <= 2; ++axis) {
    const Tensor edge = detail::zero_edge(x, axis);
    x = x.size(axis) % 2 == 0 ? concat({x, edge}, axis) : concat({edge, x, edge}, axis);
  }
  return max_pool(x, {.kernel = 3, .stride = 2});
}

}  // namespace contrastive
