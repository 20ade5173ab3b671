// SPDX-License-Identifier: MIT

// What tests compare numbers by: a NaN anywhere has to stay.

#include "support/differences.hpp"

#include <vector>

using namespace contrastive;

TEST_CASE("the largest difference of two rows, and NaN wherever one of their numbers is NaN") {
  const std::vector<double> a{1, -5, 2, 0.5}, b{1, -4, 4, 0.5};
  CHECK(largest_difference(a, b) == 2);
  CHECK(largest(b) == 4);
  CHECK(largest_error(a, b) == 0.5);
  CHECK(largest_error(a, a) == 0);
  CHECK(largest_difference(std::vector<double>{}, std::vector<double>{}) == 0);
  for (std::size_t at = 0; at < a.size(); ++at) {
    INFO("NaN at " << at);
    std::vector<double> hole = a;
    hole[at] = std::nan("");
    CHECK(std::isnan(largest(hole)));
    CHECK(std::isnan(largest_difference(hole, b)));
    CHECK(std::isnan(largest_difference(b, hole)));
    CHECK(std::isnan(largest_error(hole, b)));
    CHECK(std::isnan(largest_error(b, hole)));
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
      const Tensor got = Tensor::from<double>(hole, {2, 2}).to(dtype), want = Tensor::from<double>(b, {2, 1, 2});
      CHECK(std::isnan(largest_difference(got, want)));
      CHECK(std::isnan(largest_error(got, want)));
    }
  }
  CHECK(largest_difference(Tensor::from<double>(a, {2, 2}), Tensor::from<double>(b, {1, 2, 2})) == 2);
  CHECK(largest_error(Tensor::from<double>(a, {4}).to(DType::f32), Tensor::from<double>(b, {4})) == 0.5);
  // A number that is infinite on one side is a difference, and so is one that is infinite on both: inf - inf is NaN.
  CHECK(larger(1, INFINITY) == INFINITY);
  CHECK(std::isnan(largest_difference(std::vector<double>{INFINITY}, std::vector<double>{INFINITY})));
}
