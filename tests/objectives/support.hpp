// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <vector>

#include "contrastive/nn/init.hpp"
#include "contrastive/tensor/tape.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/golden.hpp"

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
