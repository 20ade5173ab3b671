// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/core/rng.hpp"
#include "contrastive/tensor/tensor.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"

namespace contrastive {

inline Tensor random(Shape shape, std::uint64_t seed, DType dtype = DType::f64, double scale = 1) {
  Tensor t(shape, DType::f64);
  Stream stream(Rng(seed) / "inputs");
  for (double& x : t.span<double>()) x = scale * stream.normal();
  return t.to(dtype);
}

}  // namespace contrastive
