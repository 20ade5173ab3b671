// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "contrastive/core/rng.hpp"
#include "contrastive/nn/module.hpp"

namespace contrastive {

/// Stochastic depth (Huang et al. 2016, arXiv:1603.09382): a residual branch is left out for a sample with a probability
/// that rises linearly from 0 at the first block to `rate` at the last, and scaled by one over the chance to stay
/// otherwise (timm's DropPath). Draws are named by the seed, the number of passes so far (saved, so that a resumed run
/// goes on with the same draws), block and branch. A pass that is repeated (`KeepStatistics` with gradients, after one
/// without: gradient caching) repeats its draws.
class DropPath {
 public:
  DropPath() = default;
  DropPath(double rate, int depth, Rng rng) : rate_(rate), depth_(depth), rng_(rng) {
    require(rate >= 0 && rate < 1, "[drop_path] the rate is in [0, 1), got ", rate);
    if (rate == 0) return;
    passes_ = Buffer(Tensor::zeros({}, DType::i64));
    first_passes_ = std::make_shared<std::deque<std::int64_t>>();
  }

  bool on() const { return rate_ > 0; }
  double rate(int block) const { return depth_ > 1 ? rate_ * block / (depth_ - 1) : rate_; }

  /// The name of a new pass's draws.
  Rng next() const {
    std::int64_t& passes = *passes_.data<std::int64_t>();
    const bool learns = detail::grad_enabled(), moves = detail::statistics_follow();
    std::int64_t pass = passes;
    if (learns && !moves && !first_passes_->empty()) {
      pass = first_passes_->front();
      first_passes_->pop_front();
    } else if (moves) {
      if (learns) first_passes_->clear();
      if (!learns) first_passes_->push_back(pass);
      ++passes;
    }
    return rng_ / static_cast<std::uint64_t>(pass);
  }

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
    f("num_batches_tracked", passes_);  // absent in published weights, as batch norm's may be
  }

 private:
  double rate_ = 0;
  int depth_ = 1;
  Rng rng_;
  Buffer passes_;  // i64, on the host; empty without a rate
  std::shared_ptr<std::deque<std::int64_t>> first_passes_;
};

}  // namespace contrastive
