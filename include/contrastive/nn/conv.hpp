// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/nn/init.hpp"
#include "contrastive/nn/module.hpp"
#include "contrastive/nn/weight_standardization.hpp"
#include "contrastive/ops/conv2d.hpp"

namespace contrastive {

/// Convolution without bias, as residual networks use it: (N, H, W, in) -> (N, H', W', out). The weight is held as
/// (out, k, k, in), the layout of NHWC data; files hold torchvision's (out, in, k, k). He initialisation by fan-out.
struct Conv2d {
  Parameter weight;
  WindowSpec window;
  bool standardize = false;  // the weight, in every forward; a group norm should follow

  Conv2d() = default;
  Conv2d(std::int64_t in, std::int64_t out, WindowSpec spec, Rng rng)
      : weight(init::kaiming_normal_fan_out({out, spec.kernel, spec.kernel, in}, rng / "weight")), window(spec) {}

  Tensor operator()(const Tensor& x) const { return conv2d(x, kernel(), window); }
  ConvolvedWithStatistics with_statistics(const Tensor& x, std::int64_t groups) const {
    return conv2d_with_statistics(x, kernel(), window, groups);
  }

  template <class F>
  void members(F&& f) {
    f("weight", weight);
  }

 private:
  Tensor kernel() const { return standardize ? standardized(weight) : Tensor(weight); }
};

}  // namespace contrastive
