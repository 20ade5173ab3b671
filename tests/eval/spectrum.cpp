// SPDX-License-Identifier: MIT

#include "contrastive/eval/spectrum.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "contrastive/core/rng.hpp"
#include "contrastive/eval/align_uniform.hpp"
#include "contrastive/ops/softmax.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

Tensor random_features(std::int64_t N, std::int64_t D, std::uint64_t seed, DType dtype = DType::f32) {
  Tensor x({N, D}, DType::f64);
  Stream stream{Rng(seed)};
  for (double& value : x.span<double>()) value = stream.normal();
  return x.to(dtype);
}

}  // namespace

TEST_CASE("RankMe and the effective rank follow the paper", "[eval]") {
  const Golden golden = load_golden("rankme.safetensors");
  for (const DType dtype : {DType::f32, DType::f64}) {
    const double tolerance = dtype == DType::f32 ? 1e-4 : 1e-9;
    const Tensor x = golden.tensor("features").to(dtype), expected = golden.tensor("singular_values");
    const std::vector<double> values = singular_values(x);
    REQUIRE(values.size() == 10);
    for (int i = 0; i < 10; ++i) CHECK(values[i] == Approx(expected.data<double>()[i]).epsilon(tolerance));
    CHECK(rank_me(x) == Approx(golden.tensor("rankme_eps1e-7").item()).epsilon(tolerance));
    CHECK(rank_me(x, 1e-5) == Approx(golden.tensor("rankme_eps1e-5_peer").item()).epsilon(tolerance));
    CHECK(effective_rank(x) == Approx(golden.tensor("effective_rank_eps0").item()).epsilon(tolerance));
  }
}

TEST_CASE("eigenvalues of matrices whose eigenvalues are known", "[eval]") {
  using detail::symmetric_eigenvalues;
  CHECK(symmetric_eigenvalues(Tensor::from<double>({3.5}, {1, 1}))[0] == Approx(3.5));
  const auto pair = symmetric_eigenvalues(Tensor::from<double>({0, 1, 1, 0}, {2, 2}));
  CHECK(pair[0] == Approx(1));
  CHECK(pair[1] == Approx(-1));
  CHECK(symmetric_eigenvalues(Tensor({0, 0}, DType::f64)).empty());
  for (const double value : symmetric_eigenvalues(Tensor::zeros({3, 3}, DType::f64))) CHECK(value == 0);
  // The second difference: 2 - 2 cos(k pi / (n + 1)).
  const int n = 67;
  const Tensor chain = Tensor::zeros({n, n}, DType::f64);
  for (int i = 0; i < n; ++i) {
    chain.data<double>()[i * n + i] = 2;
    if (i > 0) chain.data<double>()[i * n + i - 1] = chain.data<double>()[(i - 1) * n + i] = -1;
  }
  const auto values = symmetric_eigenvalues(chain);
  for (int k = 1; k <= n; ++k)
    CHECK(values[n - k] == Approx(2 - 2 * std::cos(k * std::acos(-1.0) / (n + 1))).epsilon(1e-12));
  // Dense: 1 everywhere has n once and 0 else; trace and squares are kept for any.
  const auto flat = symmetric_eigenvalues(Tensor::full({n, n}, 1, DType::f64));
  CHECK(flat[0] == Approx(n));
  CHECK(std::abs(flat[1]) < 1e-12);
  const Tensor a = detail::gram(random_features(90, n, 4, DType::f64));
  double trace = 0, squares = 0, sum = 0, sum_squares = 0;
  for (int i = 0; i < n; ++i) trace += a.data<double>()[i * n + i];
  for (const double value : a.span<double>()) squares += value * value;
  for (const double value : symmetric_eigenvalues(a)) {
    sum += value;
    sum_squares += value * value;
  }
  CHECK(sum == Approx(trace).epsilon(1e-12));
  CHECK(sum_squares == Approx(squares).epsilon(1e-12));
}

TEST_CASE("eigenvectors, orthonormal rows and Cholesky's factor do what they say", "[eval]") {
  const int n = 37;
  const Tensor x = random_features(50, n, 5, DType::f64), a = detail::gram(x);
  const auto entry = [](const Tensor& m, int i, int j) { return m.data<double>()[i * m.size(1) + j]; };
  const auto dot = [&](const Tensor& m, int i, const Tensor& o, int j) {
    double sum = 0;
    for (int d = 0; d < m.size(1); ++d) sum += entry(m, i, d) * entry(o, j, d);
    return sum;
  };
  const auto is_orthonormal = [&](const Tensor& rows) {
    for (int i = 0; i < rows.size(0); ++i)
      for (int j = 0; j <= i; ++j) REQUIRE(dot(rows, i, rows, j) == Approx(i == j).margin(1e-12));
  };
  const Tensor vectors = detail::symmetric_eigenvectors(a);
  const std::vector<double> values = detail::symmetric_eigenvalues(a);
  is_orthonormal(vectors);
  for (int i = 0; i < n; ++i)  // a v = lambda v
    for (int d = 0; d < n; ++d)
      REQUIRE(dot(a, d, vectors, i) == Approx(values[i] * entry(vectors, i, d)).margin(1e-9 * values[0]));

  for (const bool dependent : {false, true}) {
    Tensor rows = random_features(6, n, 6, DType::f64);
    for (int d = 0; dependent && d < n; ++d) rows.data<double>()[2 * n + d] = entry(rows, 0, d) - 3 * entry(rows, 1, d);
    const Tensor basis = detail::orthonormal_rows(rows);
    is_orthonormal(basis);
    for (int i = 0; i < 6; ++i) {  // row i lies in what the first i + 1 span
      double rest = dot(rows, i, rows, i);
      for (int j = 0; j <= i; ++j) rest -= std::pow(dot(rows, i, basis, j), 2);
      CHECK(rest == Approx(0).margin(1e-10));
    }
  }
  is_orthonormal(detail::orthonormal_rows(Tensor::zeros({3, n}, DType::f64)));

  const Tensor factor = detail::cholesky(a);
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) {
      REQUIRE(dot(factor, i, factor, j) == Approx(entry(a, i, j)).margin(1e-10));
      if (j > i) REQUIRE(entry(factor, i, j) == 0);
    }
  std::vector<double> v(n), solved;
  for (int i = 0; i < n; ++i) v[i] = i - 3;
  solved = v;
  detail::cholesky_solve(factor, solved.data());
  const Tensor solution = Tensor::from<double>(solved, {1, n});
  for (int i = 0; i < n; ++i) CHECK(dot(a, i, solution, 0) == Approx(v[i]).margin(1e-8));
  CHECK_FALSE(detail::cholesky(Tensor::from<double>({1, 2, 2, 1}, {2, 2})).defined());
}

TEST_CASE("ranks of made spectra", "[eval]") {
  // Orthogonal columns of equal length: full rank, tall or wide.
  Tensor tall = Tensor::zeros({5, 3}), wide = Tensor::zeros({3, 5});
  for (int i = 0; i < 3; ++i) tall.data<float>()[i * 3 + i] = wide.data<float>()[i * 5 + i] = 2;
  CHECK(effective_rank(tall) == Approx(3));
  CHECK(effective_rank(wide) == Approx(3));
  CHECK(effective_rank(Tensor::full({20, 7}, 0.3)) == Approx(1).epsilon(1e-6));  // one line
  CHECK(effective_rank(Tensor::zeros({20, 7})) == 1);
  CHECK(effective_rank(random_features(1, 4, 1)) == Approx(1));
}

TEST_CASE("the collapse watch", "[eval]") {
  const CollapseWatch healthy = collapse_watch(random_features(400, 16, 1));
  CHECK(healthy.spread == Approx(1).epsilon(0.02));
  CHECK(healthy.rank > 15);
  CHECK_FALSE(healthy.collapsed());

  const CollapseWatch point = collapse_watch(Tensor::full({50, 16}, 0.7));
  CHECK(point.spread == Approx(0).margin(1e-6));
  CHECK(point.rank == 1);
  CHECK(point.collapsed());

  // Dimensional collapse: noise in two of sixteen dimensions.
  const Tensor flat = Tensor::zeros({400, 16});
  const Tensor noise = random_features(400, 2, 2);
  for (int i = 0; i < 400; ++i)
    for (int d = 0; d < 2; ++d) flat.data<float>()[i * 16 + d] = noise.data<float>()[i * 2 + d];
  const CollapseWatch plane = collapse_watch(flat);
  CHECK(plane.rank == Approx(2).epsilon(0.01));
  CHECK(plane.spread < 0.4);

  // Two heaps of pictures: each dimension keeps its spread, as a norm at a projector's end sees to; the rank tells.
  const auto heaps = [](std::int64_t N, std::int64_t D) {
    Tensor x = random_features(N, D, 3);
    for (std::int64_t i = 0; i < N * D; ++i) x.data<float>()[i] = 0.01f * x.data<float>()[i] + (i / D % 2 ? 1.f : -1.f);
    return collapse_watch(x);
  };
  const CollapseWatch line = heaps(400, 16);
  CHECK(line.spread == Approx(1).epsilon(0.01));
  CHECK(line.rank < 1.7);
  CHECK(line.most == 16);
  CHECK(line.collapsed());
  CHECK_THAT(line.complaint(), Contains("nearly on one line (effective rank 1.") && Contains("of 16)"));
  CHECK_THAT(point.complaint(), Contains("nearly the same everywhere (spread"));
  CHECK(healthy.complaint().empty());
  CHECK_FALSE(heaps(8, 16).collapsed());  // of so few rows the rank is no sign
  CHECK(heaps(9, 16).collapsed());
  CHECK(collapse_watch(random_features(1, 4, 1)).spread == 0);
  CHECK_THROWS_WITH(collapse_watch(Tensor::zeros({4})), Contains("[collapse_watch] expected features (N, D), got (4)"));
}

TEST_CASE("alignment and uniformity with gradients follow Wang and Isola", "[eval]") {
  const Golden golden = load_golden("align_uniform.safetensors");
  for (const DType dtype : {DType::f32, DType::f64}) {
    const double tolerance = dtype == DType::f32 ? 1e-5 : 1e-10;
    const auto check = [&](const std::string& name, auto&& loss_of) {
      INFO(name << " " << to_string(dtype));
      Tensor x = golden.tensor("x_raw").to(dtype).clone();
      x.set_requires_grad(true);
      const Tensor loss = loss_of(normalize(x), normalize(golden.tensor("y_raw").to(dtype)));
      CHECK(loss.item() == Approx(golden.tensor(name).item()).epsilon(tolerance));
      loss.backward();
      check_close(x.grad(), golden.tensor("grad_x_" + name), tolerance, dtype == DType::f32 ? 1e-7 : 1e-12);
    };
    for (const int alpha : {1, 2})
      check("align_alpha" + std::to_string(alpha), [&](auto x, auto y) { return alignment(x, y, alpha); });
    for (const int t : {2, 3}) check("uniform_t" + std::to_string(t), [&](auto x, auto) { return uniformity(x, t); });
  }
  CHECK_THROWS_WITH(uniformity(Tensor::zeros({1, 3})), Contains("[uniformity]"));
}

TEST_CASE("the watch on outputs tells one for all, all alike, and a healthy assignment") {
  const std::int64_t N = 12, K = 4;
  const auto rows = [&](auto&& value) {
    const Tensor p({N, K});
    for (std::int64_t i = 0; i < N; ++i)
      for (std::int64_t k = 0; k < K; ++k) p.data<float>()[i * K + k] = static_cast<float>(value(i, k));
    return output_watch(p);
  };
  const OutputWatch one = rows([](auto, auto k) { return k == 2; });
  CHECK(one.entropy_of_mean == Approx(0).margin(1e-9));
  CHECK(one.collapsed());
  const OutputWatch even = rows([](auto, auto) { return 0.25; });
  CHECK(even.mean_entropy == Approx(1));
  CHECK(even.collapsed());
  const OutputWatch healthy = rows([](auto i, auto k) { return i % 4 == k; });
  CHECK(healthy.mean_entropy == Approx(0).margin(1e-9));
  CHECK(healthy.entropy_of_mean == Approx(1));
  CHECK(healthy.information() == Approx(1));
  CHECK_FALSE(healthy.collapsed());
  CHECK_THROWS_WITH(output_watch(Tensor::zeros({3, 1})), Contains("[output_watch] expected at least two outputs"));
}
