// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/nn/linear.hpp"
#include "contrastive/ops/softmax.hpp"

namespace contrastive {

/// y = x W^T with W = g v / |v| row by row (Salimans and Kingma 2016, arXiv:1602.07868): (N, in) -> (N, out). v starts as
/// torch.nn.Linear's weight, g at 1, where it stays with `fixed_gain`.
struct WeightNormLinear {
  Parameter weight_g;  // (out, 1)
  Parameter weight_v;  // (out, in)

  WeightNormLinear() = default;
  WeightNormLinear(std::int64_t in, std::int64_t out, Rng rng, bool fixed_gain = false)
      : weight_g(Tensor::full({out, 1}, 1)), weight_v(Linear(in, out, rng, false).weight) {
    weight_g.set_requires_grad(!fixed_gain);
  }

  Tensor operator()(const Tensor& x) const { return matmul(x, normalize(weight_v) * weight_g, false, true); }

  template <class F>
  void members(F&& f) {
    f("weight_g", weight_g);
    f("weight_v", weight_v);
  }
};

}  // namespace contrastive
