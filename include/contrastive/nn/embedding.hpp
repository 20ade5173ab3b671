// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include "contrastive/nn/init.hpp"
#include "contrastive/nn/module.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/index.hpp"

namespace contrastive {

namespace detail {
inline DType& embedding_dtype() {
  thread_local DType dtype = DType::f32;
  return dtype;
}
}  // namespace detail

/// While one lives, embeddings of f32 give their rows in `dtype`: bf16 in a step that computes in it, for ids have no
/// dtype of their own to hand on.
class EmbedIn {
 public:
  explicit EmbedIn(DType dtype) : before_(std::exchange(detail::embedding_dtype(), dtype)) {}
  ~EmbedIn() { detail::embedding_dtype() = before_; }
  EmbedIn(const EmbedIn&) = delete;
  EmbedIn& operator=(const EmbedIn&) = delete;

 private:
  DType before_;
};

/// A vector for each of V ids, i64 or i32 of any shape: (N, L) -> (N, L, D). Starts from N(0, deviation^2), as
/// torch.nn.Embedding; CLIP and BERT take 0.02.
struct Embedding {
  Parameter weight;  // (V, D)

  Embedding() = default;
  Embedding(std::int64_t V, std::int64_t D, Rng rng, double deviation = 1)
      : weight(init::normal({V, D}, deviation, rng / "weight")) {}

  /// In the weight's dtype, or that of `EmbedIn`; gradients add up in the weight's.
  Tensor operator()(const Tensor& ids) const {
    return (*this)(ids, weight.dtype() == DType::f32 ? detail::embedding_dtype() : weight.dtype());
  }
  Tensor operator()(const Tensor& ids, DType dtype) const { return cast(gather(weight, ids), dtype); }

  template <class F>
  void members(F&& f) {
    f("weight", weight);
  }
};

}  // namespace contrastive
