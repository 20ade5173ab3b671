// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "contrastive/tensor/tensor.hpp"

/// What the evaluations take from Eigen: on the CPU, in f64.
namespace contrastive::detail {

/// Eigenvalues of a symmetric matrix (n, n), largest first.
std::vector<double> symmetric_eigenvalues(const Tensor& a);

/// Its eigenvectors as rows (n, n), that of the largest eigenvalue first.
Tensor symmetric_eigenvectors(const Tensor& a);

/// Orthonormal rows (k, D) whose first j span what the first j rows of x (k, D) do, k <= D; where those depend on each
/// other, more.
Tensor orthonormal_rows(const Tensor& x);

/// The lower triangular factor L of a = L L^T (n, n); empty unless a is positive definite.
Tensor cholesky(const Tensor& a);

/// Solves L L^T x = v in place; v: n numbers.
void cholesky_solve(const Tensor& factor, double* v);

}  // namespace contrastive::detail

#if !defined(CONTRASTIVE_COMPILED)
#include "contrastive/eval/linear_algebra_parts.hpp"  // IWYU pragma: export
#endif
