// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "contrastive/core/bounds.hpp"
#include "contrastive/eval/features.hpp"
#include "contrastive/eval/linear_algebra.hpp"

namespace contrastive {

namespace detail {

/// x^T x in f64, in blocks of rows; (D, D).
inline Tensor gram(const Tensor& x) {
  const std::int64_t N = x.size(0), D = x.size(1), block = 4096;
  const Tensor y = Tensor::zeros({D, D}, DType::f64);
  for (std::int64_t begin = 0; begin < N; begin += block) {
    const Tensor rows = x.slice(begin, std::min(N, begin + block)).to(DType::f64);
    y.kernels().matmul(rows.view(), rows.view(), y.view(), {.transpose_a = true, .beta = 1});
  }
  return y;
}

/// x minus the mean of its rows, in f64.
inline Tensor centred(const Tensor& x) {
  const std::int64_t N = x.size(0), D = x.size(1);
  const Tensor y = x.to(DType::f64).clone();
  std::vector<double> mean(static_cast<std::size_t>(D), 0.0);
  for (std::int64_t i = 0; i < N; ++i)
    for (std::int64_t d = 0; d < D; ++d) mean[d] += y.data<double>()[i * D + d] / static_cast<double>(N);
  for (std::int64_t i = 0; i < N; ++i)
    for (std::int64_t d = 0; d < D; ++d) y.data<double>()[i * D + d] -= mean[d];
  return y;
}

}  // namespace detail

/// The min(N, D) singular values of features (N, D), largest first. From the eigenvalues of the smaller Gram matrix in
/// f64: those below 1e-8 of the largest are rounding.
inline std::vector<double> singular_values(const Tensor& features) {
  const Tensor x = detail::checked_features("singular_values", features);
  const std::int64_t N = x.size(0), D = x.size(1);
  Tensor products;
  if (N < D) {
    const Tensor wide = x.to(DType::f64);
    products = Tensor({N, N}, DType::f64);
    if (N > 0) products.kernels().matmul(wide.view(), wide.view(), products.view(), {.transpose_b = true});
  } else {
    products = detail::gram(x);
  }
  std::vector<double> values = detail::symmetric_eigenvalues(products);
  for (double& value : values) value = std::sqrt(std::max(value, 0.0));
  return values;
}

/// RankMe (Garrido et al. 2023, arXiv 2210.02885, equation 1): exp of the entropy of p, p_k = s_k / sum s + eps. From 1
/// (all rows on one line) to min(N, D). Features are not centred. 1 when there is nothing but zeros. eps: 0 to 1.
inline double rank_me(const Tensor& features, double eps = 1e-7) {
  require_within("rank_me", "eps", eps, 0, 1);
  const std::vector<double> values = singular_values(features);
  double total = 0, entropy = 0;
  for (const double value : values) total += value;
  if (total == 0) return 1;
  for (const double value : values) {
    const double p = value / total + eps;
    if (p > 0) entropy -= p * std::log(p);
  }
  return std::exp(entropy);
}

/// The same without eps (Roy and Vetterli 2007).
inline double effective_rank(const Tensor& features) { return rank_me(features, 0); }

struct CollapseWatch {
  /// Standard deviation of each dimension of the normalised rows, averaged, times sqrt(D): 1 when they fill the sphere
  /// evenly, 0 when all are the same (the quantity of SimSiam, arXiv 2011.10566, figure 2).
  double spread = 0;
  /// Of the normalised rows around their mean; 1 when nothing varies. A dimensional collapse shows here first.
  double rank = 1;
  std::int64_t most = 0;  // what `rank` could be: min(N - 1, D)

  static constexpr double low_spread = 0.1, low_rank = 2;

  /// What is wrong, with its number; empty when nothing is. Of a healthy run the rank may be as low as 3.4 of 128
  /// (InstDisc on CIFAR-10) or 2.6 of 64 (SimSiam on four shapes); SimCLR without its negatives, which a norm at the
  /// head's end keeps at a spread of 0.34, comes to 1.8 of 32. A handful of rows has no rank to speak of.
  std::string complaint() const {
    if (spread < low_spread) return join("nearly the same everywhere (spread ", spread, " of 1)");
    if (rank < low_rank && most >= 8) return join("nearly on one line (effective rank ", rank, " of ", most, ")");
    return {};
  }
  bool collapsed() const { return !complaint().empty(); }
};

/// What tells a collapse, on a batch of embeddings (N, D).
inline CollapseWatch collapse_watch(const Tensor& embeddings) {
  const Tensor x = detail::checked_features("collapse_watch", embeddings);
  const std::int64_t N = x.size(0), D = x.size(1);
  CollapseWatch watch{.most = std::min(N - 1, D)};
  if (N < 2) return watch;
  const Tensor unit(x.shape(), x.dtype()), norms({N}, x.dtype());
  x.kernels().normalize(x.view(), 1e-12, unit.view(), norms.view());
  const Tensor off = detail::centred(unit);
  std::vector<double> squares(static_cast<std::size_t>(D), 0.0);
  for (std::int64_t i = 0; i < N; ++i)
    for (std::int64_t d = 0; d < D; ++d) squares[d] += off.data<double>()[i * D + d] * off.data<double>()[i * D + d];
  double total = 0;
  for (const double square : squares) {
    watch.spread += std::sqrt(square / static_cast<double>(N)) / std::sqrt(static_cast<double>(D));
    total += square;
  }
  // Below this the rows differ by rounding only, which has a rank but no meaning.
  if (total > 1e-12 * static_cast<double>(N)) watch.rank = effective_rank(off);
  return watch;
}

struct OutputWatch {
  /// Entropy of a row, averaged, over ln K: 1 when every row is uniform.
  double mean_entropy = 0;
  /// Entropy of the mean row, over ln K: 0 when all rows choose one output.
  double entropy_of_mean = 0;

  /// What an output tells of its picture, their mutual information over ln K: 0 in either collapse, 1 when the rows
  /// share the outputs out evenly and choose one each.
  double information() const { return entropy_of_mean - mean_entropy; }
  static constexpr double low_information = 0.004;

  /// What is wrong, with its number; empty when nothing is. SwAV has 0.007 after its first epoch of CIFAR-10;
  /// without their guards SwAV and DINO come to less than 0.001 on shapes.
  std::string complaint() const {
    if (information() >= low_information) return {};
    return join("the same for all pictures (information ", information(), " of 1, entropy of a row ", mean_entropy,
                ", of their mean ", entropy_of_mean, ")");
  }
  bool collapsed() const { return !complaint().empty(); }
};

/// What tells the collapse of assignments to prototypes or outputs (SwAV, DINO): on probabilities (N, K), K > 1.
inline OutputWatch output_watch(const Tensor& probabilities) {
  const Tensor x = detail::checked_features("output_watch", probabilities);
  const std::int64_t N = x.size(0), K = x.size(1);
  require(K > 1, "[output_watch] expected at least two outputs, got ", x.shape());
  const auto entropy_term = [](double p) { return p > 0 ? -p * std::log(p) : 0.0; };
  std::vector<double> mean(static_cast<std::size_t>(K), 0.0);
  OutputWatch watch;
  const Tensor wide = x.to(DType::f64);
  for (std::int64_t i = 0; i < N; ++i)
    for (std::int64_t k = 0; k < K; ++k) {
      const double p = wide.data<double>()[i * K + k];
      watch.mean_entropy += entropy_term(p) / static_cast<double>(N);
      mean[static_cast<std::size_t>(k)] += p / static_cast<double>(N);
    }
  for (const double p : mean) watch.entropy_of_mean += entropy_term(p);
  const double most = std::log(static_cast<double>(K));
  watch.mean_entropy /= most;
  watch.entropy_of_mean /= most;
  return watch;
}

}  // namespace contrastive
