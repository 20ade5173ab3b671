// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "contrastive/ops/index.hpp"
#include "contrastive/ops/matmul.hpp"
#include "contrastive/ops/softmax.hpp"

namespace contrastive {

namespace detail {
/// (N, L, D) -> (N heads, L, D / heads)
inline Tensor split_heads(const Tensor& x, int heads) {
  const std::int64_t N = x.size(0), L = x.size(1), width = x.size(2) / heads;
  return permute(x.reshape({N, L, heads, width}), {0, 2, 1, 3}).reshape({N * heads, L, width});
}
/// (N heads, L, D / heads) -> (N, L, D)
inline Tensor join_heads(const Tensor& x, int heads) {
  const std::int64_t N = x.size(0) / heads, L = x.size(1), width = x.size(2);
  return permute(x.reshape({N, heads, L, width}), {0, 2, 1, 3}).reshape({N, L, heads * width});
}
}  // namespace detail

/// The attention of each of M queries to each of L keys: (N, M, D) and (N, L, D) -> (N, heads, M, L), rows summing to 1. Scores
/// are scaled by one over the root of a head's width; `mask` (N, M, L), if there is one, is added to those of each head:
/// minus infinity hides a key.
inline Tensor cross_attention_weights(const Tensor& queries, const Tensor& keys, int heads, const Tensor& mask = {}) {
  require(queries.rank() == 3 && keys.rank() == 3 && queries.size(0) == keys.size(0) &&
              queries.size(2) == keys.size(2) && heads >= 1 && keys.size(2) > 0 && keys.size(2) % heads == 0,
          "[cross_attention] expected queries (N, M, D) and keys (N, L, D) with D a multiple of ", heads,
          " heads, got ", queries.shape(), " and ", keys.shape());
  const double scale = 1 / std::sqrt(static_cast<double>(keys.size(2) / heads));
  const Tensor scores =
      matmul(detail::split_heads(queries, heads), detail::split_heads(keys, heads), false, true, scale);
  const Shape by_head{queries.size(0), heads, queries.size(1), keys.size(1)};
  if (!mask.defined()) return softmax(scores).reshape(by_head);
  require(mask.shape() == Shape{by_head[0], by_head[2], by_head[3]}, "[cross_attention] expected a mask (", by_head[0],
          ", ", by_head[2], ", ", by_head[3], "), got ", mask.shape());
  return softmax(scores.reshape(by_head) + mask.reshape({by_head[0], 1, by_head[2], by_head[3]}));
}

/// Attention of M queries to L keys and their values, in `heads` groups of consecutive channels: (N, M, D), (N, L, D)
/// and (N, L, D) -> (N, M, D). It makes the (M, L) scores: for few queries, as in attention pooling. `mask` as above.
inline Tensor cross_attention(const Tensor& queries, const Tensor& keys, const Tensor& values, int heads,
                              const Tensor& mask = {}) {
  require(keys.shape() == values.shape(), "[cross_attention] keys ", keys.shape(), " and values ", values.shape(),
          " differ");
  const std::int64_t N = queries.size(0), M = queries.size(1);
  const Tensor weights = cross_attention_weights(queries, keys, heads, mask).reshape({N * heads, M, keys.size(1)});
  return detail::join_heads(matmul(weights, detail::split_heads(values, heads)), heads);
}

}  // namespace contrastive
