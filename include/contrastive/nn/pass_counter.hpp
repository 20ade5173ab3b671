// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "contrastive/core/rng.hpp"
#include "contrastive/nn/module.hpp"

namespace contrastive {

/// Names the random draws of a module's passes in training: by a stream and the number of passes so far, which is saved,
/// so that a resumed run goes on with the same draws. A pass that is repeated (`KeepStatistics` with gradients, after one
/// without: gradient caching) repeats its draws.
class PassCounter {
 public:
  PassCounter() = default;
  explicit PassCounter(Rng rng)
      : rng_(rng),
        passes_(Tensor::zeros({}, DType::i64)),
        first_passes_(std::make_shared<std::deque<std::int64_t>>()) {}

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

  template <class F>
  void members(F&& f) {
    f("num_batches_tracked", passes_);  // absent in published weights, as batch norm's may be
  }

 private:
  Rng rng_;
  Buffer passes_;  // i64, on the host; empty of a counter that counts nothing
  std::shared_ptr<std::deque<std::int64_t>> first_passes_;
};

}  // namespace contrastive
