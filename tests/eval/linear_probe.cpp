// SPDX-License-Identifier: MIT

#include "contrastive/eval/linear_probe.hpp"

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "contrastive/core/rng.hpp"
#include "contrastive/eval/few_labels.hpp"
#include "contrastive/eval/sgd_probe.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/golden.hpp"
#include "support/learning.hpp"

using namespace contrastive;

namespace {

struct Blobs {
  Tensor features;
  std::vector<std::int64_t> labels;
};

/// Gaussian clouds around one centre a class, in columns of very different scale and offset.
Blobs blobs(std::int64_t N, std::int64_t D, std::int64_t C, double noise, std::uint64_t seed,
            DType dtype = DType::f32) {
  Tensor x({N, D}, DType::f64);
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < N; ++i) {
    labels.push_back(i % C);
    Stream centre(Rng(seeded(7)) / static_cast<std::uint64_t>(i % C)),
        stream(Rng(seeded(seed)) / static_cast<std::uint64_t>(i));
    for (std::int64_t d = 0; d < D; ++d)
      x.data<double>()[i * D + d] = (centre.normal() + noise * stream.normal()) * (d % 2 ? 100 : 0.01) + 5;
  }
  return {x.to(dtype), labels};
}

void check_close(const Tensor& got, const Tensor& expected, double tolerance) {
  ::check_close(got, expected, tolerance, 0.01 * tolerance);
}

}  // namespace

// The linear probe of CLIP's README: LogisticRegression(C=0.316) of scikit-learn 1.9.1, by its Newton solver to a gradient of
// 3e-15. Its L-BFGS stops at 8e-7.
TEST_CASE("logistic regression on features as they are finds what scikit-learn does", "[eval]") {
  const std::int64_t N = 60, D = 5, C = 3;
  Tensor x({N, D}, DType::f64);
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < N; ++i) {
    labels.push_back(i % C);
    for (std::int64_t d = 0; d < D; ++d)
      x.data<double>()[i * D + d] = 3 * std::sin(0.7 * i * (d + 1) + 1.3 * d) + (i % C) * std::cos(d) + d;
  }
  const std::vector<double> weight{-0.444554787217, -0.360639346968, 0.606475540215,  0.168393676104,  -0.350465288199,
                                   -0.103969159027, -0.088768646298, -1.216744068324, -0.042206468963, 0.014140838634,
                                   0.548523946244,  0.449407993266,  0.610268528110,  -0.126187207140, 0.336324449564};
  const std::vector<double> bias{1.077612652270, 2.097170632374, -3.174783284644};  // up to a number that all share
  for (const DType dtype : {DType::f64, DType::f32}) {
    const LogisticFit fit = fit_logistic(x.to(dtype), labels,
                                         {.l2 = 1 / (0.316 * N),
                                          .standardise = false,
                                          .max_iterations = 1000,
                                          .tolerance = dtype == DType::f64 ? 1e-10 : 1e-5});
    CHECK(fit.converged);
    const double tolerance = dtype == DType::f64 ? 1e-8 : 1e-3;
    CHECK(largest_difference(fit.classifier.weight, Tensor::from<double>(weight, {C, D})) < tolerance);
    const Tensor found = fit.classifier.bias.to(DType::f64);
    for (std::int64_t c = 0; c < C; ++c)
      CHECK(std::abs((found.data<double>()[c] - found.data<double>()[0]) - (bias[c] - bias[0])) < 5 * tolerance);
    CHECK(std::abs(fit.loss - 0.37473911545) < tolerance);
  }
}

TEST_CASE("the SGD probe follows PyTorch, with and without batch norm", "[eval]") {
  const Golden golden = load_golden("linear_probe_sgd.safetensors");
  for (const DType dtype : {DType::f32, DType::f64})
    for (const bool batch_norm : {false, true})
      for (std::int64_t step = 0; step < 6; ++step) {
        const std::string suffix = batch_norm ? "_bn" : "";
        INFO("step " << step << suffix << " " << to_string(dtype));
        const SgdProbeResult result =
            sgd_probe(golden.tensor("features").to(dtype), golden.tensor("labels").span<std::int64_t>(),
                      {.lr = 0.5,
                       .epochs = static_cast<int>(step) + 1,
                       .cosine_decay = false,
                       .batch_norm = batch_norm,
                       .initial = {golden.tensor("weight_init"), golden.tensor("bias_init")}});
        const double tolerance = dtype == DType::f32 ? 1e-5 : 1e-10;
        CHECK(result.losses[step] == Approx(golden.tensor("loss" + suffix).data<double>()[step]).epsilon(tolerance));
        check_close(result.weight, golden.tensor("weight_after" + suffix).slice(step, step + 1), tolerance);
        check_close(result.bias, golden.tensor("bias_after" + suffix).slice(step, step + 1), tolerance);
        if (batch_norm && step == 5) {
          check_close(result.running_mean, golden.tensor("bn_running_mean"), tolerance);
          check_close(result.running_var, golden.tensor("bn_running_var"), tolerance);
          // Folding the batch norm in changes nothing: (x - m) / sqrt(v + eps) W^T + b.
          const Tensor x = golden.tensor("features").to(dtype);
          const Tensor normed = (x - result.running_mean) * pow(result.running_var + 1e-6, -0.5);
          check_close(result.classifier.logits(x), matmul(normed, result.weight, false, true) + result.bias, 1e-5);
        }
      }
}

TEST_CASE("the SGD probe in batches learns separable classes, the same for the same seed", "[eval][learns]") {
  const Blobs data = blobs(300, 6, 3, 0.1, 1);
  // The running mean has to come within 0.01 of 5: 0.9^100.
  const SgdProbeOptions options{.lr = 0.1, .epochs = 20, .batch = 64, .batch_norm = true, .seed = 3};
  const SgdProbeResult result = sgd_probe(data.features, data.labels, options);
  check_above("SGD probe of separable classes", accuracy(result.classifier.predict(data.features), data.labels), 0.95);
  CHECK(result.losses.size() == 100);
  CHECK(sgd_probe(data.features, data.labels, options).losses == result.losses);
}

TEST_CASE("logistic regression ends where the gradient is zero", "[eval]") {
  const Blobs data = blobs(500, 4, 3, 1.5, 1, DType::f64);
  const LogisticFit fit = fit_logistic(data.features, data.labels, {.l2 = 0.004, .tolerance = 1e-9});
  CHECK(fit.converged);
  // Back to standardised features, with the stationary condition written out: sum (p - t) x + l2 w = 0.
  const detail::Standardiser standardiser(data.features);
  const Tensor x = standardiser(data.features), logits = fit.classifier.logits(data.features);
  const std::int64_t N = 500, D = 4, C = 3;
  double worst = 0, scale = 0;
  for (std::int64_t c = 0; c < C; ++c) {
    std::vector<double> g(D + 1, 0.0);
    for (std::int64_t i = 0; i < N; ++i) {
      double total = 0;
      for (std::int64_t o = 0; o < C; ++o) total += std::exp(logits.data<double>()[i * C + o]);
      const double r = std::exp(logits.data<double>()[i * C + c]) / total - (data.labels[i] == c);
      for (std::int64_t d = 0; d < D; ++d) g[d] += r * x.data<double>()[i * D + d];
      g[D] += r;
    }
    for (std::int64_t d = 0; d < D; ++d) {
      g[d] += 2 * fit.classifier.weight.data<double>()[c * D + d] / standardiser.scale[d];
      scale = std::max(scale, std::abs(fit.classifier.weight.data<double>()[c * D + d] / standardiser.scale[d]));
    }
    for (const double value : g) worst = larger(worst, std::abs(value));
  }
  CHECK(scale > 0.1);
  CHECK(worst < 1e-5);
  // f32 finds the same.
  const LogisticFit single = fit_logistic(data.features.to(DType::f32), data.labels, {.l2 = 0.004});
  CHECK(single.loss == Approx(fit.loss).epsilon(1e-4));
  check_close(single.classifier.weight, fit.classifier.weight, 1e-2);
}

TEST_CASE("the linear probe reads what is linear and nothing from noise", "[eval][learns]") {
  const Blobs train = blobs(600, 8, 4, 0.3, 1), test = blobs(200, 8, 4, 0.3, 2);
  const LinearProbeResult result = linear_probe(train.features, train.labels, test.features, test.labels);
  CHECK(result.fit.converged);
  check_above("linear probe of what is linear", result.top1, 0.98);
  const Blobs noise = blobs(600, 8, 4, 1e6, 3), other = blobs(400, 8, 4, 1e6, 4);
  check_below("linear probe of noise", linear_probe(noise.features, noise.labels, other.features, other.labels).top1,
              0.4);
}

TEST_CASE("the linear probe gives the same bits for any number of threads", "[eval]") {
  const Blobs data = blobs(5000, 17, 5, 2, 1);
  const bool before = deterministic();
  set_deterministic(true);
  const auto run = [&](int count) {
    set_threads(count);
    const Tensor weight = fit_logistic(data.features, data.labels, {.max_iterations = 10}).classifier.weight;
    set_threads(0);
    return weight;
  };
  const Tensor one = run(1), two = run(2), five = run(5);
  set_deterministic(before);
  CHECK(std::memcmp(one.data<float>(), two.data<float>(), one.count() * sizeof(float)) == 0);
  CHECK(std::memcmp(one.data<float>(), five.data<float>(), one.count() * sizeof(float)) == 0);
}

TEST_CASE("odd linear probes: one row, one class, constant columns, a class that is not there", "[eval]") {
  const std::vector<std::int64_t> one{0}, gap{0, 2};
  const Tensor row = Tensor::full({1, 3}, 2);
  CHECK(linear_probe(row, one, row, one).top1 == 1);
  const Tensor two = Tensor::from<float>({1, 5, 2, 5}, {2, 2});  // the second column is constant
  const LinearProbeResult result = linear_probe(two, gap, two, gap);
  CHECK(result.top1 == 1);
  CHECK(result.fit.classifier.weight.shape() == Shape{2, 2});  // of the classes that there are
  CHECK(fit_logistic(row, one, {}, 5).classifier.weight.size(0) == 5);
  CHECK_THROWS_WITH(fit_logistic(row, gap), Contains("[fit_logistic] 2 labels for 1 rows"));
  CHECK_THROWS_WITH(result.fit.classifier.predict(row), Contains("made for 2 features"));
  CHECK(accuracy({}, {}) == 0);
}

TEST_CASE("few labels: seeded draws, more labels help, small classes give what they have", "[eval][learns]") {
  const Blobs train = blobs(400, 8, 4, 1.2, 1), test = blobs(400, 8, 4, 1.2, 2);
  const auto run = [&](std::int64_t per_class, std::uint64_t seed) {
    return few_labels(train.features, train.labels, test.features, test.labels,
                      {.labels_per_class = per_class, .draws = 6, .seed = seed});
  };
  const FewLabelResult few = run(2, 0), more = run(20, 0);
  CHECK(few.draws.size() == 6);
  CHECK(few.draws == run(2, 0).draws);
  CHECK(few.draws != run(2, 1).draws);
  CHECK(few.deviation > 0);
  check_above("few labels of blobs", few.top1, 0.3);  // above chance
  check_above("few labels of blobs: twenty less two", more.top1 - few.top1, 0.05);
  const FewLabelResult all = run(100000, 0);
  CHECK(all.deviation == Approx(0).margin(1e-12));  // every draw takes all rows
}
