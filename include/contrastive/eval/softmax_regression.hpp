// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/eval/features.hpp"
#include "contrastive/eval/linear_algebra.hpp"
#include "contrastive/tensor/tensor.hpp"

/// The parts that logistic regression is made of (eval/linear_probe.hpp).
namespace contrastive::detail {

/// Mean and 1 / standard deviation of each column; a constant column gets 1.
struct Standardiser {
  std::vector<double> mean, scale;

  /// Leaves columns as they are where not `wanted`.
  explicit Standardiser(const Tensor& x, bool wanted = true)
      : mean(static_cast<std::size_t>(x.size(1)), 0.0), scale(static_cast<std::size_t>(x.size(1)), 1.0) {
    const std::int64_t N = x.size(0), D = x.size(1);
    if (N == 0 || !wanted) return;
    const auto column = [&](const auto* values) {
      parallel_for(D, 16, [&](std::int64_t begin, std::int64_t end) {
        std::vector<double> squares(static_cast<std::size_t>(end - begin), 0.0);
        for (std::int64_t i = 0; i < N; ++i)
          for (std::int64_t d = begin; d < end; ++d) mean[d] += values[i * D + d];
        for (std::int64_t d = begin; d < end; ++d) mean[d] /= static_cast<double>(N);
        for (std::int64_t i = 0; i < N; ++i)
          for (std::int64_t d = begin; d < end; ++d) {
            const double off = values[i * D + d] - mean[d];
            squares[d - begin] += off * off;
          }
        for (std::int64_t d = begin; d < end; ++d) {
          const double deviation = std::sqrt(squares[d - begin] / static_cast<double>(N));
          if (deviation > 1e-7 * std::abs(mean[d]) && deviation > 0) scale[d] = 1 / deviation;
        }
      });
    };
    x.dtype() == DType::f64 ? column(x.data<double>()) : column(x.data<float>());
  }

  Tensor operator()(const Tensor& x) const {
    const std::int64_t N = x.size(0), D = x.size(1);
    const Tensor y(x.shape(), x.dtype());
    const auto rows = [&]<class T>(const T* from) {
      parallel_for(N, grain_for(D), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i)
          for (std::int64_t d = 0; d < D; ++d)
            y.data<T>()[i * D + d] = static_cast<T>((from[i * D + d] - mean[d]) * scale[d]);
      });
    };
    x.dtype() == DType::f64 ? rows(x.data<double>()) : rows(x.data<float>());
    return y;
  }
};

/// Softmax regression's mean loss and gradient at `w`: C rows of D weights, then C biases. Rows are taken in fixed
/// chunks whose sums are joined in order.
template <class T>
double softmax_regression(const Tensor& x, std::span<const std::int64_t> labels, std::int64_t C, double l2,
                          const std::vector<double>& w, std::vector<double>& grad) {
  const std::int64_t N = x.size(0), D = x.size(1), chunk = 2048, chunks = (N + chunk - 1) / chunk;
  const Tensor weight({C, D}, x.dtype());
  std::transform(w.begin(), w.begin() + C * D, weight.data<T>(), [](double value) { return static_cast<T>(value); });
  const Tensor weight_grads({chunks, C, D}, x.dtype());
  std::vector<double> losses(static_cast<std::size_t>(chunks)), bias_grads(static_cast<std::size_t>(chunks * C));
  parallel_for(N, chunk, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t n = end - begin, place = begin / chunk;
    const Tensor rows = x.slice(begin, end);   // (n, D)
    const Tensor residual({C, n}, x.dtype());  // logits, then softmax - target: classes outside, rows inside
    residual.kernels().matmul(weight.view(), rows.view(), residual.view(), {.transpose_b = true});
    T* const r = residual.data<T>();
    std::vector<T> top(static_cast<std::size_t>(n)), total(static_cast<std::size_t>(n), T(0));
    double loss = 0;
    for (std::int64_t c = 0; c < C; ++c) {
      const T bias = static_cast<T>(w[C * D + c]);
      for (std::int64_t i = 0; i < n; ++i) {
        r[c * n + i] += bias;
        top[i] = c == 0 ? r[i] : std::max(top[i], r[c * n + i]);
      }
    }
    for (std::int64_t i = 0; i < n; ++i) loss -= r[labels[begin + i] * n + i] - top[i];
    for (std::int64_t c = 0; c < C; ++c)
      for (std::int64_t i = 0; i < n; ++i) total[i] += r[c * n + i] = std::exp(r[c * n + i] - top[i]);
    for (std::int64_t i = 0; i < n; ++i) {
      loss += std::log(static_cast<double>(total[i]));
      total[i] = T(1) / total[i];
    }
    for (std::int64_t c = 0; c < C; ++c)
      for (std::int64_t i = 0; i < n; ++i) r[c * n + i] *= total[i];
    for (std::int64_t i = 0; i < n; ++i) r[labels[begin + i] * n + i] -= T(1);
    for (std::int64_t c = 0; c < C; ++c) {
      double sum = 0;
      for (std::int64_t i = 0; i < n; ++i) sum += r[c * n + i];
      bias_grads[place * C + c] = sum;
    }
    losses[place] = loss;
    const Tensor slot = weight_grads.slice(place, place + 1).reshape({C, D});
    residual.kernels().matmul(residual.view(), rows.view(), slot.view(), {});
  });
  double loss = 0, squares = 0;
  for (const double part : losses) loss += part;
  std::fill(grad.begin(), grad.end(), 0.0);
  for (std::int64_t place = 0; place < chunks; ++place) {
    const T* part = weight_grads.data<T>() + place * C * D;
    for (std::int64_t i = 0; i < C * D; ++i) grad[i] += part[i];
    for (std::int64_t c = 0; c < C; ++c) grad[C * D + c] += bias_grads[place * C + c];
  }
  for (std::int64_t i = 0; i < C * D; ++i) {
    squares += w[i] * w[i];
    grad[i] += l2 * w[i];
  }
  for (double& g : grad) g /= static_cast<double>(N);
  return (loss + 0.5 * l2 * squares) / static_cast<double>(N);
}

/// Multiplies by the inverse of (a X^T X / N + l2 / N), a stand-in for the Hessian of softmax regression: standardised
/// features are far from uncorrelated, and without it the solver crawls. X^T X comes from at most 8,192 of the rows;
/// above 2,048 columns it is left out.
class CovarianceInverse {
 public:
  CovarianceInverse(const Tensor& x, std::int64_t C, double l2) : C_(C), D_(x.size(1)) {
    const std::int64_t N = x.size(0), step = (N + 8191) / 8192, rows = (N + step - 1) / step;
    const double spread = 1 / static_cast<double>(std::max<std::int64_t>(C, 2));  // p (1 - p) of even classes
    diagonal_ = D_ > 2048;
    bias_ = spread;
    if (diagonal_) return;
    const Tensor index({rows}, DType::i64), sample({rows, D_}, x.dtype()), gram({D_, D_}, x.dtype());
    for (std::int64_t i = 0; i < rows; ++i) index.data<std::int64_t>()[i] = i * step;
    x.kernels().gather(x.view(), index.view(), sample.view());
    x.kernels().matmul(sample.view(), sample.view(), gram.view(),
                       {.transpose_a = true, .alpha = spread / static_cast<double>(rows)});
    // A sum of squares in f32 may come out a little less than definite: then more is added.
    for (double ridge = l2 / static_cast<double>(N) + 1e-4 * spread; !factor_.defined(); ridge *= 10) {
      const Tensor definite = gram.to(DType::f64).clone();
      for (std::int64_t d = 0; d < D_; ++d) definite.data<double>()[d * D_ + d] += ridge;
      factor_ = cholesky(definite);
    }
  }

  /// v: C rows of D, then C biases.
  void operator()(std::vector<double>& v) const {
    for (std::int64_t c = 0; c < C_; ++c) v[C_ * D_ + c] /= bias_;
    if (diagonal_) {
      for (std::int64_t i = 0; i < C_ * D_; ++i) v[i] /= bias_;
      return;
    }
    parallel_for(C_, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t c = begin; c < end; ++c) cholesky_solve(factor_, &v[c * D_]);
    });
  }

 private:
  std::int64_t C_, D_;
  bool diagonal_ = false;
  double bias_ = 1;
  Tensor factor_;  // (D, D)
};

}  // namespace contrastive::detail
