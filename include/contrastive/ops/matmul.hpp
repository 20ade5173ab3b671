// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/ops/elementwise.hpp"
#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

namespace detail {
inline Tensor product(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b, double alpha, DType dtype,
                      const Tensor& bias = {}) {
  const std::int64_t rows = transpose_a ? a.size(-1) : a.size(-2), columns = transpose_b ? b.size(-2) : b.size(-1);
  const Tensor y(a.rank() == 3 ? Shape{a.size(0), rows, columns} : Shape{rows, columns}, dtype, a.device());
  if (bias.defined()) check_bias(y, bias);
  a.kernels().matmul(a.view(), b.view(), y.view(), {transpose_a, transpose_b, alpha, 0, bias.view()});
  return y;
}
}  // namespace detail

/// alpha op(a) op(b) for (M, K) x (K, N), or for a batch of them; op transposes the last two axes when asked. The
/// result has a's dtype: bf16 data beside f32 weights is computed in bf16, and the weights' gradient is f32. A bias (N),
/// f32 beside bf16, is added to each row of a product with alpha 1.
inline Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false,
                     double alpha = 1, const Tensor& bias = {}) {
  require((a.rank() == 2 || a.rank() == 3) && a.rank() == b.rank(),
          "[matmul] expected two matrices or two batches of them, got ", a.shape(), " and ", b.shape());
  require(a.rank() == 2 || a.size(0) == b.size(0), "[matmul] batches differ: ", a.shape(), " x ", b.shape());
  const std::int64_t inner_a = transpose_a ? a.size(-2) : a.size(-1), inner_b = transpose_b ? b.size(-1) : b.size(-2);
  require(inner_a == inner_b, "[matmul] inner sizes differ: ", a.shape(), transpose_a ? "^T" : "", " x ", b.shape(),
          transpose_b ? "^T" : "");
  require((a.dtype() == DType::f64) == (b.dtype() == DType::f64), "[matmul] f64 meets only f64, got ",
          to_string(a.dtype()), " and ", to_string(b.dtype()));
  require(!bias.defined() || alpha == 1, "[matmul] a bias goes with alpha 1, got ", alpha);
  check_devices("matmul", {&a, &b});
  const Tensor y = detail::product(a, b, transpose_a, transpose_b, alpha, a.dtype(), bias);
  if (!recording({&a, &b, &bias})) return y;
  return record(y, [da = Grad(a), db = Grad(b), dbias = Grad(bias), a = Saved("matmul", a), b = Saved("matmul", b),
                    transpose_a, transpose_b, alpha](const Tensor& dy) {
    if (dbias) dbias.add(detail::bias_gradient(dy));
    if (da)
      da.add(transpose_a ? detail::product(*b, dy, transpose_b, true, alpha, a.like().dtype())
                         : detail::product(dy, *b, false, !transpose_b, alpha, a.like().dtype()));
    if (db)
      db.add(transpose_b ? detail::product(dy, *a, true, transpose_a, alpha, b.like().dtype())
                         : detail::product(*a, dy, !transpose_a, false, alpha, b.like().dtype()));
  });
}

}  // namespace contrastive
