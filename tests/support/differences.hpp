// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <ranges>

#include "contrastive/tensor/tensor.hpp"
#include "support/catch.hpp"

/// The larger one; NaN where either is NaN. `std::max(worst, x)` and `if (!(x <= worst)) worst = x` forget a NaN as soon
/// as the next number comes, and a test of the largest difference then passes.
inline double larger(double a, double b) { return a >= b || std::isnan(a) ? a : b; }

/// The largest |x| of a row of numbers; NaN where one is NaN.
template <std::ranges::sized_range Row>
double largest(const Row& row) {
  double most = 0;
  for (const auto& x : row) most = larger(most, static_cast<double>(std::abs(x)));
  return most;
}
inline double largest(const contrastive::Tensor& x) {
  return largest(x.detach().to(contrastive::DType::f64).span<double>());
}

/// The largest |a - b| of two rows of numbers, element by element; NaN where one is NaN.
template <std::ranges::sized_range Row, std::ranges::sized_range Other>
double largest_difference(const Row& a, const Other& b) {
  REQUIRE(std::size(a) == std::size(b));
  double most = 0;
  for (std::size_t i = 0; i < std::size(b); ++i) most = larger(most, static_cast<double>(std::abs(a[i] - b[i])));
  return most;
}
/// The same of two tensors, whose shapes may differ by sizes of 1.
inline double largest_difference(const contrastive::Tensor& a, const contrastive::Tensor& b) {
  const auto without_ones = [](const contrastive::Shape& shape) {
    contrastive::Shape rest;
    for (int axis = 0; axis < shape.rank; ++axis)
      if (shape[axis] != 1) rest.push_back(shape[axis]);
    return to_string(rest);
  };
  REQUIRE(without_ones(a.shape()) == without_ones(b.shape()));
  const contrastive::Tensor x = a.detach().to(contrastive::DType::f64), y = b.detach().to(contrastive::DType::f64);
  return largest_difference(x.span<double>(), y.span<double>());
}

/// The largest |a - b| over the largest |b|.
template <class Row, class Other>
double largest_error(const Row& a, const Other& b) {
  const double off = largest_difference(a, b), size = largest(b);
  return off == 0 ? 0 : off / size;
}

/// The largest |got - want| is at most `tolerance` times the largest |want| and `floor`.
inline void check_close(const contrastive::Tensor& got, const contrastive::Tensor& want, double tolerance,
                        double floor) {
  const double size = largest(want);
  REQUIRE(std::isfinite(size));  // no bound else
  CHECK(largest_difference(got, want) <= tolerance * size + floor);
}
