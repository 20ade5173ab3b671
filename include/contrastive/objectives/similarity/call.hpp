// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <initializer_list>
#include <utility>

#include "contrastive/objectives/similarity/foreign.hpp"
#include "contrastive/objectives/similarity/losses.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/tensor/tape.hpp"
#include "contrastive/tensor/tensor.hpp"

/// How the objectives reach the engine: from tensors on the tape, and from other libraries' matrices.
namespace contrastive::similarity {

/// Memory for calls that bring none of their own: one a thread, kept.
inline Workspace& own_workspace() {
  thread_local Workspace work;
  return work;
}

/// f.operator()<S>() with the elements that the engine takes such inputs as: bf16 where all are and this machine
/// multiplies them in pairs; otherwise they are widened.
template <class F>
Value in_compute_type(std::initializer_list<DType> inputs, F&& f) {
  const auto all = [&](DType wanted) {
    return std::all_of(inputs.begin(), inputs.end(), [&](DType d) { return d == wanted; });
  };
  if (*inputs.begin() == DType::f64) return f.template operator()<double>();
  if (has_bf16_dots() && all(DType::bf16)) return f.template operator()<bf16>();
  return f.template operator()<float>();
}

/// Whether the engine takes these tensors; other devices have dense forms (objectives/dense.hpp).
inline bool takes(const Tensor& t) { return t.device() == Device::cpu; }

inline Matrix borrow_rows(const Tensor& t) {
  require(takes(t), "[losses] runs on the CPU, got a tensor on ", to_string(t.device()));
  return {t.view().data, t.dtype(), t.size(0), t.size(1), t.size(1), 1};
}
inline MutableMatrix borrow_rows_to_write(const Tensor& t) {
  return {t.view().data, t.dtype(), t.size(0), t.size(1), t.size(1), 1};
}

/// A loss of tensors whose gradients are found with its value. `f.operator()<S>(work, a, b, da, db)` gives the Value;
/// da and db have no data where no gradient is wanted. `log_scale` and `bias`, where given, get theirs.
template <class F>
Tensor on_tape(F&& f, const Tensor& a, const Tensor& b = {}, const Tensor& log_scale = {}, const Tensor& bias = {}) {
  const bool scalars = recording({&log_scale, &bias});
  const Tensor da = scalars || recording({&a}) ? Tensor(a.shape(), a.dtype()) : Tensor();
  const Tensor db = b.defined() && (scalars || recording({&b})) ? Tensor(b.shape(), b.dtype()) : Tensor();
  const Matrix rows = borrow_rows(a), columns = b.defined() ? borrow_rows(b) : Matrix{};
  const MutableMatrix drows = da.defined() ? borrow_rows_to_write(da) : MutableMatrix{},
                      dcolumns = db.defined() ? borrow_rows_to_write(db) : MutableMatrix{};
  const Value value = in_compute_type({a.dtype(), b.defined() ? b.dtype() : a.dtype()}, [&]<class S>() {
    return f.template operator()<S>(own_workspace(), rows, columns, drows, dcolumns);
  });
  const Tensor loss = Tensor::full({}, value.loss, a.dtype() == DType::f64 ? DType::f64 : DType::f32);
  if (!recording({&a, &b, &log_scale, &bias})) return loss;
  const auto scalar = [](const Tensor& t, double d) { return t.defined() ? Tensor::full(t.shape(), d, t.dtype()) : t; };
  using Part = std::pair<Grad, Tensor>;
  return record(loss, [parts = std::array{Part(Grad(a), da), Part(Grad(b), db),
                                          Part(Grad(log_scale), scalar(log_scale, value.dlog_scale)),
                                          Part(Grad(bias), scalar(bias, value.dbias))}](const Tensor& dy) {
    for (const auto& [slot, d] : parts)
      if (slot) slot.add(d * dy.item());
  });
}

/// Two tensors, which have functions of their own.
template <class A, class B = A>
concept Tensors = std::derived_from<A, Tensor> && std::derived_from<B, Tensor>;

/// Stops the compiler with a sentence at what is no matrix.
template <class... M>
void need_matrices() {
  static_assert((ForeignMatrix<M> && ...),
                "losses: expected matrices of float, double or bf16: Eigen's (an expression too), xtensor's (an "
                "expression is stored in an array first), or MatrixSpan(span, rows, columns); tensors go with tensors "
                "(contrastive/objectives/similarity/foreign.hpp)");
}

/// The same for foreign matrices, written to `da` and `db`.
template <class F, class A, class B, class DA, class DB>
Value on_matrices(F&& f, Workspace& work, const A& left, const B& right, DA& da, DB& db) {
  need_matrices<A, B>();
  static_assert(GradientMemory<DA, A> && GradientMemory<DB, B>,
                "losses: gradients are written into matrices of float, double or bf16: Eigen's, xtensor's, or a "
                "MatrixSpan or std::vector for those of spans (contrastive/objectives/similarity/foreign.hpp)");
  const auto& a = evaluated(left);
  const auto& b = evaluated(right);
  const Matrix rows = borrow<Matrix>(a);
  const auto checked = [&](MutableMatrix d, const Matrix& like) {
    require(d.rows == like.rows && d.columns == like.columns, "[losses] a gradient of (", d.rows, ", ", d.columns,
            ") was given for a matrix of (", like.rows, ", ", like.columns, ")");
    return d;
  };
  const Matrix columns = borrow<Matrix>(b);
  return in_compute_type({rows.dtype, columns.dtype}, [&]<class S>() {
    return f.template operator()<S>(work, rows, columns, checked(writable(da, a), rows),
                                    checked(writable(db, b), columns));
  });
}

template <class F, class A, class B>
PairLoss<A, B> on_matrices(F&& f, const A& left, const B& right) {
  need_matrices<A, B>();
  if constexpr (ForeignMatrix<A> && ForeignMatrix<B>) {
    const auto& a = evaluated(left);
    const auto& b = evaluated(right);
    PairLoss<A, B> result{.da = gradient_for(a), .db = gradient_for(b)};
    const Value value = on_matrices(f, own_workspace(), a, b, result.da, result.db);
    result.loss = value.loss;
    result.dlog_scale = value.dlog_scale;
    result.dbias = value.dbias;
    return result;
  }
}

}  // namespace contrastive::similarity
