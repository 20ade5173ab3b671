// SPDX-License-Identifier: MIT
#pragma once

#if !__has_include(<Eigen/Eigenvalues>)
#error "contrastive: eval/ and train/ need Eigen 3.4 (Debian and Ubuntu: libeigen3-dev, -I/usr/include/eigen3)"
#endif
#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "contrastive/core/compiled.hpp"
#include "contrastive/eval/linear_algebra.hpp"

namespace contrastive::detail {

using RowMajorMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

inline Eigen::Map<RowMajorMatrix> as_matrix(const Tensor& x) { return {x.data<double>(), x.size(0), x.size(1)}; }

inline Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solve_symmetric(const Tensor& a, int wanted) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(as_matrix(a), wanted);
  require(solver.info() == Eigen::Success, "[eigenvalues] of a matrix ", a.shape(), " did not converge");
  return solver;
}

// NOLINTBEGIN(misc-definitions-in-headers): one file of src/ compiles them
CONTRASTIVE_ONCE std::vector<double> symmetric_eigenvalues(const Tensor& a) {
  if (a.count() == 0) return {};
  std::vector<double> values(static_cast<std::size_t>(a.size(0)));
  Eigen::VectorXd::Map(values.data(), a.size(0)) = solve_symmetric(a, Eigen::EigenvaluesOnly).eigenvalues().reverse();
  return values;
}

CONTRASTIVE_ONCE Tensor symmetric_eigenvectors(const Tensor& a) {
  const Tensor rows(a.shape(), DType::f64);
  as_matrix(rows) = solve_symmetric(a, Eigen::ComputeEigenvectors).eigenvectors().rowwise().reverse().transpose();
  return rows;
}

CONTRASTIVE_ONCE Tensor orthonormal_rows(const Tensor& x) {
  const std::int64_t k = x.size(0), D = x.size(1);
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(as_matrix(x).transpose());
  const Tensor rows(x.shape(), DType::f64);
  as_matrix(rows) = (qr.householderQ() * Eigen::MatrixXd::Identity(D, k)).transpose();
  return rows;
}

CONTRASTIVE_ONCE Tensor cholesky(const Tensor& a) {
  const Eigen::LLT<RowMajorMatrix> solver(as_matrix(a));
  if (solver.info() != Eigen::Success) return {};
  const Tensor factor(a.shape(), DType::f64);
  as_matrix(factor) = solver.matrixL();
  return factor;
}

CONTRASTIVE_ONCE void cholesky_solve(const Tensor& factor, double* v) {
  Eigen::Map<Eigen::VectorXd> x(v, factor.size(0));
  const auto lower = as_matrix(factor);
  lower.triangularView<Eigen::Lower>().solveInPlace(x);
  lower.transpose().triangularView<Eigen::Upper>().solveInPlace(x);
}
// NOLINTEND(misc-definitions-in-headers)

}  // namespace contrastive::detail
