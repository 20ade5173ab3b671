// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/nn/pass_counter.hpp"
#include "contrastive/ops/elementwise.hpp"

namespace contrastive {

/// Dropout (Srivastava et al. 2014): while training, each number is set to 0 with a probability of `rate` and scaled by one
/// over the chance to stay otherwise. Draws are named by the pass (`PassCounter`).
class Dropout {
 public:
  Dropout() = default;
  Dropout(double rate, Rng rng) : rate_(rate) {
    require(rate >= 0 && rate < 1, "[dropout] the rate is in [0, 1), got ", rate);
    if (rate > 0) passes_ = PassCounter(rng);
  }

  Tensor operator()(const Tensor& x) const {
    if (rate_ == 0 || !training()) return x;
    const Tensor factor(x.shape());
    Stream stream(passes_.next());
    for (float& value : factor.span<float>()) value = stream.chance(rate_) ? 0.f : static_cast<float>(1 / (1 - rate_));
    return x * factor.to(x.dtype()).to(x.device());
  }

  template <class F>
  void members(F&& f) {
    passes_.members(f);
  }

 private:
  double rate_ = 0;
  PassCounter passes_;
};

}  // namespace contrastive
