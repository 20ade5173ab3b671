// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/core/bounds.hpp"
#include "contrastive/objectives/dense.hpp"
#include "contrastive/objectives/similarity/call.hpp"

namespace contrastive {

namespace detail {

inline void check_pairs(const char* op, const Tensor& a, const Tensor& b) {
  require(a.rank() == 2 && a.shape() == b.shape() && a.size(0) > 0, "[", op,
          "] expected two tensors of the same (N, D) with N > 0, got ", a.shape(), " and ", b.shape());
  check_devices(op, {&a, &b});
}

/// info_nce for the engine: `options` may say more (label smoothing, weights, ids).
struct InfoNceCall {
  similarity::SoftmaxOptions options;

  explicit InfoNceCall(double temperature, similarity::SoftmaxOptions o = {}) : options(o) {
    check_temperature("info_nce", temperature);
    options.sides = similarity::Sides::rows;
    options.scale = 1 / temperature;
    if (!options.length) options.length = RowLength::normalize;
  }
  template <class C>
  similarity::Value operator()(similarity::Workspace& work, const similarity::Matrix& a, const similarity::Matrix& b,
                               const similarity::MutableMatrix& da, const similarity::MutableMatrix& db) const {
    return similarity::softmax_pairs<C>(work, "info_nce", a, b, options, da, db);
  }
};

}  // namespace detail

/// InfoNCE over a batch of pairs (van den Oord et al. 2018, arXiv:1807.03748, eq. 4, with a temperature):
///
///     L = - 1/N sum_i log( exp(q_i . k_i / t) / sum_j exp(q_i . k_j / t) )
///
/// queries, keys: (N, D), of any length: rows are normalised here (`length`). Each query's negatives are the other rows'
/// keys. `temperature`: 1e-4 to 1e4, 0.07 in CMC and MoCo v1. Throws where an element is not finite.
///
///     Tensor loss = info_nce(queries, keys, 0.07);
///     loss.backward();
inline Tensor info_nce(const Tensor& queries, const Tensor& keys, double temperature,
                       RowLength length = RowLength::normalize) {
  detail::check_pairs("info_nce", queries, keys);
  const detail::InfoNceCall call(temperature, {.length = length});
  if (!similarity::takes(queries)) return dense::info_nce(queries, keys, temperature, length);
  return similarity::on_tape(call, queries, keys);
}

/// The same for matrices and expressions of Eigen and xtensor, or a `MatrixSpan`: loss and both gradients at once.
///
///     auto r = info_nce(queries, keys, 0.07);  // r.loss, r.da, r.db, r.dlog_scale (of log 1/t)
template <class A, class B>
requires(!similarity::Tensors<A, B>) PairLoss<A, B> info_nce(const A& queries, const B& keys, double temperature,
                                                             const similarity::SoftmaxOptions& options = {}) {
  return similarity::on_matrices(detail::InfoNceCall(temperature, options), queries, keys);
}

/// The same into the caller's gradients, with memory that is kept between calls.
template <class A, class B, class DA, class DB>
requires(!similarity::Tensors<A, B>) similarity::Value
    info_nce(const A& queries, const B& keys, double temperature, DA& dqueries, DB& dkeys, similarity::Workspace& work,
             const similarity::SoftmaxOptions& options = {}) {
  return similarity::on_matrices(detail::InfoNceCall(temperature, options), work, queries, keys, dqueries, dkeys);
}

/// InfoNCE with one positive a row and shared negatives (He et al. 2019, arXiv:1911.05722, eq. 1; facebookresearch/moco,
/// moco/builder.py):
///
///     L = - 1/N sum_i log( exp(q_i . k_i / t) / (exp(q_i . k_i / t) + sum_j exp(q_i . n_j / t)) )
///
/// queries, keys (N, D) and negatives (K, D), of any length: rows are normalised here (`length`). MoCo: t = 0.07, v2: 0.2.
/// The negatives are a queue: where they want a gradient, the logits are kept in memory.
inline Tensor info_nce(const Tensor& queries, const Tensor& keys, const Tensor& negatives, double temperature,
                       RowLength length = RowLength::normalize) {
  detail::check_pairs("info_nce", queries, keys);
  check_temperature("info_nce", temperature);
  require(negatives.rank() == 2 && negatives.size(1) == queries.size(1), "[info_nce] expected negatives (K, ",
          queries.size(1), "), got ", negatives.shape());
  if (!similarity::takes(queries) || recording({&negatives}) || negatives.size(0) == 0)
    return dense::info_nce(queries, keys, negatives, temperature, length);
  const auto call = [&]<class S>(similarity::Workspace& work, const similarity::Matrix& q, const similarity::Matrix& k,
                                 const similarity::MutableMatrix& dq, const similarity::MutableMatrix& dk) {
    using Rows = std::conditional_t<std::is_same_v<S, bf16>, float, S>;  // where the queue is not bf16 too
    const auto with = [&]<class T>() {
      return similarity::softmax_queue<T>(work, "info_nce", q, k, similarity::borrow_rows(negatives), 1 / temperature,
                                          length, dq, dk);
    };
    return negatives.dtype() == queries.dtype() ? with.template operator()<S>() : with.template operator()<Rows>();
  };
  return similarity::on_tape(call, queries, keys);
}

}  // namespace contrastive
