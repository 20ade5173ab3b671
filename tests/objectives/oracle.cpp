// SPDX-License-Identifier: MIT

// Losses against loops written from the formulas, and what must not change them.

#include "contrastive/nn/init.hpp"
#include "contrastive/objectives/barlow_twins.hpp"
#include "contrastive/objectives/negative_cosine.hpp"
#include "contrastive/objectives/nnclr.hpp"
#include "contrastive/objectives/nt_xent.hpp"
#include "contrastive/objectives/sup_con.hpp"
#include "contrastive/objectives/vicreg.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

Tensor random(std::int64_t N, std::int64_t D, std::uint64_t seed) {
  return init::normal({N, D}, 1, Rng(seed)).to(DType::f64);
}

double cosine_of(const Tensor& a, std::int64_t i, const Tensor& b, std::int64_t j) {
  const std::int64_t D = a.size(1);
  const double *x = a.data<double>() + i * D, *y = b.data<double>() + j * D;
  double xy = 0, xx = 0, yy = 0;
  for (std::int64_t d = 0; d < D; ++d) xy += x[d] * y[d], xx += x[d] * x[d], yy += y[d] * y[d];
  return xy / std::sqrt(xx * yy);
}

double info_nce_loop(const Tensor& q, const Tensor& k, double t) {
  double total = 0;
  for (std::int64_t i = 0; i < q.size(0); ++i) {
    double below = 0;
    for (std::int64_t j = 0; j < k.size(0); ++j) below += std::exp(cosine_of(q, i, k, j) / t);
    total -= cosine_of(q, i, k, i) / t - std::log(below);
  }
  return total / static_cast<double>(q.size(0));
}

double nt_xent_loop(const Tensor& z0, const Tensor& z1, double t) {
  const Tensor z = concat({z0, z1});
  const std::int64_t N = z0.size(0);
  double total = 0;
  for (std::int64_t i = 0; i < 2 * N; ++i) {
    double below = 0;
    for (std::int64_t j = 0; j < 2 * N; ++j)
      if (j != i) below += std::exp(cosine_of(z, i, z, j) / t);
    total -= cosine_of(z, i, z, (i + N) % (2 * N)) / t - std::log(below);
  }
  return total / static_cast<double>(2 * N);
}

Tensor permuted(const Tensor& x) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(x.size(0)));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  Stream(Rng(11)).shuffle(order);
  return gather(x, Tensor::from<std::int64_t>(std::span<const std::int64_t>(order), {x.size(0)}));
}

}  // namespace

TEST_CASE("losses equal their formulas over a grid of N, D and temperature") {
  for (std::int64_t N : {1, 2, 3, 17, 64})
    for (std::int64_t D : {1, 2, 31, 128})
      for (double t : {0.05, 0.2, 1.0, 10.0}) {
        const Tensor a = random(N, D, 1), b = random(N, D, 2);
        INFO("N " << N << " D " << D << " t " << t);
        CHECK(info_nce(a, b, t).item() == Approx(info_nce_loop(a, b, t)).epsilon(1e-12).margin(1e-12));
        CHECK(nt_xent(a, b, t).item() == Approx(nt_xent_loop(a, b, t)).epsilon(1e-12).margin(1e-12));
        // Logits reach 1 / t; float32 keeps about 1e-7 of that.
        const Tensor fa = a.to(DType::f32), fb = b.to(DType::f32);
        CHECK(info_nce(fa, fb, t).item() == Approx(info_nce_loop(a, b, t)).epsilon(1e-5).margin(2e-6 / t));
        CHECK(nt_xent(fa, fb, t).item() == Approx(nt_xent_loop(a, b, t)).epsilon(1e-5).margin(2e-6 / t));
      }
}

TEST_CASE("gradients of the losses equal differences") {
  using Inputs = const std::vector<Tensor>&;
  const auto check = [](auto loss, std::vector<Tensor> inputs) {
    const GradcheckResult result = gradcheck(loss, inputs);
    INFO(result.message);
    CHECK(result.ok);
  };
  check([](Inputs x) { return nt_xent(x[0], x[1], 0.3); }, {random(5, 7, 1), random(5, 7, 2)});
  check([](Inputs x) { return info_nce(x[0], x[1], 0.3); }, {random(5, 7, 1), random(5, 7, 2)});
  check([](Inputs x) { return info_nce(x[0], x[1], x[2], 1.0); }, {random(3, 7, 1), random(3, 7, 2), random(5, 7, 3)});
  const Tensor z = random(5, 7, 3);
  check([&](Inputs x) { return simsiam_loss(x[0], z, x[1], z); }, {random(5, 7, 1), random(5, 7, 2)});
  check([&](Inputs x) { return byol_loss(x[0], z, x[1], z); }, {random(5, 7, 1), random(5, 7, 2)});
}

TEST_CASE("order of rows, order of views and lengths of embeddings do not matter") {
  const Tensor a = random(13, 9, 1), b = random(13, 9, 2);
  const double loss = nt_xent(a, b, 0.1).item();
  CHECK(nt_xent(permuted(a), permuted(b), 0.1).item() == Approx(loss).epsilon(1e-12));
  CHECK(nt_xent(b, a, 0.1).item() == Approx(loss).epsilon(1e-12));
  CHECK(nt_xent(a * 1e-6, b * 1e6, 0.1).item() == Approx(loss).epsilon(1e-9));
  CHECK(info_nce(permuted(a), permuted(b), 0.1).item() == Approx(info_nce(a, b, 0.1).item()).epsilon(1e-12));
  CHECK(info_nce(a * 7, b, 0.1).item() == Approx(info_nce(a, b, 0.1).item()).epsilon(1e-12));
  CHECK(simsiam_loss(a * 3, b, b, a).item() == Approx(simsiam_loss(a, b, b, a).item()).epsilon(1e-12));
  // One view against a shuffled other is another loss: the pairing does matter.
  CHECK(std::abs(nt_xent(a, permuted(b), 0.1).item() - loss) > 1e-3);
}

TEST_CASE("temperatures at both ends stay finite, in float32 too") {
  const Tensor a = random(9, 5, 1).to(DType::f32), b = random(9, 5, 2).to(DType::f32);
  for (double t : {1e-4, 1e4}) {
    Tensor z0 = a.clone(), z1 = b.clone();
    z0.set_requires_grad(true);
    z1.set_requires_grad(true);
    const Tensor loss = nt_xent(z0, z1, t);
    loss.backward();
    CHECK(std::isfinite(loss.item()));
    for (const Tensor& dz : {z0.grad(), z1.grad()})
      for (float g : dz.span<float>()) REQUIRE(std::isfinite(g));
  }
  CHECK(nt_xent(a, b, 1e4).item() == Approx(std::log(17.0)).epsilon(1e-4));
  CHECK(nt_xent(a, a, 1e-3).item() == Approx(0).margin(1e-5));  // each row's twin outshines all others
}

TEST_CASE("perfect and opposite predictions end the scales of the methods without negatives") {
  const Tensor a = random(6, 4, 1);
  CHECK(simsiam_loss(a, a, a, a).item() == Approx(-1));
  CHECK(simsiam_loss(a, -a, a, -a).item() == Approx(1));
  CHECK(byol_loss(a, a * 3, a, a * 3).item() == Approx(0).margin(1e-12));
  CHECK(byol_loss(a, -a, a, -a).item() == Approx(8));
}

TEST_CASE("first steps: equal rows and independent directions give the closed forms") {
  const std::int64_t N = 64;
  const Tensor same = Tensor::full({N, 7}, 0.3, DType::f64);
  CHECK(nnclr_loss(same, same, same, same, 0.1).item() == Approx(std::log(64.0)).epsilon(1e-10));
  CHECK(nnclr_loss(same, same, same, same, 0.1, true).item() == Approx(std::log(127.0)).epsilon(1e-10));
  // Whatever the classes.
  for (const std::int32_t classes : {1, 4, 10}) {
    std::vector<std::int32_t> labels;
    for (std::int32_t i = 0; i < 2 * N; ++i) labels.push_back(i % classes);
    CHECK(sup_con(concat({same, same}), labels, {.temperature = 0.1}).item() ==
          Approx(0.1 / 0.07 * std::log(127.0)).epsilon(1e-10));
  }
  // Two directions, of 2 - 2 cos each; a cosine of D dimensions has a deviation of 1 / sqrt(D).
  const Tensor a = random(N, 2048, 1), b = random(N, 2048, 2), c = random(N, 2048, 3), d = random(N, 2048, 4);
  CHECK(byol_loss(a, b, c, d).item() == Approx(4).margin(0.03));
  CHECK(simsiam_loss(a, b, c, d).item() == Approx(0).margin(0.01));
  // C is near 0: D from the first sum, and 1 / N from the square of each entry's noise.
  const double n = 4096, D = 64, lambda = 0.0051;
  const Tensor x = random(4096, 64, 5), y = random(4096, 64, 6);
  CHECK(barlow_twins(x, y).item() == Approx(D + D / n + lambda * D * (D - 1) / n).epsilon(0.01));
  CHECK(barlow_twins(x, x).item() == Approx(lambda * D * (D - 1) / n).epsilon(0.1));
  CHECK(barlow_twins(same, same).item() == Approx(7).epsilon(1e-10));  // constant: no correlation in any dimension
  // Constant rows: the hinge alone, at the root of epsilon. Independent ones: (z0 - z1)^2 is 2.
  CHECK(vicreg(same, same).item() == Approx(25 * 0.99).epsilon(1e-10));
  CHECK(vicreg(x, y).item() == Approx(25 * 2 + 2 * (D - 1) / n).epsilon(0.01));
}

TEST_CASE("what does not fit is said in one sentence") {
  const Tensor a = random(5, 3, 1), b = random(4, 3, 2), row = Tensor::zeros({3}, DType::f64);
  for (double t : {0.0, -1.0, std::nan(""), static_cast<double>(INFINITY)}) {
    CHECK_THROWS_WITH(nt_xent(a, a, t), Contains("[nt_xent] the temperature must be 0.0001 to 10000"));
    CHECK_THROWS_WITH(info_nce(a, a, t), Contains("[info_nce] the temperature must be 0.0001 to 10000"));
    CHECK_THROWS_WITH(info_nce(a, a, a, t), Contains("[info_nce] the temperature must be 0.0001 to 10000"));
  }
  CHECK_THROWS_WITH(info_nce(a, b, 1), Contains("[info_nce]") && Contains("(5, 3) and (4, 3)"));
  CHECK_THROWS_WITH(info_nce(a, a, random(8, 2, 1), 1), Contains("negatives (K, 3), got (8, 2)"));
  CHECK_THROWS_WITH(nt_xent(row, row, 1), Contains("[nt_xent]"));
  CHECK_THROWS_WITH(nt_xent(Tensor({0, 3}), Tensor({0, 3}), 1), Contains("N > 0"));
  CHECK_THROWS_WITH(negative_cosine(a, b), Contains("[negative_cosine]"));
  CHECK_THROWS_WITH(byol_regression(a, b), Contains("[byol_regression]"));
}
