// SPDX-License-Identifier: MIT

#include <cmath>
#include <cstring>
#include <vector>

#include "contrastive/core/rng.hpp"
#include "contrastive/eval/knn.hpp"
#include "contrastive/eval/pca.hpp"
#include "contrastive/eval/tsne.hpp"
#include "support/catch.hpp"
#include "support/learning.hpp"

using namespace contrastive;

namespace {

/// Points around C centres; the label of row i is i mod C.
Tensor clusters(std::int64_t N, std::int64_t D, std::int64_t C, double noise) {
  Tensor x({N, D});
  for (std::int64_t i = 0; i < N; ++i) {
    Stream centre(Rng(seeded(1)) / static_cast<std::uint64_t>(i % C)),
        stream(Rng(seeded(2)) / static_cast<std::uint64_t>(i));
    for (std::int64_t d = 0; d < D; ++d)
      x.data<float>()[i * D + d] = static_cast<float>(centre.normal() + noise * stream.normal());
  }
  return x;
}

/// Share of points whose nearest other point has the same label.
double purity(const Tensor& map, std::int64_t C) {
  std::int64_t right = 0;
  const std::int64_t N = map.size(0);
  for (std::int64_t i = 0; i < N; ++i) {
    std::int64_t best = -1;
    double nearest = 0;
    for (std::int64_t j = 0; j < N; ++j) {
      const double dx = map.data<float>()[2 * i] - map.data<float>()[2 * j];
      const double dy = map.data<float>()[2 * i + 1] - map.data<float>()[2 * j + 1];
      if (j != i && (best < 0 || dx * dx + dy * dy < nearest)) {
        best = j;
        nearest = dx * dx + dy * dy;
      }
    }
    right += best % C == i % C;
  }
  return static_cast<double>(right) / static_cast<double>(N);
}

double variance(const Tensor& map, std::int64_t column) {
  double total = 0, squares = 0;
  const std::int64_t N = map.size(0), k = map.size(1);
  for (std::int64_t i = 0; i < N; ++i) {
    total += map.data<float>()[i * k + column];
    squares += map.data<float>()[i * k + column] * map.data<float>()[i * k + column];
  }
  CHECK(total / N == Approx(0).margin(1e-4));
  return squares / N;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return std::memcmp(a.data<float>(), b.data<float>(), a.count() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("pca finds the axes of greatest variance", "[eval]") {
  const std::int64_t N = 500, D = 30;
  Tensor x({N, D});
  Stream stream{Rng(3)};
  for (std::int64_t i = 0; i < N; ++i)
    for (std::int64_t d = 0; d < D; ++d)
      x.data<float>()[i * D + d] = static_cast<float>(stream.normal() * (d == 4 ? 10 : d == 9 ? 5 : 1) + 100);
  const Tensor y = pca(x, 2);
  REQUIRE(y.shape() == Shape{N, 2});
  // The variances are the eigenvalues of the covariance, and the axes those of columns 4 and 9, pointing up.
  const std::vector<double> values = singular_values(detail::centred(x));
  CHECK(variance(y, 0) == Approx(values[0] * values[0] / N).epsilon(1e-4));
  CHECK(variance(y, 1) == Approx(values[1] * values[1] / N).epsilon(1e-4));
  double along = 0, size = 0;
  for (std::int64_t i = 0; i < N; ++i) {
    along += y.data<float>()[2 * i] * (x.data<float>()[i * D + 4] - 100);
    size += y.data<float>()[2 * i] * y.data<float>()[2 * i];
  }
  CHECK(along / size == Approx(1).epsilon(0.02));
}

TEST_CASE("pca of odd sets", "[eval]") {
  CHECK(variance(pca(Tensor::full({5, 3}, 2), 2), 0) == 0);
  CHECK(pca(Tensor::full({1, 3}, 2), 2).data<float>()[0] == 0);
  // One column: the first component is the centred column, the second is nothing.
  const Tensor line = pca(Tensor::from<float>({1, 2, 6}, {3, 1}), 2);
  CHECK(line.data<float>()[0] == Approx(-2));
  CHECK(line.data<float>()[4] == Approx(3));
  CHECK(line.data<float>()[5] == 0);
  CHECK_THROWS_WITH(pca(Tensor::zeros({3}), 2), Contains("[pca] expected features (N, D)"));
}

TEST_CASE("t-SNE keeps clusters together that pca lays over each other", "[eval][learns]") {
  const std::int64_t C = 20;
  const Tensor x = clusters(400, 24, C, 0.3), map = tsne(x);
  check_above("t-SNE of clusters: purity", purity(map, C), 0.95);
  check_below("PCA of clusters: purity", purity(pca(x), C), 0.95);
  for (const float value : map.span<float>()) {
    REQUIRE(std::isfinite(value));
    CHECK(std::abs(value) < 500);
  }
}

TEST_CASE("t-SNE gives the same bits for any number of threads", "[eval]") {
  const Tensor x = clusters(200, 8, 4, 0.5);
  const auto run = [&](int count) {
    set_threads(count);
    const Tensor map = tsne(x, {.iterations = 60});
    set_threads(0);
    return map;
  };
  const Tensor one = run(1);
  CHECK(same_bits(one, run(2)));
  CHECK(same_bits(one, run(5)));
}

TEST_CASE("t-SNE of odd sets", "[eval]") {
  CHECK(tsne(Tensor::zeros({0, 3})).shape() == Shape{0, 2});
  CHECK(tsne(Tensor::zeros({1, 3})).data<float>()[0] == 0);
  for (const std::int64_t N : {2, 3, 65}) {
    const Tensor same = tsne(Tensor::full({N, 3}, 1), {.iterations = 300});  // all points equal
    for (const float value : same.span<float>()) CHECK(std::isfinite(value));
    const Tensor apart = tsne(clusters(N, 3, 2, 1), {.iterations = 300});
    for (const float value : apart.span<float>()) CHECK(std::isfinite(value));
  }
  CHECK_THROWS_WITH(tsne(Tensor::zeros({10001, 2})), Contains("at most 10000 rows"));
  CHECK_THROWS_WITH(tsne(Tensor::zeros({4, 2}), {.perplexity = 0}), Contains("perplexity"));
}
