// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>

#include "contrastive/core/rng.hpp"
#include "contrastive/eval/spectrum.hpp"

namespace contrastive {

/// The rows of features (N, D) along their first `components` (1 to 100) principal axes: (N, components), f32, centred.
/// Each axis points to where its largest entry is positive; those beyond the rank are zero, but for rounding. Subspace
/// iteration on the covariance with eight axes to spare (Golub and Van Loan 2013, section 8.2.4).
inline Tensor pca(const Tensor& features, std::int64_t components = 2) {
  const Tensor x = detail::checked_features("pca", features);
  require_within("pca", "components", components, 1, 100);
  const std::int64_t N = x.size(0), D = x.size(1), k = std::min(components + 8, D), kept = std::min(components, k);
  const Tensor y = Tensor::zeros({N, components});
  if (N < 2) return y;
  const Tensor off = detail::centred(x), axes({k, D}, DType::f64), along({k, N}, DType::f64), inner({k, k}, DType::f64);
  const KernelTable& cpu = axes.kernels();
  Stream stream{Rng(0) / "pca"};
  for (double& value : axes.span<double>()) value = stream.normal();
  Tensor last;
  for (int round = 0; round < 200; ++round) {
    const Tensor basis = detail::orthonormal_rows(axes), turned({k, D}, DType::f64);
    // Rayleigh and Ritz: the best axes inside the subspace.
    cpu.matmul(basis.view(), off.view(), along.view(), {.transpose_b = true});
    cpu.matmul(along.view(), along.view(), inner.view(), {.transpose_b = true});
    cpu.matmul(detail::symmetric_eigenvectors(inner).view(), basis.view(), turned.view(), {});
    double change = last.defined() ? 0 : 1;
    for (std::int64_t i = 0; last.defined() && i < kept; ++i) {
      const double *const now = &turned.data<double>()[i * D], *const before = &last.data<double>()[i * D];
      change = std::max(change, 1 - std::abs(std::inner_product(now, now + D, before, 0.0)));
    }
    last = turned;
    if (change < 1e-12 || k == D) break;  // the whole space needs one round
    cpu.matmul(last.view(), off.view(), along.view(), {.transpose_b = true});
    cpu.matmul(along.view(), off.view(), axes.view(), {});
  }
  for (std::int64_t c = 0; c < kept; ++c) {
    const std::span<double> axis = last.slice(c, c + 1).span<double>();
    const double top =
        *std::max_element(axis.begin(), axis.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
    if (top < 0)
      for (double& entry : axis) entry = -entry;
  }
  cpu.matmul(last.view(), off.view(), along.view(), {.transpose_b = true});
  for (std::int64_t i = 0; i < N; ++i)
    for (std::int64_t c = 0; c < kept; ++c)
      y.data<float>()[i * components + c] = static_cast<float>(along.data<double>()[c * N + i]);
  return y;
}

}  // namespace contrastive
