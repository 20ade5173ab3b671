// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "contrastive/ops/index.hpp"
#include "contrastive/ops/matmul.hpp"
#include "contrastive/ops/softmax.hpp"

namespace contrastive {

namespace detail {
inline AttentionSpec attention_spec(const Tensor& qkv, int heads, bool causal) {
  require(qkv.rank() == 3 && heads >= 1 && qkv.size(2) > 0 && qkv.size(2) % (3 * heads) == 0,
          "[attention] expected (N, L, 3 D) with D a multiple of ", heads, " heads, got ", qkv.shape());
  return {heads, 1 / std::sqrt(static_cast<double>(qkv.size(2) / 3 / heads)), causal};
}
}  // namespace detail

/// Multi-head self-attention (Vaswani et al. 2017, arXiv:1706.03762): (N, L, 3 D) -> (N, L, D). A row holds queries, keys
/// and values, each split into `heads` groups of consecutive channels (timm's packing); scores are scaled by one over
/// the root of a head's width. `causal` hides the positions after each one. The (L, L) scores are never kept.
inline Tensor attention(const Tensor& qkv, int heads, bool causal = false) {
  const AttentionSpec spec = detail::attention_spec(qkv, heads, causal);
  const Tensor y({qkv.size(0), qkv.size(1), qkv.size(2) / 3}, qkv.dtype(), qkv.device());
  const Tensor lse({qkv.size(0), heads, qkv.size(1)}, qkv.dtype() == DType::bf16 ? DType::f32 : qkv.dtype(),
                   qkv.device());
  qkv.kernels().attention(qkv.view(), y.view(), lse.view(), spec);
  if (!recording({&qkv})) return y;
  return record(
      y, [dx = Grad(qkv), qkv = Saved("attention", qkv), y = Saved("attention", y), lse, spec](const Tensor& dy) {
        const Tensor d(qkv->shape(), qkv->dtype(), qkv->device());
        d.kernels().attention_grad(qkv->view(), y->view(), lse.view(), dy.view(), d.view(), spec);
        dx.add(d);
      });
}

/// The attention that the first `queries` positions pay to all: (N, L, 3 D) -> (N, heads, queries, L), rows summing
/// to 1. For looking at: it makes what `attention` avoids.
inline Tensor attention_weights(const Tensor& qkv, int heads, std::int64_t queries) {
  const AttentionSpec spec = detail::attention_spec(qkv, heads, false);
  const std::int64_t N = qkv.size(0), L = qkv.size(1), D = qkv.size(2) / 3, width = D / heads;
  require(queries >= 0 && queries <= L, "[attention_weights] ", queries, " queries of ", L, " positions");
  const auto by_head = [&](std::int64_t part, std::int64_t rows) {
    const Tensor x = narrow(narrow(qkv, 2, part * D, (part + 1) * D), 1, 0, rows);
    return permute(x.reshape({N, rows, heads, width}), {0, 2, 1, 3}).reshape({N * heads, rows, width});
  };
  return softmax(matmul(by_head(0, queries), by_head(1, L), false, true, spec.scale)).reshape({N, heads, queries, L});
}

}  // namespace contrastive
