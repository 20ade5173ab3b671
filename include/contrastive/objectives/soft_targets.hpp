// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "contrastive/objectives/info_nce.hpp"

namespace contrastive {

/// log sum_j exp(e^log_scale a_i . b_j), a row each: a (N, D), b (M, D) -> (N), without the (N, M) logits in memory. What
/// softmax losses with targets of their own are made of. Rows are taken as they are, whatever their length.
inline Tensor similarity_logsumexp(const Tensor& a, const Tensor& b, const Tensor& log_scale) {
  require(a.rank() == 2 && b.rank() == 2 && a.size(1) == b.size(1),
          "[similarity_logsumexp] expected (N, D) and (M, D), got ", a.shape(), " and ", b.shape());
  require(log_scale.count() == 1, "[similarity_logsumexp] the log scale is one number, got ", log_scale.shape());
  require(similarity::takes(a), "[similarity_logsumexp] runs on the CPU, got tensors on ", to_string(a.device()));
  check_log_scale("similarity_logsumexp", log_scale.item());
  const double scale = std::exp(log_scale.item()), ln2 = std::log(2.0);
  const DType dtype = a.dtype() == DType::f64 ? DType::f64 : DType::f32;
  const Tensor y({a.size(0)}, dtype), reference({a.size(0)}, DType::f64);
  const auto with = [dtype](auto&& f) {
    if (dtype == DType::f64)
      f(similarity::own_workspace().engine<double>());
    else
      f(similarity::own_workspace().engine<float>());
  };
  with([&](auto& engine) {
    engine.open("similarity_logsumexp", similarity::borrow_rows(a), similarity::borrow_rows(b), scale,
                similarity::Sides::rows, RowLength::any, {}, similarity::Memory::recompute);
    engine.sums();
    for (std::int64_t i = 0; i < a.size(0); ++i) {
      reference.data<double>()[i] = engine.row_lse()[i];
      const double value = engine.row_lse()[i] * ln2;
      dtype == DType::f64 ? (y.data<double>()[i] = value) : (y.data<float>()[i] = static_cast<float>(value));
    }
  });
  if (!recording({&a, &b, &log_scale})) return y;
  return record(y, [ga = Grad(a), gb = Grad(b), gs = Grad(log_scale), kept_a = Saved("similarity_logsumexp", a),
                    kept_b = Saved("similarity_logsumexp", b), shape = log_scale.shape(),
                    scale_dtype = log_scale.dtype(), scale, reference, with](const Tensor& dy) {
    const Tensor &a = *kept_a, &b = *kept_b;
    const Tensor weights = dy.to(DType::f64), da(a.shape(), a.dtype()), db(b.shape(), b.dtype());
    double slope = 0;
    with([&](auto& engine) {
      engine.open("similarity_logsumexp", similarity::borrow_rows(a), similarity::borrow_rows(b), scale,
                  similarity::Sides::rows, RowLength::any, {}, similarity::Memory::recompute);
      engine.gradient(weights.data<double>(), nullptr, reference.data<double>(), nullptr);
      for (std::int64_t i = 0; i < a.size(0); ++i)
        slope += engine.write_dx(i, 0, 0, nullptr, scale, similarity::borrow_rows_to_write(da), i);
      for (std::int64_t j = 0; j < b.size(0); ++j)
        engine.write_dy(j, 0, 0, nullptr, scale, similarity::borrow_rows_to_write(db), j);
    });
    ga.add(da);
    gb.add(db);
    gs.add(Tensor::full(shape, slope * scale, scale_dtype));
  });
}

/// Cross entropy of each row's softmax with a row of soft targets (several captions a picture, a teacher's softmax):
///
///     L = - 1/N sum_ij T_ij log softmax_j(e^log_scale a_i . b_j)
///
/// a (N, D), b (M, D), of unit rows as models leave them; other rows throw (`length`). targets (N, M), rows of which need
/// not sum to 1; no gradient flows to them. The targets are the caller's memory; the logits take none. The other
/// direction: swap a and b and transpose the targets. For a Kullback-Leibler divergence subtract the targets' entropy, a
/// constant (ActionCLIP, utils/KLLoss.py).
///
///     Tensor loss = soft_target_info_nce(image, text, log_scale, softmax(teacher_logits));
inline Tensor soft_target_info_nce(const Tensor& a, const Tensor& b, const Tensor& log_scale, const Tensor& targets,
                                   RowLength length = RowLength::unit) {
  require(targets.rank() == 2 && targets.size(0) == a.size(0) && targets.size(1) == b.size(0),
          "[soft_target_info_nce] expected targets (", a.size(0), ", ", b.size(0), "), got ", targets.shape());
  const Tensor T = stop_gradient(targets);
  const Tensor x = with_length("soft_target_info_nce", "the first input", a, length),
               y = with_length("soft_target_info_nce", "the second input", b, length);
  const Tensor scores = sum(x * matmul(T, y), 1) * exp(log_scale);  // sum_j T_ij s_ij, (N)
  return mean(similarity_logsumexp(x, y, log_scale) * sum(T, 1) - scores);
}

}  // namespace contrastive
