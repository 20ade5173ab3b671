// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <numeric>

#include "contrastive/ops/index.hpp"
#include "contrastive/ops/matmul.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/ops/softmax.hpp"

namespace contrastive {

namespace detail {

inline void check_temperature(const char* op, double temperature) {
  require(std::isfinite(temperature) && temperature > 0, "[", op, "] the temperature must be above 0, got ",
          temperature);
}

inline void check_pairs(const char* op, const Tensor& a, const Tensor& b) {
  require(a.rank() == 2 && a.shape() == b.shape() && a.size(0) > 0, "[", op,
          "] expected two tensors of the same (N, D) with N > 0, got ", a.shape(), " and ", b.shape());
}

/// first, first + 1, ... as i64 (N) on the device of `like`.
inline Tensor range_like(const Tensor& like, std::int64_t first, std::int64_t N) {
  Tensor index({N}, DType::i64);
  const auto values = index.span<std::int64_t>();
  std::iota(values.begin(), values.end(), first);
  return index.to(like.device());
}

}  // namespace detail

/// InfoNCE over a batch of pairs (van den Oord et al. 2018, arXiv:1807.03748, eq. 4, with a temperature):
///
///     L = - 1/N sum_i log( exp(q_i . k_i / t) / sum_j exp(q_i . k_j / t) )
///
/// queries, keys: (N, D), normalised to unit rows here. Each query's negatives are the other rows' keys.
/// `temperature` > 0: 0.07 in CMC and MoCo v1.
///
///     Tensor loss = info_nce(queries, keys, 0.07);
///     loss.backward();
inline Tensor info_nce(const Tensor& queries, const Tensor& keys, double temperature) {
  detail::check_pairs("info_nce", queries, keys);
  detail::check_temperature("info_nce", temperature);
  const Tensor logits = matmul(normalize(queries), normalize(keys), false, true, 1 / temperature);  // (N, N)
  return mean(cross_entropy_rows(logits, detail::range_like(logits, 0, queries.size(0))));
}

/// InfoNCE with one positive a row and shared negatives (He et al. 2019, arXiv:1911.05722, eq. 1; facebookresearch/moco,
/// moco/builder.py):
///
///     L = - 1/N sum_i log( exp(q_i . k_i / t) / (exp(q_i . k_i / t) + sum_j exp(q_i . n_j / t)) )
///
/// queries, keys (N, D) and negatives (K, D), all of unit rows already. MoCo: t = 0.07, v2: 0.2.
inline Tensor info_nce(const Tensor& queries, const Tensor& keys, const Tensor& negatives, double temperature) {
  detail::check_pairs("info_nce", queries, keys);
  detail::check_temperature("info_nce", temperature);
  require(negatives.rank() == 2 && negatives.size(1) == queries.size(1), "[info_nce] expected negatives (K, ",
          queries.size(1), "), got ", negatives.shape());
  const Tensor positive = sum(queries * keys, 1, true) * (1 / temperature);          // (N, 1)
  const Tensor negative = matmul(queries, negatives, false, true, 1 / temperature);  // (N, K)
  const Tensor logits = concat({positive, negative}, 1);
  return mean(cross_entropy_rows(logits, Tensor::zeros({queries.size(0)}, DType::i64, logits.device())));
}

}  // namespace contrastive
