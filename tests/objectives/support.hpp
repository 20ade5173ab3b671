// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <vector>

#include "contrastive/nn/init.hpp"
#include "contrastive/tensor/tape.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

/// max |a - b| <= tolerance * max |b| + floor
inline void check_close(const contrastive::Tensor& got, const contrastive::Tensor& want, double tolerance,
                        double floor) {
  REQUIRE(got.count() == want.count());
  const contrastive::Tensor a = got.to(contrastive::DType::f64), b = want.to(contrastive::DType::f64);
  double worst = 0, scale = 0;
  for (std::int64_t i = 0; i < a.count(); ++i) {
    worst = std::max(worst, std::abs(a.data<double>()[i] - b.data<double>()[i]));
    scale = std::max(scale, std::abs(b.data<double>()[i]));
  }
  CHECK(worst <= tolerance * scale + floor);
}

inline contrastive::Tensor leaf(const contrastive::Tensor& x, contrastive::DType dtype) {
  contrastive::Tensor copy = x.to(dtype).clone();
  copy.set_requires_grad(true);
  return copy;
}

/// Rows of several views, B each, as one tensor a view.
inline std::vector<contrastive::Tensor> views_of(const contrastive::Tensor& rows, std::int64_t B) {
  std::vector<contrastive::Tensor> views;
  for (std::int64_t row = 0; row < rows.size(0); row += B) views.push_back(rows.slice(row, row + B));
  return views;
}

struct Case {
  contrastive::DType dtype;
  double tolerance, floor;
};
/// The frozen numbers' own bounds.
inline const std::vector<Case> cases{{contrastive::DType::f64, 1e-10, 1e-12}, {contrastive::DType::f32, 1e-5, 1e-7}};
