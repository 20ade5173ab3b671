// SPDX-License-Identifier: MIT
#pragma once

#include <limits>
#include <numeric>

#include "contrastive/objectives/row_length.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/matmul.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/ops/softmax.hpp"

/// The similarity losses as they are written in a paper, with every logit in memory: what runs on devices that the
/// engine does not know, what the tests hold the engine to, and the first rung of the benchmarks.
namespace contrastive::dense {

/// first, first + 1, ... as i64 (N) on the device of `like`.
inline Tensor range_like(const Tensor& like, std::int64_t first, std::int64_t N) {
  Tensor index({N}, DType::i64);
  const auto values = index.span<std::int64_t>();
  std::iota(values.begin(), values.end(), first);
  return index.to(like.device());
}

/// Rows against columns with the diagonal as target, from logits (N, N).
inline Tensor diagonal_cross_entropy(const Tensor& logits) {
  return mean(cross_entropy_rows(logits, range_like(logits, 0, logits.size(0))));
}

inline Tensor info_nce(const Tensor& queries, const Tensor& keys, double temperature,
                       RowLength length = RowLength::normalize) {
  const Tensor q = with_length("info_nce", "the queries", queries, length),
               k = with_length("info_nce", "the keys", keys, length);
  return diagonal_cross_entropy(matmul(q, k, false, true, 1 / temperature));
}

inline Tensor info_nce(const Tensor& queries, const Tensor& keys, const Tensor& negatives, double temperature,
                       RowLength length = RowLength::normalize) {
  const Tensor q = with_length("info_nce", "the queries", queries, length),
               k = with_length("info_nce", "the keys", keys, length),
               n = with_length("info_nce", "the negatives", negatives, length);
  const Tensor positive = sum(q * k, 1, true) * (1 / temperature);     // (N, 1)
  const Tensor negative = matmul(q, n, false, true, 1 / temperature);  // (N, K)
  const Tensor logits = concat({positive, negative}, 1);
  return mean(cross_entropy_rows(logits, Tensor::zeros({queries.size(0)}, DType::i64, logits.device())));
}

inline Tensor nt_xent(const Tensor& z0, const Tensor& z1, double temperature) {
  const std::int64_t N = z0.size(0);
  const Tensor z = normalize(concat({z0, z1}));                                    // (2N, D)
  const Tensor logits = mask_diagonal(matmul(z, z, false, true, 1 / temperature),  // (2N, 2N)
                                      -std::numeric_limits<double>::infinity());
  return mean(cross_entropy_rows(logits, concat({range_like(z, N, N), range_like(z, 0, N)})));
}

inline Tensor clip_loss(const Tensor& a, const Tensor& b, const Tensor& log_scale, RowLength length = RowLength::unit) {
  const Tensor x = with_length("clip_loss", "the first input", a, length),
               y = with_length("clip_loss", "the second input", b, length);
  const Tensor logits = matmul(x, y, false, true) * exp(log_scale);  // (N, N)
  return (diagonal_cross_entropy(logits) + diagonal_cross_entropy(permute(logits, {1, 0}))) * 0.5;
}

inline Tensor siglip_loss(const Tensor& a, const Tensor& b, const Tensor& log_scale, const Tensor& bias,
                          RowLength length = RowLength::unit) {
  const Tensor x = with_length("siglip_loss", "the first input", a, length),
               y = with_length("siglip_loss", "the second input", b, length);
  const std::int64_t N = a.size(0);
  const Tensor z = matmul(x, y, false, true) * exp(log_scale) + bias;                     // (N, N)
  const Tensor sign = mask_diagonal(Tensor::full({N, N}, -1, a.dtype(), a.device()), 1);  // 1 for pairs, else -1
  return sum(log_sigmoid(z * sign)) * (-1.0 / static_cast<double>(N));
}

}  // namespace contrastive::dense
