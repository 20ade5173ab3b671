// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/nn/init.hpp"
#include "contrastive/nn/module.hpp"
#include "contrastive/ops/conv2d.hpp"

namespace contrastive {

/// Convolution without bias, as residual networks use it: (N, H, W, in) -> (N, H', W', out). The weight is held as
/// (out, k, k, in), the layout of NHWC data; files hold torchvision's (out, in, k, k). He initialisation by fan-out.
struct Conv2d {
  Parameter weight;
  WindowSpec window;

  Conv2d() = default;
  Conv2d(std::int64_t in, std::int64_t out, WindowSpec spec, Rng rng)
      : weight(init::kaiming_normal_fan_out({out, spec.kernel, spec.kernel, in}, rng / "weight")), window(spec) {}

  Tensor operator()(const Tensor& x) const { return conv2d(x, weight, window); }

  template <class F>
  void members(F&& f) {
    f("weight", weight);
  }
};

}  // namespace contrastive
