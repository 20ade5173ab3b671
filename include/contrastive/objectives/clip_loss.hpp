// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "contrastive/objectives/info_nce.hpp"

namespace contrastive {

namespace detail {

struct ClipCall {
  similarity::SoftmaxOptions options;

  explicit ClipCall(double log_scale, similarity::SoftmaxOptions o = {}) : options(o) {
    check_log_scale("clip_loss", log_scale);
    options.sides = similarity::Sides::both;
    options.scale = std::exp(log_scale);
    if (!options.length) options.length = RowLength::unit;
  }
  template <class C>
  similarity::Value operator()(similarity::Workspace& work, const similarity::Matrix& a, const similarity::Matrix& b,
                               const similarity::MutableMatrix& da, const similarity::MutableMatrix& db) const {
    return similarity::softmax_pairs<C>(work, "clip_loss", a, b, options, da, db);
  }
};

}  // namespace detail

/// The symmetric InfoNCE of CLIP (Radford et al. 2021, arXiv:2103.00020, fig. 3; open_clip, src/open_clip/loss.py):
///
///     L = 1/2N sum_i ( log sum_j e^s_ij + log sum_j e^s_ji - 2 s_ii ),  s_ij = e^log_scale a_i . b_j
///
/// a, b: (N, D), of unit rows as the model leaves them; other rows throw (`length`). `log_scale`: one number of -10 to 10,
/// learned; starts at log(1/0.07) and is kept under log 100 by the trainer. `ids`, one a pair: other pairs of the same id
/// are no negatives (two images of one caption).
///
///     Tensor loss = clip_loss(image_features, text_features, log_scale);
///     loss.backward();  // log_scale.grad() too
inline Tensor clip_loss(const Tensor& a, const Tensor& b, const Tensor& log_scale, RowLength length = RowLength::unit,
                        const Labels& ids = {}) {
  detail::check_pairs("clip_loss", a, b);
  require(log_scale.count() == 1, "[clip_loss] the log scale is one number, got ", log_scale.shape());
  const detail::ClipCall call(log_scale.item(), {.length = length, .ids = ids});
  if (!similarity::takes(a)) return dense::clip_loss(a, b, log_scale, length, ids);
  return similarity::on_tape(call, a, b, log_scale);
}

/// The same for matrices and expressions of Eigen and xtensor, or a `MatrixSpan`: loss and all gradients at once.
///
///     auto r = clip_loss(a, b, log_scale);  // r.loss, r.da, r.db, r.dlog_scale
template <class A, class B>
requires(!similarity::Tensors<A, B>) PairLoss<A, B> clip_loss(const A& a, const B& b, double log_scale,
                                                              const similarity::SoftmaxOptions& options = {}) {
  return similarity::on_matrices(detail::ClipCall(log_scale, options), a, b);
}

/// The same into the caller's gradients, with memory that is kept between calls.
template <class A, class B, class DA, class DB>
requires(!similarity::Tensors<A, B>) similarity::Value
    clip_loss(const A& a, const B& b, double log_scale, DA& da, DB& db, similarity::Workspace& work,
              const similarity::SoftmaxOptions& options = {}) {
  return similarity::on_matrices(detail::ClipCall(log_scale, options), work, a, b, da, db);
}

}  // namespace contrastive
