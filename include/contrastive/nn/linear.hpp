// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/nn/init.hpp"
#include "contrastive/nn/module.hpp"
#include "contrastive/nn/weight_standardization.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/matmul.hpp"

namespace contrastive {

/// y = x W^T + b: (.., in) -> (.., out). Starts as torch.nn.Linear: uniform in +-1/sqrt(in).
struct Linear {
  Parameter weight;          // (out, in)
  Parameter bias;            // (out), empty without
  bool standardize = false;  // the weight, in every forward

  Linear() = default;
  Linear(std::int64_t in, std::int64_t out, Rng rng, bool with_bias = true) {
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    weight = Parameter(init::uniform({out, in}, bound, rng / "weight"));
    if (with_bias) bias = Parameter(init::uniform({out}, bound, rng / "bias"));
  }

  Tensor operator()(const Tensor& x) const { return product(x, bias); }
  /// The activation of it, with the bias in the same pass.
  Tensor relu(const Tensor& x) const { return contrastive::relu(product(x, {}), bias); }
  Tensor gelu(const Tensor& x) const { return contrastive::gelu(product(x, {}), bias); }
  Tensor activated(const Tensor& x, Activation activation) const { return activate(activation, product(x, {}), bias); }

  template <class F>
  void members(F&& f) {
    f("weight", weight);
    f("bias", bias);
  }

 private:
  Tensor product(const Tensor& x, const Tensor& with) const {
    const Tensor w = standardize ? standardized(weight) : Tensor(weight);
    if (x.rank() <= 2) return matmul(x, w, false, true, 1, with);
    Shape shape = x.shape();
    shape[-1] = w.size(0);
    return matmul(x.reshape({-1, x.size(-1)}), w, false, true, 1, with).reshape(shape);
  }
};

}  // namespace contrastive
