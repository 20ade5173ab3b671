// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/core/rng.hpp"
#include "contrastive/nn/init.hpp"
#include "contrastive/nn/module.hpp"
#include "contrastive/ops/softmax.hpp"

namespace contrastive {

/// MoCo's dictionary: the last K keys, first in, first out (facebookresearch/moco, moco/builder.py). Starts as random
/// unit rows. A batch size must divide K, so that a batch never wraps.
struct Queue {
  Buffer keys;     // (K, D)
  Buffer pointer;  // i64, on the host: where the next batch goes

  Queue() = default;
  Queue(std::int64_t K, std::int64_t D, Rng rng)
      : keys(normalize(init::normal({K, D}, 1, rng / "queue"))), pointer(Tensor::zeros({}, DType::i64)) {}

  std::int64_t size() const { return keys.size(0); }

  /// The keys now, (K, D). A copy: enqueuing afterwards does not change it, so backward sees what forward saw.
  Tensor snapshot() const { return keys.clone(); }

  /// Overwrites the oldest rows with `batch` (N, D). Call it after the loss: a key that is in the queue when it is
  /// scored would be its own query's negative.
  void enqueue(const Tensor& batch) {
    const std::int64_t N = batch.size(0), K = size();
    require(batch.rank() == 2 && batch.size(1) == keys.size(1), "[queue] expected keys (N, ", keys.size(1), "), got ",
            batch.shape());
    require(N > 0 && K % N == 0, "[queue] the batch must divide the queue: ", N, " does not divide ", K);
    check_devices("queue", {&keys, &batch});
    std::int64_t& at = *pointer.data<std::int64_t>();
    require(at >= 0 && at <= K - N, "[queue] ", N, " keys do not fit at row ", at, " of ", K);
    keys.kernels().place(batch.view(), keys.view_to_write(), 0, at);
    at = (at + N) % K;
  }

  template <class F>
  void members(F&& f) {
    f("keys", keys);
    f("pointer", pointer);
  }
};

}  // namespace contrastive
