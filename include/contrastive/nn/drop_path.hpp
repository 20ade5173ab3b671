// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "contrastive/nn/pass_counter.hpp"

namespace contrastive {

/// Stochastic depth (Huang et al. 2016, arXiv:1603.09382): a residual branch is left out for a sample with a probability
/// that rises linearly from 0 at the first block to `rate` at the last, and scaled by one over the chance to stay
/// otherwise (timm's DropPath). Draws are named by the pass (`PassCounter`), block and branch.
class DropPath {
 public:
  DropPath() = default;
  DropPath(double rate, int depth, Rng rng) : rate_(rate), depth_(depth) {
    require(rate >= 0 && rate < 1, "[drop_path] the rate is in [0, 1), got ", rate);
    if (rate > 0) passes_ = PassCounter(rng);
  }

  bool on() const { return rate_ > 0; }
  double rate(int block) const { return depth_ > 1 ? rate_ * block / (depth_ - 1) : rate_; }

  /// The name of a new pass's draws.
  Rng next() const { return passes_.next(); }

  /// A factor a sample for a branch of a block, (N): 0, or 1 / (1 - rate); empty where the rate is 0.
  Tensor keep(Rng pass, int block, int branch, std::int64_t N, Device device) const {
    const double out = rate(block);
    if (out == 0) return {};
    const Tensor factor({N});
    Stream stream(pass / static_cast<std::uint64_t>(block) / static_cast<std::uint64_t>(branch));
    for (float& value : factor.span<float>()) value = stream.chance(out) ? 0.f : static_cast<float>(1 / (1 - out));
    return factor.to(device);
  }

  template <class F>
  void members(F&& f) {
    passes_.members(f);
  }

 private:
  double rate_ = 0;
  int depth_ = 1;
  PassCounter passes_;
};

}  // namespace contrastive
