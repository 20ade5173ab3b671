// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "contrastive/eval/pca.hpp"
#include "contrastive/kernels/cpu/simd.hpp"

namespace contrastive {

struct TsneOptions {
  double perplexity = 30;  // 1 to 10,000; cut to (N - 1) / 3
  int iterations = 750;    // 0 to 1e6; the first 250 with attraction times 12
};

namespace detail {

inline constexpr int tsne_block = 64;

/// Sums over j of what pulls and pushes one point at (a, b): out = attraction (x, y), repulsion (x, y), normaliser.
/// The arrays are padded to whole blocks with far points of no weight.
struct TsneForces {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const float* xs, const float* ys, const float* weights, float a, float b,
                                     std::int64_t padded, double* out) {
    float pull_x[tsne_block] = {}, pull_y[tsne_block] = {}, push_x[tsne_block] = {}, push_y[tsne_block] = {};
    float total[tsne_block] = {};
    for (std::int64_t begin = 0; begin < padded; begin += tsne_block) {
      for (int j = 0; j < tsne_block; ++j) {
        const float dx = a - xs[begin + j], dy = b - ys[begin + j];
        const float q = 1.f / (1.f + dx * dx + dy * dy);
        const float pull = weights[begin + j] * q, push = q * q;
        pull_x[j] += pull * dx;
        pull_y[j] += pull * dy;
        push_x[j] += push * dx;
        push_y[j] += push * dy;
        total[j] += q;
      }
    }
    for (int i = 0; i < 5; ++i) out[i] = 0;
    for (int j = 0; j < tsne_block; ++j) {
      out[0] += pull_x[j];
      out[1] += pull_y[j];
      out[2] += push_x[j];
      out[3] += push_y[j];
      out[4] += total[j];
    }
  }
};

/// Row i of the conditional probabilities: Gaussian in the squared distances, at the width that gives the perplexity.
inline void tsne_row(const double* squares, std::int64_t N, std::int64_t i, double perplexity, double* p) {
  double nearest = INFINITY;
  for (std::int64_t j = 0; j < N; ++j)
    if (j != i) nearest = std::min(nearest, squares[j]);
  double precision = 1, low = 0, high = INFINITY;
  for (int step = 0; step < 64; ++step) {
    double total = 0, weighted = 0;
    for (std::int64_t j = 0; j < N; ++j) {
      p[j] = j == i ? 0 : std::exp(-precision * (squares[j] - nearest));
      total += p[j];
      weighted += p[j] * (squares[j] - nearest);
    }
    const double entropy = std::log(total) + precision * weighted / total;
    for (std::int64_t j = 0; j < N; ++j) p[j] /= total;
    const double error = entropy - std::log(perplexity);
    if (std::abs(error) < 1e-5) break;
    (error > 0 ? low : high) = precision;
    precision = std::isinf(high) ? precision * 2 : 0.5 * (low + high);
  }
}

}  // namespace detail

/// A map of features (N, D) in the plane: (N, 2), f32. t-SNE (van der Maaten and Hinton 2008) with all pairs, from the
/// principal components on, so without chance; the rate is N / 48, at least 50 (Belkina et al. 2019). Memory and each
/// of the iterations grow with N^2: at most 10,000 rows are taken, and 2,000 are a matter of seconds.
inline Tensor tsne(const Tensor& features, const TsneOptions& options = {}) {
  const Tensor x = detail::checked_features("tsne", features);
  const std::int64_t N = x.size(0), padded = (N + detail::tsne_block - 1) / detail::tsne_block * detail::tsne_block;
  require(N <= 10000, "[tsne] at most 10000 rows, got ", N, ": take a sample");
  require_within("tsne", "the perplexity", options.perplexity, 1, 1e4);
  require_within("tsne", "the iterations", options.iterations, 0, 1000000);
  const Tensor y = Tensor::zeros({N, 2});
  if (N < 2) return y;

  // Squared distances, then probabilities p_ij = (p_j|i + p_i|j) / 2N, padded rows.
  const Tensor off = detail::centred(x), products({N, N}, DType::f64);
  off.kernels().matmul(off.view(), off.view(), products.view(), {.transpose_b = true});
  double* const square = products.data<double>();
  std::vector<double> own(static_cast<std::size_t>(N));
  for (std::int64_t i = 0; i < N; ++i) own[i] = square[i * N + i];
  const double perplexity = std::max(1.0, std::min(options.perplexity, static_cast<double>(N - 1) / 3));
  const double unit = std::max(*std::max_element(own.begin(), own.end()), 1e-300);
  parallel_for(N, 16, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> squares(static_cast<std::size_t>(N));
    for (std::int64_t i = begin; i < end; ++i) {
      for (std::int64_t j = 0; j < N; ++j) squares[j] = std::max(own[i] + own[j] - 2 * square[i * N + j], 0.0) / unit;
      detail::tsne_row(squares.data(), N, i, perplexity, square + i * N);
    }
  });
  std::vector<float> weights(static_cast<std::size_t>(N * padded), 0.f);
  for (std::int64_t i = 0; i < N; ++i)
    for (std::int64_t j = 0; j < N; ++j)
      weights[i * padded + j] =
          static_cast<float>((square[i * N + j] + square[j * N + i]) / (2 * static_cast<double>(N)));

  const Tensor start = pca(x, 2);
  double spread = 0;
  for (std::int64_t i = 0; i < N; ++i) spread += start.data<float>()[2 * i] * start.data<float>()[2 * i];
  const double shrink = spread > 0 ? 1e-4 / std::sqrt(spread / static_cast<double>(N)) : 0;
  std::vector<float> at[2], step[2], gain[2];
  for (int axis = 0; axis < 2; ++axis) {
    at[axis].assign(static_cast<std::size_t>(padded), 1e15f);
    step[axis].assign(static_cast<std::size_t>(N), 0.f);
    gain[axis].assign(static_cast<std::size_t>(N), 1.f);
    // A trace of order keeps points apart that are the same to the last bit.
    for (std::int64_t i = 0; i < N; ++i)
      at[axis][i] = static_cast<float>(start.data<float>()[2 * i + axis] * shrink +
                                       1e-7 * std::sin(static_cast<double>(i * (axis + 1) + 1)));
  }
  const double rate = std::max(static_cast<double>(N) / 48, 50.0);
  std::vector<double> forces(static_cast<std::size_t>(N * 5));
  for (int iteration = 0; iteration < options.iterations; ++iteration) {
    const bool early = iteration < 250;
    parallel_for(N, 32, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        simd::dispatch<detail::TsneForces>(
            static_cast<const float*>(at[0].data()), static_cast<const float*>(at[1].data()),
            static_cast<const float*>(&weights[i * padded]), at[0][i], at[1][i], padded, &forces[i * 5]);
    });
    double normaliser = 0;
    for (std::int64_t i = 0; i < N; ++i) normaliser += forces[i * 5 + 4] - 1;  // without the point itself
    double mean[2] = {};
    for (int axis = 0; axis < 2; ++axis) {
      for (std::int64_t i = 0; i < N; ++i) {
        const double grad =
            4 * ((early ? 12 : 1) * forces[i * 5 + axis] - forces[i * 5 + 2 + axis] / std::max(normaliser, 1e-12));
        float& g = gain[axis][i];
        g = (grad > 0) != (step[axis][i] > 0) ? g + 0.2f : std::max(g * 0.8f, 0.01f);
        step[axis][i] = static_cast<float>((early ? 0.5 : 0.8) * step[axis][i] - rate * g * grad);
        at[axis][i] += step[axis][i];
        mean[axis] += at[axis][i] / static_cast<double>(N);
      }
      for (std::int64_t i = 0; i < N; ++i) at[axis][i] -= static_cast<float>(mean[axis]);
    }
  }
  for (std::int64_t i = 0; i < N; ++i)
    for (int axis = 0; axis < 2; ++axis) y.data<float>()[2 * i + axis] = at[axis][i];
  return y;
}

}  // namespace contrastive
