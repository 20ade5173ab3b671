// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/core/labels.hpp"
#include "contrastive/objectives/info_nce.hpp"

namespace contrastive {

struct SupConConfig {
  double temperature = 0.07;       // 1e-4 to 1e4
  double base_temperature = 0.07;  // so too; the loss is multiplied by temperature / base_temperature
};

namespace detail {

inline void check(const SupConConfig& config) {
  check_temperature("sup_con", config.temperature);
  check_temperature("sup_con", config.base_temperature, "the base temperature");
}

}  // namespace detail

/// Supervised contrastive learning (Khosla et al. 2020, arXiv:2004.11362, eq. 2, L_out; HobbitLong/SupContrast,
/// losses.py):
///
///     L = t/t0 1/N sum_i - 1/|P(i)| sum_{p in P(i)} log( exp(z_i . z_p / t) / sum_{j != i} exp(z_i . z_j / t) )
///
/// z: (N, D), of any length: rows are normalised here; all views under each other. `labels` (N), int32 or int64: P(i) are
/// the other rows of i's class. A row alone in its class counts 0, where the official code divides by zero.
///
///     Tensor loss = sup_con(concat({z0, z1}), labels_twice, {.temperature = 0.1});
inline Tensor sup_con(const Tensor& z, const Labels& labels, const SupConConfig& config = {}) {
  require(z.rank() == 2, "[sup_con] expected (N, D), got ", z.shape());
  detail::check(config);
  require(similarity::takes(z), "[sup_con] runs on the CPU, got a tensor on ", to_string(z.device()));
  const auto call = [&]<class C>(similarity::Workspace& work, const similarity::Matrix& rows, const similarity::Matrix&,
                                 const similarity::MutableMatrix& dz, const similarity::MutableMatrix&) {
    return similarity::softmax_classes<C>(work, "sup_con", rows, labels, 1 / config.temperature,
                                          config.temperature / config.base_temperature, RowLength::normalize, dz);
  };
  return similarity::on_tape(call, z);
}

/// Loss and gradient of one matrix.
template <class A>
struct RowLoss {
  double loss = 0;
  similarity::gradient_t<A> dz;
  double dlog_scale = 0;
};

/// The same for a matrix or expression of Eigen or xtensor, or a `MatrixSpan`.
template <class A>
requires(!similarity::Tensors<A>) RowLoss<A> sup_con(const A& matrix, const Labels& labels,
                                                     const SupConConfig& config = {}) {
  similarity::need_matrices<A>();
  detail::check(config);
  const auto& z = similarity::evaluated(matrix);
  RowLoss<A> result{.dz = similarity::gradient_for(z)};
  const similarity::Matrix rows = similarity::borrow<similarity::Matrix>(z);
  const similarity::Value value = similarity::in_compute_type({rows.dtype}, [&]<class C>() {
    return similarity::softmax_classes<C>(similarity::own_workspace(), "sup_con", rows, labels, 1 / config.temperature,
                                          config.temperature / config.base_temperature, RowLength::normalize,
                                          similarity::writable(result.dz, z));
  });
  result.loss = value.loss;
  result.dlog_scale = value.dlog_scale;
  return result;
}

}  // namespace contrastive
