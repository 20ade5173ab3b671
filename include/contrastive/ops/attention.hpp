// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <limits>

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

/// Their values are read where the host can.
inline void check_lengths(const char* op, const Tensor& qkv, const Tensor& lengths) {
  if (!lengths.defined()) return;
  require(lengths.shape() == Shape{qkv.size(0)} && lengths.dtype() == DType::i64, "[", op, "] expected i64 lengths (",
          qkv.size(0), "), got ", lengths.shape(), " ", to_string(lengths.dtype()));
  if (lengths.device() != Device::cpu) return;
  for (std::int64_t n = 0; n < qkv.size(0); ++n) {
    const std::int64_t length = lengths.data<std::int64_t>()[n];
    require(length >= 1 && length <= qkv.size(1), "[", op, "] sequence ", n, " has a length of ", length,
            ", expected 1 to ", qkv.size(1));
  }
}
}  // namespace detail

/// Multi-head self-attention (Vaswani et al. 2017, arXiv:1706.03762): (N, L, 3 D) -> (N, L, D). A row holds queries, keys
/// and values, each split into `heads` groups of consecutive channels (timm's packing); scores are scaled by one over
/// the root of a head's width. `causal` hides the positions after each one. The (L, L) scores are never kept.
///
/// Sequences of different length are padded at their end: `lengths`, i64 (N), each 1 to L, hides the keys of sequence n
/// from position lengths[n] on, and no gradient reaches those keys and values. Padded queries see the same keys as live
/// ones; their rows are finite and mean nothing. Empty: all have L. On the CPU a length out of range throws, and time
/// goes with the length. On another device it makes the rows and gradients of its sequence NaN, because looking would
/// wait for the device.
inline Tensor attention(const Tensor& qkv, int heads, bool causal = false, const Tensor& lengths = {}) {
  const AttentionSpec spec = detail::attention_spec(qkv, heads, causal);
  check_devices("attention", {&qkv, &lengths});
  detail::check_lengths("attention", qkv, lengths);
  const Tensor y({qkv.size(0), qkv.size(1), qkv.size(2) / 3}, qkv.dtype(), qkv.device());
  const Tensor lse({qkv.size(0), heads, qkv.size(1)}, qkv.dtype() == DType::bf16 ? DType::f32 : qkv.dtype(),
                   qkv.device());
  qkv.kernels().attention(qkv.view(), lengths.view(), y.view(), lse.view(), spec);
  if (!recording({&qkv})) return y;
  return record(y, [dx = Grad(qkv), qkv = Saved("attention", qkv), lengths = Saved("attention", lengths),
                    y = Saved("attention", y), lse, spec](const Tensor& dy) {
    const Tensor d(qkv->shape(), qkv->dtype(), qkv->device());
    d.kernels().attention_grad(qkv->view(), lengths->view(), y->view(), lse.view(), dy.view(), d.view(), spec);
    dx.add(d);
  });
}

/// The attention that the first `queries` positions pay to all: (N, L, 3 D) -> (N, heads, queries, L), rows summing
/// to 1, and 0 on keys that `lengths` hides. For looking at: it makes what `attention` avoids, and reads lengths on the
/// host, which waits for another device.
inline Tensor attention_weights(const Tensor& qkv, int heads, std::int64_t queries, const Tensor& lengths = {}) {
  const AttentionSpec spec = detail::attention_spec(qkv, heads, false);
  const std::int64_t N = qkv.size(0), L = qkv.size(1), D = qkv.size(2) / 3, width = D / heads;
  require(queries >= 0 && queries <= L, "[attention_weights] ", queries, " queries of ", L, " positions");
  const auto by_head = [&](std::int64_t part, std::int64_t rows) {
    const Tensor x = narrow(narrow(qkv, 2, part * D, (part + 1) * D), 1, 0, rows);
    return permute(x.reshape({N, rows, heads, width}), {0, 2, 1, 3}).reshape({N * heads, rows, width});
  };
  const Tensor scores = matmul(by_head(0, queries), by_head(1, L), false, true, spec.scale);
  if (!lengths.defined()) return softmax(scores).reshape({N, heads, queries, L});
  const Tensor host = lengths.to(Device::cpu), hides = Tensor::zeros({N, 1, 1, L});
  detail::check_lengths("attention_weights", qkv, host);
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t j = host.data<std::int64_t>()[n]; j < L; ++j)
      hides.data<float>()[n * L + j] = -std::numeric_limits<float>::infinity();
  return softmax(scores.reshape({N, heads, queries, L}) + hides.to(qkv.dtype()).to(qkv.device()));
}

}  // namespace contrastive
