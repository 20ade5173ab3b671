// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/nn/init.hpp"
#include "contrastive/nn/module.hpp"
#include "contrastive/ops/conv2d.hpp"
#include "contrastive/ops/reduce.hpp"

namespace contrastive {

/// Weight standardisation (Qiao et al. 2019, arXiv:1903.10520): each output's weights at mean 0 and variance 1 (biased,
/// + 1e-10). (out, ...).
inline Tensor standardized(const Tensor& weight) {
  const Tensor rows = weight.reshape({weight.size(0), -1}), centred = rows - mean(rows, 1, true);
  return (centred / sqrt(mean(square(centred), 1, true) + 1e-10)).reshape(weight.shape());
}

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
