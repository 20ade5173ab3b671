// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>

#include "contrastive/core/parallel.hpp"
#include "contrastive/nn/layer_norm.hpp"
#include "contrastive/nn/linear.hpp"
#include "contrastive/nn/transformer.hpp"
#include "contrastive/ops/cross_attention.hpp"
#include "contrastive/ops/straight_through.hpp"

/// Gathers segments into groups (Xu et al. 2022, arXiv:2202.11094; NVlabs/GroupViT, models/group_vit.py).
namespace contrastive {

/// Standard Gumbel draws -log(-log u), (N, S, G) as `like`. Those of sample n are named by `rng` and n alone.
inline Tensor gumbel_noise(const Tensor& like, Rng rng) {
  require(like.rank() == 3, "[gumbel_noise] expected scores (N, S, G), got ", like.shape());
  const Tensor noise(like.shape(), DType::f64);
  const std::int64_t N = like.size(0), each = like.size(1) * like.size(2);
  double* const out = noise.data<double>();
  parallel_for(N, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      Stream draw(rng / static_cast<std::uint64_t>(n));
      for (std::int64_t i = 0; i < each; ++i) {
        double u = draw.uniform();
        while (u == 0) u = draw.uniform();
        out[n * each + i] = -std::log(-std::log(u));
      }
    }
  });
  return noise.to(like.dtype()).to(like.device());
}

/// Queries, keys and values by a product each; keys and values of one tensor: (N, M, D) and (N, L, D) -> (N, M, D).
struct CrossAttention {
  Linear q_proj, k_proj, v_proj, proj;
  int heads = 1;

  CrossAttention() = default;
  CrossAttention(std::int64_t width, int head_count, Rng rng)
      : q_proj(width, width, rng / "q_proj"),
        k_proj(width, width, rng / "k_proj"),
        v_proj(width, width, rng / "v_proj"),
        proj(width, width, rng / "proj"),
        heads(head_count) {}

  Tensor operator()(const Tensor& queries, const Tensor& keys, const Tensor& mask = {}) const {
    return proj(cross_attention(q_proj(queries), k_proj(keys), v_proj(keys), heads, mask));
  }

  template <class F>
  void members(F&& f) {
    f("q_proj", q_proj);
    f("k_proj", k_proj);
    f("v_proj", v_proj);
    f("proj", proj);
  }
};

/// x = q + attn(q, k), then x + mlp(norm2(x)). Queries and keys are normalised before, or with `post_norm` the block's
/// result is, as the grouping block has it.
struct CrossAttentionBlock {
  LayerNorm norm_q, norm_k, norm2, norm_post;
  CrossAttention attn;
  FeedForward mlp;
  bool post_norm = true;

  CrossAttentionBlock() = default;
  CrossAttentionBlock(std::int64_t width, int heads, std::int64_t hidden, bool post, Rng rng, double eps = 1e-5)
      : norm_q(width, eps),
        norm_k(width, eps),
        norm2(width, eps),
        norm_post(width, eps),
        attn(width, heads, rng / "attn"),
        mlp(width, hidden, rng / "mlp"),
        post_norm(post) {}

  Tensor operator()(const Tensor& queries, const Tensor& keys, const Tensor& mask = {}) const {
    const Tensor seen = queries + (post_norm ? attn(queries, keys, mask) : attn(norm_q(queries), norm_k(keys), mask));
    const Tensor x = seen + mlp(norm2(seen));
    return post_norm ? norm_post(x) : x;
  }

  template <class F>
  void members(F&& f) {
    if (!post_norm) f("norm_q", norm_q), f("norm_k", norm_k);
    f("attn", attn);
    f("norm2", norm2);
    f("mlp", mlp);
    if (post_norm) f("norm_post", norm_post);
  }
};

/// Groups, and which segments went into each: (N, S, G), rows over the groups.
struct Grouped {
  Tensor groups;  // (N, G, D)
  Tensor chosen;  // 1 at each segment's group, or `soft` where assignment is soft
  Tensor soft;    // softmax over the groups, always without noise
};

/// Each segment goes to one group: the largest of its scores, to which Gumbel noise is added in training, with the gradient
/// of their softmax over the groups. A group is the sum of its segments' values over their number plus one.
struct AssignAttention {
  Linear q_proj, k_proj, v_proj, proj;
  double temperature = 1;  // of the softmax that the gradient is of
  bool hard = true;

  AssignAttention() = default;
  AssignAttention(std::int64_t width, Rng rng)
      : q_proj(width, width, rng / "q_proj"),
        k_proj(width, width, rng / "k_proj"),
        v_proj(width, width, rng / "v_proj"),
        proj(width, width, rng / "proj") {}

  /// Groups (N, G, D) and segments (N, S, D) -> scores (N, S, G).
  Tensor scores(const Tensor& groups, const Tensor& segments) const {
    const double scale = 1 / std::sqrt(static_cast<double>(groups.size(2)));
    return matmul(k_proj(segments), q_proj(groups), false, true, scale);
  }
  /// Scores to shares of the groups, (N, S, G). `noise`, like the scores, may be empty.
  Tensor shares(const Tensor& scores, const Tensor& noise) const {
    if (!hard) return softmax(scores);
    const Tensor given = noise.defined() ? (scores + noise) * (1 / temperature) : scores;
    return straight_through(one_hot_largest(given), softmax(given));
  }
  Grouped operator()(const Tensor& groups, const Tensor& segments, const Tensor& noise = {}) const {
    const Tensor raw = scores(groups, segments);
    return gathered(raw, shares(raw, noise), segments);
  }
  /// The segments' values, gathered by shares.
  Grouped gathered(const Tensor& scores, const Tensor& shares, const Tensor& segments) const {
    const Tensor taken = shares / (sum(shares, 1, true) + 1);
    return {proj(matmul(taken, v_proj(segments), true)), shares.detach(), softmax(scores.detach())};
  }

  template <class F>
  void members(F&& f) {
    f("q_proj", q_proj);
    f("k_proj", k_proj);
    f("v_proj", v_proj);
    f("proj", proj);
  }
};

/// Segments (N, S, D) and group tokens (N, T, D) to G groups: the tokens are mixed into G, look at the segments, and take
/// those that are assigned to them.
struct GroupingBlock {
  LayerNorm norm_tokens, norm_post_tokens, norm_x, norm_new_x;
  FeedForward mlp_inter;  // over the tokens: T -> G
  CrossAttentionBlock pre_assign_attn;
  AssignAttention assign;
  FeedForward mlp_channels;

  GroupingBlock() = default;
  GroupingBlock(std::int64_t width, int heads, std::int64_t tokens, std::int64_t groups, Rng rng, double eps = 1e-5)
      : norm_tokens(width, eps),
        norm_post_tokens(width, eps),
        norm_x(width, eps),
        norm_new_x(width, eps),
        pre_assign_attn(width, heads, 4 * width, true, rng / "pre_assign_attn", eps),
        assign(width, rng / "assign"),
        mlp_channels(width, 4 * width, rng / "mlp_channels") {
    mlp_inter.fc1 = Linear(tokens, width / 2, rng / "mlp_inter" / "fc1");
    mlp_inter.fc2 = Linear(width / 2, groups, rng / "mlp_inter" / "fc2");
  }

  /// `noise(scores)` gives what is added to the scores (N, S, G), or an empty tensor.
  template <class Noise>
  Grouped operator()(const Tensor& x, const Tensor& group_tokens, Noise&& noise) const {
    const Tensor segments = norm_x(x);
    const Tensor mixed = norm_post_tokens(over_tokens(mlp_inter, norm_tokens(group_tokens)));
    const Tensor asking = pre_assign_attn(mixed, segments);
    const Tensor scores = assign.scores(asking, segments);
    Grouped found = assign.gathered(scores, assign.shares(scores, noise(scores)), segments);
    const Tensor groups = found.groups + asking;
    found.groups = groups + mlp_channels(norm_new_x(groups));
    return found;
  }
  /// A feed-forward part over the second axis: (N, T, D) -> (N, G, D).
  static Tensor over_tokens(const FeedForward& mix, const Tensor& tokens) {
    return permute(mix(permute(tokens, {0, 2, 1})), {0, 2, 1});
  }

  template <class F>
  void members(F&& f) {
    f("norm_tokens", norm_tokens);
    f("mlp_inter", mlp_inter);
    f("norm_post_tokens", norm_post_tokens);
    f("norm_x", norm_x);
    f("pre_assign_attn", pre_assign_attn);
    f("assign", assign);
    f("norm_new_x", norm_new_x);
    f("mlp_channels", mlp_channels);
  }
};

}  // namespace contrastive
