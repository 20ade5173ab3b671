// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "contrastive/nn/init.hpp"
#include "contrastive/ops/softmax.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/dual.hpp"

/// What a loss gives for every number that it takes, at both ends of what it accepts and between: value and gradients
/// against loops in long double (dual.hpp), in float64 and float32.
namespace range {

using namespace contrastive;
using dual::Number;
using dual::Rows;
using Tensors = std::vector<Tensor>;
using Loss = std::function<Tensor(const Tensors&)>;
using Formula = std::function<Number(const std::vector<Rows>&)>;

constexpr std::int64_t N = 6, D = 5;
inline const std::vector<double> temperatures{1e-4, 1e-3, 0.07, 1, 100, 1e4};

inline Tensor random(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  return init::normal({rows, columns}, 1, Rng(seed)).to(DType::f64);
}
inline Tensor scalar(double value) { return Tensor::full({1, 1}, value, DType::f64); }

inline Rows rows_of(const Tensor& t) {
  const Tensor wide = t.to(DType::f64);
  Rows rows;
  for (std::int64_t i = 0; i < t.size(0); ++i) {
    rows.emplace_back();
    for (std::int64_t d = 0; d < t.size(1); ++d) rows.back().push_back(Number(wide.data<double>()[i * t.size(1) + d]));
  }
  return rows;
}

/// Unit rows whose pairs are near each other, apart, anywhere, or with all rows alike.
struct Pairs {
  const char* name;
  Tensor a, b;
};
inline std::vector<Pairs> all_pairs() {
  const Tensor a = random(N, D, 1), same = Tensor::full({N, D}, 0.7, DType::f64);
  const auto pair = [](const char* name, const Tensor& x, const Tensor& y) {
    return Pairs{name, normalize(x), normalize(y)};
  };
  return {pair("anywhere", a, random(N, D, 2)), pair("near", a, a + random(N, D, 3) * 0.02), pair("apart", a, -a),
          pair("alike", same, same)};
}

/// What a number of this kind carries of logits of that size, and of what is made from them.
inline double rounding(DType dtype, double logit) { return (dtype == DType::f64 ? 3e-15 : 1.5e-6) * (1 + logit); }

/// `logit`: the largest logit; `slope`: the size of the terms that the gradient is a sum of.
inline void check_range(const std::string& what, const Tensors& inputs, double logit, double slope, const Loss& loss,
                        const Formula& formula) {
  for (const DType dtype : {DType::f64, DType::f32}) {
    INFO(what << " in " << to_string(dtype));
    Tensors leaves;
    std::vector<Rows> given;
    for (const Tensor& x : inputs) {
      leaves.push_back(x.to(dtype).clone());
      leaves.back().set_requires_grad(true);
      given.push_back(rows_of(leaves.back()));
    }
    const Tensor value = loss(leaves);
    value.backward();
    const double want = static_cast<double>(formula(given).v), allowed = rounding(dtype, logit);
    CHECK(std::abs(value.item() - want) <= allowed * (1 + std::abs(want)));
    double worst = 0, largest = 0;
    for (std::size_t x = 0; x < inputs.size(); ++x) {
      const Tensor& grad = leaves[x].grad();
      const Tensor got = grad.defined() ? grad.to(DType::f64) : Tensor::zeros(leaves[x].shape(), DType::f64);
      for (std::size_t i = 0; i < given[x].size(); ++i)
        for (std::size_t d = 0; d < given[x][i].size(); ++d) {
          given[x][i][d].d = 1;
          const double by = static_cast<double>(formula(given).d);
          given[x][i][d].d = 0;
          const double off = std::abs(got.data<double>()[i * given[x][i].size() + d] - by);
          worst = larger(worst, off);
          largest = std::max(largest, std::abs(by));
        }
    }
    CHECK(worst <= allowed * (largest + slope));
  }
}

/// `call` refuses what lies outside [least, most] or is no number, in a sentence that names `name` and the value.
inline void check_refused(const std::string& name, double least, double most, const std::function<void(double)>& call) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const double value : {least - 1e-6 * std::abs(least) - (least == 0 ? 1e-9 : 0), most * (1 + 1e-6) + 1e-9, -inf,
                             inf, std::numeric_limits<double>::quiet_NaN()}) {
    INFO(name << " " << value);
    CHECK_THROWS_WITH(call(value), Contains(name + " must be ") && Contains(" to ") && Contains(", got "));
  }
}

}  // namespace range
