// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "contrastive/core/rng.hpp"
#include "contrastive/tensor/tensor.hpp"

/// Starting values. Each tensor draws from a stream of its own, so the order of construction does not matter.
namespace contrastive::init {

inline Tensor normal(Shape shape, double deviation, Rng rng) {
  Tensor w(shape);
  Stream stream(rng);
  for (float& value : w.span<float>()) value = static_cast<float>(deviation * stream.normal());
  return w;
}

inline Tensor uniform(Shape shape, double bound, Rng rng) {
  Tensor w(shape);
  Stream stream(rng);
  for (float& value : w.span<float>()) value = static_cast<float>(stream.uniform(-bound, bound));
  return w;
}

/// N(0, deviation^2) cut at two deviations: draws beyond are drawn again.
inline Tensor truncated_normal(Shape shape, double deviation, Rng rng) {
  Tensor w(shape);
  Stream stream(rng);
  for (float& value : w.span<float>()) {
    double draw = stream.normal();
    while (std::abs(draw) > 2) draw = stream.normal();
    value = static_cast<float>(deviation * draw);
  }
  return w;
}

/// Glorot and Bengio 2010: uniform in +-sqrt(6 / (in + out)), the weight read as a matrix (out, in).
inline Tensor xavier_uniform(Shape shape, Rng rng) {
  return uniform(shape, std::sqrt(6.0 / static_cast<double>(shape[0] + shape.count(1, shape.rank))), rng);
}

/// He et al. 2015 for ReLU networks: N(0, 2 / fan_out), fan_out = k k O of a (O, k, k, C) convolution.
inline Tensor kaiming_normal_fan_out(Shape shape, Rng rng) {
  const double fan_out = static_cast<double>(shape[0] * shape.count(1, shape.rank - 1));
  return normal(shape, std::sqrt(2.0 / fan_out), rng);
}

}  // namespace contrastive::init
