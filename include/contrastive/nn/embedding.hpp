// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "contrastive/nn/init.hpp"
#include "contrastive/nn/module.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/index.hpp"

namespace contrastive {

/// A vector for each of V ids, i64 or i32 of any shape: (N, L) -> (N, L, D). Starts from N(0, deviation^2), as
/// torch.nn.Embedding; CLIP and BERT take 0.02.
struct Embedding {
  Parameter weight;  // (V, D)

  Embedding() = default;
  Embedding(std::int64_t V, std::int64_t D, Rng rng, double deviation = 1)
      : weight(init::normal({V, D}, deviation, rng / "weight")) {}

  Tensor operator()(const Tensor& ids) const { return gather(weight, ids); }
  /// In another dtype than the weight's: bf16 for a network that computes in it. Gradients add up in the weight's.
  Tensor operator()(const Tensor& ids, DType dtype) const { return cast(gather(weight, ids), dtype); }

  template <class F>
  void members(F&& f) {
    f("weight", weight);
  }
};

}  // namespace contrastive
