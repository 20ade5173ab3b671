// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/core/rng.hpp"
#include "contrastive/eval/spectrum.hpp"

namespace contrastive {

namespace detail {

/// Makes the rows of q (k, D) orthonormal, twice over; a row that vanishes becomes zero.
inline void orthonormalise(std::vector<double>& q, std::int64_t k, std::int64_t D) {
  for (std::int64_t i = 0; i < k; ++i) {
    double* const row = &q[i * D];
    const double before = std::sqrt(dot_in_lanes(row, row, D));
    for (int pass = 0; pass < 2; ++pass)
      for (std::int64_t j = 0; j < i; ++j) {
        const double along = dot_in_lanes(row, &q[j * D], D);
        for (std::int64_t d = 0; d < D; ++d) row[d] -= along * q[j * D + d];
      }
    const double norm = std::sqrt(dot_in_lanes(row, row, D));
    const double scale = norm > 1e-12 * before ? 1 / norm : 0;
    for (std::int64_t d = 0; d < D; ++d) row[d] *= scale;
  }
}

/// Eigenvectors of a small symmetric matrix (n, n) by Jacobi's rotations; returns rows, largest eigenvalue first.
inline std::vector<double> small_eigenvectors(std::vector<double> a, std::int64_t n) {
  std::vector<double> v(static_cast<std::size_t>(n * n), 0.0);
  for (std::int64_t i = 0; i < n; ++i) v[i * n + i] = 1;
  for (int sweep = 0; sweep < 30; ++sweep)
    for (std::int64_t p = 0; p < n; ++p)
      for (std::int64_t q = p + 1; q < n; ++q) {
        if (a[p * n + q] == 0) continue;
        const double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
        const double t = (theta < 0 ? -1 : 1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (std::int64_t i = 0; i < n; ++i) {
          const double x = a[i * n + p], y = a[i * n + q];
          a[i * n + p] = c * x - s * y;
          a[i * n + q] = s * x + c * y;
        }
        for (std::int64_t i = 0; i < n; ++i) {
          const double x = a[p * n + i], y = a[q * n + i];
          a[p * n + i] = c * x - s * y;
          a[q * n + i] = s * x + c * y;
          const double e = v[p * n + i], f = v[q * n + i];
          v[p * n + i] = c * e - s * f;
          v[q * n + i] = s * e + c * f;
        }
      }
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t i, std::int64_t j) { return a[i * n + i] > a[j * n + j]; });
  std::vector<double> sorted;
  for (const std::int64_t i : order) sorted.insert(sorted.end(), &v[i * n], &v[i * n] + n);
  return sorted;
}

}  // namespace detail

/// The rows of features (N, D) along their first `components` (1 to 100) principal axes: (N, components), f32, centred. Each axis
/// points to where its largest entry is positive; those beyond the rank are zero. Subspace iteration on the covariance
/// with eight axes to spare (Golub and Van Loan 2013, section 8.2.4).
inline Tensor pca(const Tensor& features, std::int64_t components = 2) {
  const Tensor x = detail::checked_features("pca", features);
  require_within("pca", "components", components, 1, 100);
  const std::int64_t N = x.size(0), D = x.size(1), k = std::min(components + 8, D);
  const Tensor y = Tensor::zeros({N, components});
  if (N < 2) return y;
  const Tensor off = detail::centred(x), basis({k, D}, DType::f64), image({k, D}, DType::f64), rows({k, N}, DType::f64);
  std::vector<double> q(static_cast<std::size_t>(k * D)), last;
  Stream stream{Rng(0) / "pca"};
  for (double& value : q) value = stream.normal();
  for (int round = 0; round < 200; ++round) {
    detail::orthonormalise(q, k, D);
    std::copy(q.begin(), q.end(), basis.data<double>());
    basis.kernels().matmul(basis.view(), off.view(), rows.view(), {.transpose_b = true});  // (k, N)
    // Rayleigh and Ritz: the best axes inside the subspace.
    std::vector<double> inner(static_cast<std::size_t>(k * k));
    for (std::int64_t i = 0; i < k; ++i)
      for (std::int64_t j = 0; j < k; ++j)
        inner[i * k + j] =
            detail::dot_in_lanes(&rows.data<double>()[std::min(i, j) * N], &rows.data<double>()[std::max(i, j) * N], N);
    const std::vector<double> turn = detail::small_eigenvectors(inner, k);  // (k, k)
    std::vector<double> turned(q.size(), 0.0);
    for (std::int64_t i = 0; i < k; ++i)
      for (std::int64_t j = 0; j < k; ++j)
        for (std::int64_t d = 0; d < D; ++d) turned[i * D + d] += turn[i * k + j] * q[j * D + d];
    double change = last.empty() ? 1 : 0;
    for (std::int64_t i = 0; i < std::min(components, k) && !last.empty(); ++i)
      change = std::max(change, 1 - std::abs(detail::dot_in_lanes(&turned[i * D], &last[i * D], D)));
    last = std::move(turned);
    if (change < 1e-12 || k == D) break;  // the whole space needs one round
    std::copy(last.begin(), last.end(), basis.data<double>());
    basis.kernels().matmul(basis.view(), off.view(), rows.view(), {.transpose_b = true});
    rows.kernels().matmul(rows.view(), off.view(), image.view(), {});
    std::copy(image.data<double>(), image.data<double>() + k * D, q.begin());
  }
  for (std::int64_t c = 0; c < std::min(components, k); ++c) {
    const double* const axis = &last[c * D];
    std::int64_t top = 0;
    for (std::int64_t d = 1; d < D; ++d)
      if (std::abs(axis[d]) > std::abs(axis[top])) top = d;
    const double sign = axis[top] < 0 ? -1 : 1;
    parallel_for(N, grain_for(D), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        y.data<float>()[i * components + c] =
            static_cast<float>(sign * detail::dot_in_lanes(off.data<double>() + i * D, axis, D));
    });
  }
  return y;
}

}  // namespace contrastive
