// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "contrastive/core/rng.hpp"
#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

struct GradcheckOptions {
  double step = 1e-6;
  double tolerance = 1e-6;  // of |analytic - numeric| / max(1, |analytic|, |numeric|)
  std::uint64_t seed = 0;
};

struct GradcheckResult {
  bool ok = true;
  double worst = 0;     // the largest error as above
  std::string message;  // which element, when not ok
  explicit operator bool() const { return ok; }
};

/// Compares the gradient of `f` with central differences at every element of every f64 input. The output is reduced
/// to a number by fixed random weights, so that each of its elements counts. `f` takes std::vector<Tensor> and must
/// be a pure function of it; freeze stop-gradient targets before calling.
template <class F>
GradcheckResult gradcheck(F&& f, std::vector<Tensor> inputs, GradcheckOptions options = {}) {
  const auto weighted = [&](const Tensor& y) {
    Stream weights(Rng(options.seed) / "gradcheck");
    double total = 0;
    for (double value : y.span<double>()) total += value * weights.uniform(-1, 1);
    return total;
  };
  std::vector<Tensor> leaves;
  for (Tensor& x : inputs) {
    require(x.dtype() == DType::f64 && x.device() == Device::cpu, "[gradcheck] inputs are f64 on the CPU, got ",
            to_string(x.dtype()));
    Tensor leaf = x.clone();
    leaf.set_requires_grad(true);
    leaves.push_back(leaf);
  }
  const Tensor y = f(leaves);
  Tensor weights(y.shape(), DType::f64);
  Stream draw(Rng(options.seed) / "gradcheck");
  for (double& w : weights.span<double>()) w = draw.uniform(-1, 1);
  y.backward(weights);

  GradcheckResult result;
  const NoGrad no_grad;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor analytic = leaves[i].grad();
    const Tensor moved = leaves[i].detach();
    for (std::int64_t j = 0; j < moved.count(); ++j) {
      double& element = moved.data<double>()[j];
      const double before = element;
      element = before + options.step;
      const double up = weighted(f(leaves));
      element = before - options.step;
      const double down = weighted(f(leaves));
      element = before;
      const double numeric = (up - down) / (2 * options.step);
      const double given = analytic.defined() ? analytic.data<double>()[j] : 0;
      const double error = std::abs(given - numeric) / std::max({1.0, std::abs(given), std::abs(numeric)});
      if (error > result.worst || std::isnan(error)) {
        result.worst = error;
        if (!(error <= options.tolerance)) {
          result.ok = false;
          result.message = join("input ", i, " element ", j, ": gradient ", given, ", differences ", numeric);
        }
      }
    }
  }
  return result;
}

}  // namespace contrastive
