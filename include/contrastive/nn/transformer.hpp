// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "contrastive/nn/layer_norm.hpp"
#include "contrastive/nn/linear.hpp"
#include "contrastive/ops/attention.hpp"

namespace contrastive {

/// Queries, keys and values by one product, heads side by side, then a product over all: (N, L, D) -> (N, L, D). Names
/// are timm's. `lengths` as of `attention`: i64 (N) for sequences padded at their end, empty for none.
struct SelfAttention {
  Linear qkv, proj;
  int heads = 1;

  SelfAttention() = default;
  SelfAttention(std::int64_t width, int head_count, Rng rng)
      : qkv(width, 3 * width, rng / "qkv"), proj(width, width, rng / "proj"), heads(head_count) {
    require(head_count >= 1 && width % head_count == 0, "[attention] ", head_count, " heads do not divide a width of ",
            width);
  }

  Tensor operator()(const Tensor& x, const Tensor& lengths = {}) const {
    return proj(attention(qkv(x), heads, false, lengths));
  }
  /// What the first `queries` positions look at: (N, heads, queries, L).
  Tensor weights(const Tensor& x, std::int64_t queries, const Tensor& lengths = {}) const {
    return attention_weights(qkv(x), heads, queries, lengths);
  }

  template <class F>
  void members(F&& f) {
    f("qkv", qkv);
    f("proj", proj);
  }
};

/// Linear, exact GELU, linear.
struct FeedForward {
  Linear fc1, fc2;

  FeedForward() = default;
  FeedForward(std::int64_t width, std::int64_t hidden, Rng rng)
      : fc1(width, hidden, rng / "fc1"), fc2(hidden, width, rng / "fc2") {}

  Tensor operator()(const Tensor& x) const { return fc2(fc1.gelu(x)); }

  template <class F>
  void members(F&& f) {
    f("fc1", fc1);
    f("fc2", fc2);
  }
};

/// A pre-norm block: x + attn(norm1(x)), then x + mlp(norm2(x)). `keep` holds a factor a sample for each of the two
/// branches (N), empty tensors for 1: 0 leaves the branch out (stochastic depth). `lengths` goes to the attention.
struct TransformerBlock {
  struct Keep {
    Tensor attn{}, mlp{};
  };
  LayerNorm norm1, norm2;
  SelfAttention attn;
  FeedForward mlp;

  TransformerBlock() = default;
  TransformerBlock(std::int64_t width, int heads, std::int64_t hidden, Rng rng)
      : norm1(width), norm2(width), attn(width, heads, rng / "attn"), mlp(width, hidden, rng / "mlp") {}

  Tensor operator()(const Tensor& x, const Tensor& lengths = {}) const { return (*this)(x, Keep{}, lengths); }
  Tensor operator()(const Tensor& x, const Keep& keep, const Tensor& lengths = {}) const {
    const Tensor middle = x + scaled(attn(norm1(x), lengths), keep.attn);
    return middle + scaled(mlp(norm2(middle)), keep.mlp);
  }

  template <class F>
  void members(F&& f) {
    f("norm1", norm1);
    f("attn", attn);
    f("norm2", norm2);
    f("mlp", mlp);
  }

 private:
  static Tensor scaled(const Tensor& branch, const Tensor& keep) {
    return keep.defined() ? branch * keep.to(branch.dtype()).reshape({branch.size(0), 1, 1}) : branch;
  }
};

}  // namespace contrastive
