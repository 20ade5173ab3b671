// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/nn/module.hpp"
#include "contrastive/ops/norm.hpp"

namespace contrastive {

/// Layer norm over the last axis with learned gain and offset. timm, DINO and MAE have eps 1e-6; CLIP 1e-5.
struct LayerNorm {
  Parameter weight, bias;  // (D)
  double eps = 1e-6;

  LayerNorm() = default;
  explicit LayerNorm(std::int64_t width, double epsilon = 1e-6)
      : weight(Tensor::full({width}, 1)), bias(Tensor::zeros({width})), eps(epsilon) {}

  Tensor operator()(const Tensor& x) const { return layer_norm(x, weight, bias, eps); }

  template <class F>
  void members(F&& f) {
    f("weight", weight);
    f("bias", bias);
  }
};

}  // namespace contrastive
