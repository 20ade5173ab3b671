// SPDX-License-Identifier: MIT
#pragma once

#include <limits>
#include <numeric>

#include "contrastive/core/labels.hpp"
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

/// `value` where two different pairs have one id, else 0: (N, N) as `like`; empty without ids.
inline Tensor at_equal_ids(const char* op, const Labels& ids, double value, const Tensor& like) {
  if (ids.empty()) return {};
  const std::int64_t N = like.size(0);
  require(static_cast<std::int64_t>(ids.size()) == N, "[", op, "] expected an id for each of ", N, " pairs, got ",
          ids.size());
  const Tensor out = Tensor::zeros({N, N}, DType::f64);
  for (std::int64_t i = 0; i < N; ++i)
    for (std::int64_t j = 0; j < N; ++j)
      if (i != j && ids[static_cast<std::size_t>(i)] == ids[static_cast<std::size_t>(j)])
        out.data<double>()[i * N + j] = value;
  return out.to(like.dtype()).to(like.device());
}

inline Tensor clip_loss(const Tensor& a, const Tensor& b, const Tensor& log_scale, RowLength length = RowLength::unit,
                        const Labels& ids = {}) {
  const Tensor x = with_length("clip_loss", "the first input", a, length),
               y = with_length("clip_loss", "the second input", b, length);
  Tensor logits = matmul(x, y, false, true) * exp(log_scale);  // (N, N)
  if (const Tensor out = at_equal_ids("clip_loss", ids, -std::numeric_limits<double>::infinity(), logits);
      out.defined())
    logits = logits + out;
  return (diagonal_cross_entropy(logits) + diagonal_cross_entropy(permute(logits, {1, 0}))) * 0.5;
}

inline Tensor siglip_loss(const Tensor& a, const Tensor& b, const Tensor& log_scale, const Tensor& bias,
                          RowLength length = RowLength::unit, const Labels& ids = {}) {
  const Tensor x = with_length("siglip_loss", "the first input", a, length),
               y = with_length("siglip_loss", "the second input", b, length);
  const std::int64_t N = a.size(0);
  Tensor z = matmul(x, y, false, true) * exp(log_scale) + bias;  // (N, N)
  if (const Tensor out = at_equal_ids("siglip_loss", ids, -1e30, z); out.defined()) z = z + out;
  const Tensor sign = mask_diagonal(Tensor::full({N, N}, -1, a.dtype(), a.device()), 1);  // 1 for pairs, else -1
  return sum(log_sigmoid(z * sign)) * (-1.0 / static_cast<double>(N));
}

}  // namespace contrastive::dense
