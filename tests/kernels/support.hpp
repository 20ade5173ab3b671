// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "contrastive/core/parallel.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

inline Tensor random(Shape shape, std::uint64_t seed, DType dtype = DType::f32) {
  Tensor t(shape, DType::f64);
  Stream stream(Rng(seed) / "inputs");
  for (double& x : t.span<double>()) x = stream.normal();
  return t.to(dtype);
}

/// A copy that wants a gradient.
inline Tensor leaf(const Tensor& x) {
  Tensor copy = x.detach().clone();
  copy.set_requires_grad(true);
  return copy;
}

inline double relative_error(const Tensor& a, const Tensor& b) {
  const Tensor x = a.to(DType::f64), y = b.to(DType::f64);
  double off = 0, size = 0;
  for (std::int64_t i = 0; i < x.count(); ++i) {
    off += std::pow(x.data<double>()[i] - y.data<double>()[i], 2);
    size += std::pow(y.data<double>()[i], 2);
  }
  return std::sqrt(off / (size > 0 ? size : 1));
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.view().data, b.view().data, static_cast<std::size_t>(a.count()) * size_of(a.dtype())) == 0;
}

/// Deterministic mode while it lives; the number of threads is as it was afterwards.
struct Deterministic {
  Deterministic() { set_deterministic(true); }
  ~Deterministic() {
    set_deterministic(false);
    set_threads(0);
  }
};

}  // namespace contrastive
