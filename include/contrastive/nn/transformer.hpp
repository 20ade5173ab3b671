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
  bool causal = false;

  SelfAttention() = default;
  SelfAttention(std::int64_t width, int head_count, Rng rng, bool hides_later = false)
      : qkv(width, 3 * width, rng / "qkv"), proj(width, width, rng / "proj"), heads(head_count), causal(hides_later) {
    require(head_count >= 1 && width % head_count == 0, "[attention] ", head_count, " heads do not divide a width of ",
            width);
  }

  Tensor operator()(const Tensor& x, const Tensor& lengths = {}) const {
    return proj(attention(qkv(x), heads, causal, lengths));
  }
  /// What the first `queries` positions look at, of attention that is not causal: (N, heads, queries, L).
  Tensor weights(const Tensor& x, std::int64_t queries, const Tensor& lengths = {}) const {
    return attention_weights(qkv(x), heads, queries, lengths);
  }

  template <class F>
  void members(F&& f) {
    f("qkv", qkv);
    f("proj", proj);
  }
};

/// Linear, activation, linear.
struct FeedForward {
  Linear fc1, fc2;
  Activation activation = Activation::gelu;

  FeedForward() = default;
  FeedForward(std::int64_t width, std::int64_t hidden, Rng rng, Activation between = Activation::gelu)
      : fc1(width, hidden, rng / "fc1"), fc2(hidden, width, rng / "fc2"), activation(between) {}

  Tensor operator()(const Tensor& x) const { return fc2(fc1.activated(x, activation)); }

  template <class F>
  void members(F&& f) {
    f("fc1", fc1);
    f("fc2", fc2);
  }
};

/// What transformers differ in. The defaults are those of timm's and DINO's vision transformers.
struct BlockOptions {
  Activation activation = Activation::gelu;
  double eps = 1e-6;       // of the layer norms; CLIP 1e-5, BERT 1e-12
  bool causal = false;     // each position sees those before it: CLIP's text
  bool post_norm = false;  // norm1(x + attn(x)), then norm2(x + mlp(x)): BERT
  enum class Names {
    timm,  // norm1, attn.qkv, attn.proj, norm2, mlp.fc1, mlp.fc2
    clip,  // ln_1, attn.in_proj_weight, attn.in_proj_bias, attn.out_proj, ln_2, mlp.c_fc, mlp.c_proj
  } names = Names::timm;
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
  BlockOptions options;

  TransformerBlock() = default;
  TransformerBlock(std::int64_t width, int heads, std::int64_t hidden, Rng rng, const BlockOptions& with = {})
      : norm1(width, with.eps),
        norm2(width, with.eps),
        attn(width, heads, rng / "attn", with.causal),
        mlp(width, hidden, rng / "mlp", with.activation),
        options(with) {}

  Tensor operator()(const Tensor& x, const Tensor& lengths = {}) const { return (*this)(x, Keep{}, lengths); }
  Tensor operator()(const Tensor& x, const Keep& keep, const Tensor& lengths = {}) const {
    if (options.post_norm) {
      const Tensor middle = norm1(x + scaled(attn(x, lengths), keep.attn));
      return norm2(middle + scaled(mlp(middle), keep.mlp));
    }
    const Tensor middle = x + scaled(attn(norm1(x), lengths), keep.attn);
    return middle + scaled(mlp(norm2(middle)), keep.mlp);
  }

  template <class F>
  void members(F&& f) {
    if (options.names == BlockOptions::Names::clip) {
      f("ln_1", norm1);
      f("attn.in_proj_weight", attn.qkv.weight);
      f("attn.in_proj_bias", attn.qkv.bias);
      f("attn.out_proj", attn.proj);
      f("ln_2", norm2);
      f("mlp.c_fc", mlp.fc1);
      f("mlp.c_proj", mlp.fc2);
    } else {
      f("norm1", norm1);
      f("attn", attn);
      f("norm2", norm2);
      f("mlp", mlp);
    }
  }

 private:
  static Tensor scaled(const Tensor& branch, const Tensor& keep) {
    return keep.defined() ? branch * keep.to(branch.dtype()).reshape({branch.size(0), 1, 1}) : branch;
  }
};

}  // namespace contrastive
