// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/nn/linear.hpp"

/// y = tanh(body(x)) on rows of 6: the encoder of the frozen MoCo and MoCo v3 runs.
struct TanhBody {
  contrastive::Linear body{6, 5, contrastive::Rng(0)};
  std::int64_t features() const { return 5; }
  contrastive::Tensor operator()(const contrastive::Tensor& x) const { return tanh(body(x)); }
  template <class F>
  void members(F&& f) {
    f("body", body);
  }
};
