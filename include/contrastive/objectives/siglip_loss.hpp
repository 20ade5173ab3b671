// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "contrastive/objectives/info_nce.hpp"

namespace contrastive {

namespace detail {

struct SigLipCall {
  double scale, bias;
  RowLength length;
  Labels ids;
  std::int64_t tile = 0;

  SigLipCall(double log_scale, double b, RowLength rows, Labels same = {})
      : scale(std::exp(log_scale)), bias(b), length(rows), ids(same) {
    check_log_scale("siglip_loss", log_scale);
    require_within("siglip_loss", "the bias", b, -1e4, 1e4);
  }
  template <class C>
  similarity::Value operator()(similarity::Workspace& work, const similarity::Matrix& a, const similarity::Matrix& b,
                               const similarity::MutableMatrix& da, const similarity::MutableMatrix& db) const {
    return similarity::sigmoid_pairs<C>(work, "siglip_loss", a, b, scale, bias, length, da, db, ids, tile);
  }
};

}  // namespace detail

/// The pairwise sigmoid loss of SigLIP (Zhai et al. 2023, arXiv:2303.15343, eq. 1; open_clip, src/open_clip/loss.py):
///
///     L = - 1/N sum_ij log sigmoid( y_ij (e^log_scale a_i . b_j + bias) ),  y_ij = 1 for i = j, else -1
///
/// a, b: (N, D), of unit rows as the model leaves them; other rows throw (`length`). `log_scale`, -10 to 10, starts at
/// log 10, `bias`, -1e4 to 1e4, at -10; both are learned. `ids`, one a pair: other pairs of the same id count neither as
/// equal nor as different.
///
///     Tensor loss = siglip_loss(image_features, text_features, log_scale, bias);
inline Tensor siglip_loss(const Tensor& a, const Tensor& b, const Tensor& log_scale, const Tensor& bias,
                          RowLength length = RowLength::unit, const Labels& ids = {}) {
  detail::check_pairs("siglip_loss", a, b);
  require(log_scale.count() == 1 && bias.count() == 1, "[siglip_loss] log scale and bias are one number each, got ",
          log_scale.shape(), " and ", bias.shape());
  const detail::SigLipCall call(log_scale.item(), bias.item(), length, ids);
  if (!similarity::takes(a)) return dense::siglip_loss(a, b, log_scale, bias, length, ids);
  return similarity::on_tape(call, a, b, log_scale, bias);
}

/// The same for matrices and expressions of Eigen and xtensor, or a `MatrixSpan`: loss and all gradients at once.
///
///     auto r = siglip_loss(a, b, log_scale, bias);  // r.loss, r.da, r.db, r.dlog_scale, r.dbias
template <class A, class B>
requires(!similarity::Tensors<A, B>) PairLoss<A, B> siglip_loss(const A& a, const B& b, double log_scale, double bias,
                                                                RowLength length = RowLength::unit) {
  return similarity::on_matrices(detail::SigLipCall(log_scale, bias, length), a, b);
}

/// The same into the caller's gradients, with memory that is kept between calls.
template <class A, class B, class DA, class DB>
requires(!similarity::Tensors<A, B>) similarity::Value
    siglip_loss(const A& a, const B& b, double log_scale, double bias, DA& da, DB& db, similarity::Workspace& work,
                RowLength length = RowLength::unit) {
  return similarity::on_matrices(detail::SigLipCall(log_scale, bias, length), work, a, b, da, db);
}

}  // namespace contrastive
