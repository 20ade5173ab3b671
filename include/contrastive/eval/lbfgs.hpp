// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

namespace contrastive::detail {

struct LbfgsResult {
  double loss = 0;
  int iterations = 0;
  bool converged = false;
};

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) total += a[i] * b[i];
  return total;
}

/// Minimises a smooth convex function from `x` with limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.5) and a
/// backtracking line search. `loss_and_grad(x, grad)` fills grad and returns the loss;
/// `precondition(v)` multiplies v by a guess at the inverse Hessian, of any scale. Stops when the largest entry of
/// the gradient is at most `tolerance`, or no step lowers the loss; `noise` is its relative rounding error.
template <class F, class P>
LbfgsResult lbfgs(std::vector<double>& x, int max_iterations, double tolerance, double noise, F&& loss_and_grad,
                  P&& precondition) {
  struct Pair {
    std::vector<double> step, change;  // of x and of the gradient
    double scale = 0, gamma = 0;       // 1 / step . change; step . change over change . (preconditioned) change
  };
  constexpr std::size_t memory = 10;
  const std::size_t n = x.size();
  std::deque<Pair> pairs;
  std::vector<double> grad(n), direction(n), trial(n), trial_grad(n), alpha(memory);
  LbfgsResult result{.loss = loss_and_grad(x, grad)};
  for (; result.iterations < max_iterations; ++result.iterations) {
    double largest = 0;
    for (const double g : grad) largest = std::fmax(largest, std::abs(g));
    if (largest <= tolerance) {
      result.converged = true;
      return result;
    }
    for (std::size_t i = 0; i < n; ++i) direction[i] = -grad[i];
    for (std::size_t p = pairs.size(); p-- > 0;) {
      alpha[p] = pairs[p].scale * dot(pairs[p].step, direction);
      for (std::size_t i = 0; i < n; ++i) direction[i] -= alpha[p] * pairs[p].change[i];
    }
    precondition(direction);
    if (!pairs.empty())
      for (double& d : direction) d *= pairs.back().gamma;
    for (std::size_t p = 0; p < pairs.size(); ++p) {
      const double beta = pairs[p].scale * dot(pairs[p].change, direction);
      for (std::size_t i = 0; i < n; ++i) direction[i] += (alpha[p] - beta) * pairs[p].step[i];
    }
    const double slope = dot(direction, grad);
    if (!(slope < 0)) return result;

    double rate = 1, loss = 0;
    bool lower = false;
    for (int tries = 0; tries < 20 && !lower; ++tries) {
      for (std::size_t i = 0; i < n; ++i) trial[i] = x[i] + rate * direction[i];
      loss = loss_and_grad(trial, trial_grad);
      lower = loss <= result.loss + 1e-4 * rate * slope + noise * std::abs(result.loss);
      if (lower) break;
      // The minimum of the parabola through both values and the slope, kept within a tenth and a half of the step.
      const double parabola = -slope * rate * rate / (2 * (loss - result.loss - slope * rate));
      rate = std::isfinite(parabola) ? std::fmin(std::fmax(parabola, 0.1 * rate), 0.5 * rate) : 0.1 * rate;
    }
    if (!lower) return result;

    Pair pair{trial, trial_grad};
    for (std::size_t i = 0; i < n; ++i) {
      pair.step[i] -= x[i];
      pair.change[i] -= grad[i];
    }
    const double curvature = dot(pair.step, pair.change);
    if (curvature > 1e-12 * dot(pair.change, pair.change)) {
      std::vector<double> change = pair.change;
      precondition(change);
      pair.scale = 1 / curvature;
      pair.gamma = curvature / dot(pair.change, change);
      pairs.push_back(std::move(pair));
      if (pairs.size() > memory) pairs.pop_front();
    }
    x.swap(trial);
    grad.swap(trial_grad);
    result.loss = loss;
  }
  return result;
}

}  // namespace contrastive::detail
