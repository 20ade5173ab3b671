// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>

#include "contrastive/core/rng.hpp"
#include "contrastive/tensor/tensor.hpp"
#include "support/catch.hpp"

namespace contrastive {

inline Tensor random(Shape shape, std::uint64_t seed, DType dtype = DType::f64, double scale = 1) {
  Tensor t(shape, DType::f64);
  Stream stream(Rng(seed) / "inputs");
  for (double& x : t.span<double>()) x = scale * stream.normal();
  return t.to(dtype);
}

/// The largest difference, over the largest of b; infinity where a number is missing.
inline double largest_error(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  const Tensor x = a.to(DType::f64), y = b.to(DType::f64);
  double worst = 0, size = 0;
  for (std::int64_t i = 0; i < x.count(); ++i) {
    const double off = std::abs(x.data<double>()[i] - y.data<double>()[i]);
    worst = std::isnan(off) ? INFINITY : std::max(worst, off);
    size = std::max(size, std::abs(y.data<double>()[i]));
  }
  return worst / std::max(size, 1e-30);
}

}  // namespace contrastive
