// SPDX-License-Identifier: MIT

// Evaluations at both ends of every number that they take, against loops in long double.

#include "support/range.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include "contrastive/eval/align_uniform.hpp"
#include "contrastive/eval/bank_knn.hpp"
#include "contrastive/eval/few_labels.hpp"
#include "contrastive/eval/finetune.hpp"
#include "contrastive/eval/sgd_probe.hpp"
#include "contrastive/eval/tsne.hpp"

using namespace range;

namespace {

/// Rows around one centre a class.
struct Blobs {
  Tensor features;
  std::vector<std::int64_t> labels;
};
Blobs blobs(std::int64_t rows, const std::vector<std::int64_t>& classes, double noise, std::uint64_t seed) {
  Blobs made{random(rows, 6, seed) * noise, {}};
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::size_t c = static_cast<std::size_t>(i) % classes.size();
    made.labels.push_back(classes[c]);
    Stream centre(Rng(7) / c);
    for (std::int64_t d = 0; d < 6; ++d) made.features.data<double>()[i * 6 + d] += centre.normal();
  }
  return made;
}

/// log sum exp(cosine / t) of each class among the k nearest rows to query i.
std::map<std::int64_t, long double> votes(const Tensor& bank, const std::vector<std::int64_t>& labels,
                                          const Tensor& queries, std::size_t i, std::size_t k, double t) {
  const Rows rows = dual::unit(rows_of(bank)), query = dual::unit({rows_of(queries)[i]});
  std::vector<std::pair<long double, std::size_t>> near;
  for (std::size_t j = 0; j < rows.size(); ++j) near.push_back({-dual::dot(rows[j], query[0]).v, j});
  std::sort(near.begin(), near.end());
  std::map<std::int64_t, dual::Row> logits;
  for (std::size_t j = 0; j < std::min(k, near.size()); ++j)
    logits[labels[near[j].second]].push_back(Number((near[0].first - near[j].first) / t));
  std::map<std::int64_t, long double> scores;
  for (const auto& [label, terms] : logits) scores[label] = dual::lse(terms).v;
  return scores;
}

/// The largest slope of softmax regression's mean loss, with its penalty, at a classifier of standardised features.
double slope_at(const Tensor& x, const std::vector<std::int64_t>& labels, const LinearClassifier& fit, double l2) {
  const detail::Standardiser standardiser(x);
  const Rows rows = rows_of(standardiser(x)), logits = rows_of(fit.logits(x)), W = rows_of(fit.weight);
  double worst = 0;
  for (std::size_t c = 0; c < W.size(); ++c)
    for (std::size_t d = 0; d <= W[c].size(); ++d) {  // the last is the bias
      long double slope = d < W[c].size() ? l2 * W[c][d].v / standardiser.scale[d] : 0;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const long double p = std::exp(logits[i][c].v - dual::lse(logits[i]).v) - (labels[i] == std::int64_t(c));
        slope += p * (d < W[c].size() ? rows[i][d].v : 1) / rows.size();
      }
      worst = larger(worst, static_cast<double>(std::abs(slope)));
    }
  return worst;
}

}  // namespace

TEST_CASE("kNN is right at every temperature and k, whatever the labels are", "[eval]") {
  const Blobs train = blobs(60, {2, 7, 100000000, 3, 4, 5, 6}, 1.5, 1), test = blobs(25, {7, 3, 2, 9, 6}, 1.5, 2);
  for (const DType dtype : {DType::f64, DType::f32})
    for (const double t : temperatures)
      for (const std::int64_t k : {1, 2, 7, 60, 1000000}) {
        INFO("k " << k << ", t " << t << " in " << to_string(dtype));
        const Tensor bank = train.features.to(dtype), queries = test.features.to(dtype);
        const KnnResult result = knn(bank, train.labels, queries, test.labels, {.k = k, .temperature = t});
        CHECK(result.classes == std::vector<std::int64_t>{2, 3, 4, 5, 6, 7, 100000000});
        REQUIRE(result.scores.shape() == Shape{25, 7});
        const double allowed = rounding(dtype, 2 / t);
        const Tensor scores = result.scores.to(DType::f64);
        double right = 0, near_right = 0;
        for (std::size_t i = 0; i < 25; ++i) {
          const auto want = votes(bank, train.labels, queries, i, static_cast<std::size_t>(k), t);
          std::vector<std::pair<long double, std::int64_t>> order;
          for (const auto& [label, score] : want) order.push_back({-score, label});
          std::sort(order.begin(), order.end());
          CHECK(result.predictions[i] == order[0].second);
          for (std::size_t place = 0; place < order.size(); ++place)
            if (order[place].second == test.labels[i]) right += place == 0, near_right += place < 5;
          for (std::size_t c = 0; c < 7; ++c) {
            const auto found = want.find(result.classes[c]);
            const double expected = found == want.end() ? 0 : static_cast<double>(std::exp(found->second));
            CHECK(std::abs(scores.data<double>()[i * 7 + c] - expected) <= allowed * (1 + expected));
          }
        }
        CHECK(result.top1 == Approx(right / 25));
        CHECK(result.top5 == Approx(near_right / 25));
      }
  const auto at = [&](double t) { knn(train.features, train.labels, test.features, test.labels, {.temperature = t}); };
  check_refused("the temperature", 1e-4, 1e4, at);
  MemoryBank bank(60, 6, Rng(1));
  check_refused("the temperature", 1e-4, 1e4,
                [&](double t) { bank_knn(bank, train.labels, test.features, test.labels, {.temperature = t}); });
  // Every neighbour is far: the votes are as small as e^-20000, and still votes.
  const Tensor east = Tensor::from<float>({1, 0}, {1, 2}),
               west = Tensor::from<float>({-1, 0.01f, -1, 0.02f, -1, 0}, {3, 2});
  const std::vector<std::int64_t> labels{4, 4, 1}, truth{4};
  const KnnResult far = knn(west, labels, east, truth, {.k = 3, .temperature = 1e-4});
  CHECK(far.predictions[0] == 4);
  CHECK(far.scores.data<float>()[1] > 1);
}

TEST_CASE("probes allocate by the classes that there are, not by the largest label", "[eval]") {
  const std::vector<std::int64_t> classes{5, 100000000, std::int64_t{1} << 40};
  const Blobs train = blobs(90, classes, 0.1, 1), test = blobs(30, classes, 0.1, 2);
  const LinearProbeResult probe = linear_probe(train.features, train.labels, test.features, test.labels);
  CHECK(probe.top1 == 1);
  CHECK(probe.train_top1 == 1);
  CHECK(probe.fit.classifier.weight.size(0) == 3);
  CHECK(probe.fit.classifier.predict(test.features) == test.labels);
  CHECK(few_labels(train.features, train.labels, test.features, test.labels, {.draws = 2}).top1 == 1);
  CHECK(knn(train.features, train.labels, test.features, test.labels, {.k = 5}).top1 == 1);
  // A class that no training row has is never right.
  CHECK(linear_probe(train.features.slice(0, 2), std::span(train.labels).first(2), test.features, test.labels).top1 ==
        Approx(2.0 / 3));
  CHECK_THROWS_WITH(fit_logistic(train.features, train.labels),
                    Contains("a label of 1099511627776 asks for more classes"));
  CHECK_THROWS_WITH(sgd_probe(train.features, train.labels), Contains("number them from 0"));
}

TEST_CASE("alignment and uniformity are right at every alpha and t", "[eval]") {
  for (const Pairs& p : all_pairs()) {
    for (const double alpha : {1.0, 1.5, 2.0, 3.0, 100.0})
      check_range(
          join("alignment ", p.name, ", alpha ", alpha), {p.a, p.b}, alpha, 1e-3,
          [=](const Tensors& x) { return alignment(x[0], x[1], alpha); },
          [=](const std::vector<Rows>& x) {
            Number total;
            for (std::size_t i = 0; i < N; ++i) {
              Number square;
              for (std::size_t d = 0; d < D; ++d) square += (x[0][i][d] - x[1][i][d]) * (x[0][i][d] - x[1][i][d]);
              total += dual::pow(square, static_cast<long double>(alpha) / 2);
            }
            return total / N;
          });
    for (const double t : temperatures)
      check_range(
          join("uniformity ", p.name, ", t ", t), {p.a}, 4 * t, 4 * t,
          [=](const Tensors& x) { return uniformity(x[0], t); },
          [=](const std::vector<Rows>& x) {
            dual::Row terms;
            for (std::size_t i = 0; i < N; ++i)
              for (std::size_t j = 0; j < i; ++j) {
                Number square;
                for (std::size_t d = 0; d < D; ++d) square += (x[0][i][d] - x[0][j][d]) * (x[0][i][d] - x[0][j][d]);
                terms.push_back(square * Number(-t));
              }
            return dual::lse(terms) - std::log(static_cast<long double>(terms.size()));
          });
  }
  const Tensor x = all_pairs()[0].a;
  check_refused("alpha", 1, 100, [&](double alpha) { alignment(x, x, alpha); });
  check_refused("t", 1e-4, 1e4, [&](double t) { uniformity(x, t); });
}

TEST_CASE("logistic regression ends where its slope is zero for every penalty", "[eval]") {
  const Blobs data = blobs(200, {0, 1, 2}, 1.5, 1);
  for (const DType dtype : {DType::f64, DType::f32})
    for (const double l2 : {0.0, 1e-9, 1e-3, 1.0, 1e4}) {
      INFO("l2 " << l2 << " in " << to_string(dtype));
      const Tensor x = data.features.to(dtype);
      const LogisticFit fit = fit_logistic(x, data.labels, {.l2 = l2});
      CHECK(fit.converged);
      CHECK(slope_at(x, data.labels, fit.classifier, l2) <= 1.1e-5 + 10 * rounding(dtype, 1));
    }
  const auto fit = [&](const LogisticOptions& options) { fit_logistic(data.features, data.labels, options); };
  check_refused("l2", 0, 1e4, [&](double l2) { fit({.l2 = l2}); });
  check_refused("the tolerance", 0, 1, [&](double tolerance) { fit({.tolerance = tolerance}); });
  CHECK_THROWS_WITH(fit({.max_iterations = 0}), Contains("max_iterations must be 1 to 100000, got 0"));
  const auto few = [&](const FewLabelOptions& options) {
    few_labels(data.features, data.labels, data.features, data.labels, options);
  };
  CHECK_THROWS_WITH(few({.labels_per_class = 0}), Contains("labels_per_class must be 1 to 1000000000, got 0"));
  CHECK_THROWS_WITH(few({.draws = 0}), Contains("draws must be 1 to 10000, got 0"));
  check_refused("l2", 0, 1e4, [&](double l2) { few({.logistic = {.l2 = l2}}); });
}

TEST_CASE("the SGD probe takes the steps of its formula at every rate, momentum and decay", "[eval]") {
  const Blobs data = blobs(12, {0, 1, 2}, 1, 1);
  for (const DType dtype : {DType::f64, DType::f32})
    for (const double lr : {0.0, 1e-9, 0.1, 1e4})
      for (const double momentum : {0.0, 0.9, 0.9999})
        for (const double decay : {0.0, 1e-3, 1.0}) {
          const SgdProbeOptions options{.lr = lr, .momentum = momentum, .weight_decay = decay, .epochs = 4};
          const Tensor x = data.features.to(dtype);
          const SgdProbeResult got = sgd_probe(x, data.labels, options);
          const Rows rows = rows_of(x);
          std::vector<std::vector<long double>> W(3, std::vector<long double>(7)), speed = W;  // the bias last
          long double largest = 0;
          for (int step = 0; step < 4; ++step) {
            auto slope = W;
            for (auto& row : slope)
              for (auto& w : row) w *= decay;
            for (std::size_t i = 0; i < 12; ++i) {
              dual::Row logits;
              for (const auto& w : W) {
                logits.push_back(Number(w[6]));
                for (std::size_t d = 0; d < 6; ++d) logits.back() += rows[i][d] * w[d];
              }
              for (std::size_t c = 0; c < 3; ++c) {
                const long double p = std::exp(logits[c].v - dual::lse(logits).v) - (data.labels[i] == std::int64_t(c));
                for (std::size_t d = 0; d < 7; ++d) slope[c][d] += p * (d < 6 ? rows[i][d].v : 1) / 12;
              }
            }
            for (std::size_t c = 0; c < 3; ++c)
              for (std::size_t d = 0; d < 7; ++d) {
                speed[c][d] = momentum * speed[c][d] + slope[c][d];
                W[c][d] -= cosine(lr, 0, step / 4.0) * speed[c][d];
                largest = std::max(largest, std::abs(W[c][d]));
              }
          }
          INFO("lr " << lr << ", momentum " << momentum << ", decay " << decay << " in " << to_string(dtype));
          double worst = 0;
          for (std::size_t c = 0; c < 3; ++c)
            for (std::size_t d = 0; d < 7; ++d) {
              const double value = d < 6 ? got.weight.to(DType::f64).data<double>()[c * 6 + d]
                                         : got.bias.to(DType::f64).data<double>()[c];
              const double off = std::abs(value - static_cast<double>(W[c][d]));
              worst = larger(worst, off);
            }
          CHECK(worst <= rounding(dtype, 10) * (static_cast<double>(largest) + lr));
        }
  const auto probe = [&](const SgdProbeOptions& options) { sgd_probe(data.features, data.labels, options); };
  check_refused("the learning rate", 0, 1e4, [&](double lr) { probe({.lr = lr}); });
  check_refused("the momentum", 0, 0.9999, [&](double m) { probe({.momentum = m}); });
  check_refused("the weight decay", 0, 1e4, [&](double d) { probe({.weight_decay = d}); });
  CHECK_THROWS_WITH(probe({.epochs = -1}), Contains("the epochs must be 0 to 1000000, got -1"));
  CHECK_THROWS_WITH(probe({.batch = -1}), Contains("the batch must be 0 or more, got -1"));
}

TEST_CASE("ranks, axes and maps are right at the ends of what they take", "[eval]") {
  const Tensor x = random(40, 12, 1);
  const std::vector<double> values = singular_values(x);
  const double total = std::accumulate(values.begin(), values.end(), 0.0);
  for (const double eps : {0.0, 1e-7, 1.0}) {
    long double entropy = 0;
    for (const double value : values) {
      const long double p = static_cast<long double>(value) / total + eps;
      entropy -= p * std::log(p);
    }
    CHECK(rank_me(x, eps) == Approx(static_cast<double>(std::exp(entropy))).epsilon(1e-12));
  }
  check_refused("eps", 0, 1, [&](double eps) { rank_me(x, eps); });

  const std::vector<double> spread = singular_values(detail::centred(x));
  const Tensor all = pca(x, 100);
  REQUIRE(all.shape() == Shape{40, 100});
  for (std::int64_t c = 0; c < 100; ++c) {
    double square = 0;
    for (std::int64_t i = 0; i < 40; ++i) square += std::pow(all.data<float>()[i * 100 + c], 2);
    CHECK(std::sqrt(square) == Approx(c < 12 ? spread[static_cast<std::size_t>(c)] : 0).epsilon(1e-5).margin(1e-5));
  }
  CHECK_THROWS_WITH(pca(x, 0), Contains("components must be 1 to 100, got 0"));
  CHECK_THROWS_WITH(pca(x, 101), Contains("components must be 1 to 100, got 101"));

  std::vector<double> squares(30), p(30);
  for (std::size_t j = 0; j < 30; ++j) squares[j] = std::pow(std::sin(static_cast<double>(3 * j + 1)), 2);
  for (const double perplexity : {1.0, 1.5, 5.0, 29 / 3.0}) {
    detail::tsne_row(squares.data(), 30, 4, perplexity, p.data());
    double sum = 0, entropy = 0;
    for (const double share : p) sum += share, entropy -= share > 0 ? share * std::log(share) : 0;
    CHECK(sum == Approx(1));
    CHECK(std::exp(entropy) == Approx(perplexity).epsilon(1e-4));
  }
  check_refused("the perplexity", 1, 1e4, [&](double perplexity) { tsne(x, {.perplexity = perplexity}); });
  CHECK_THROWS_WITH(tsne(x, {.iterations = -1}), Contains("the iterations must be 0 to 1000000, got -1"));
}

TEST_CASE("features beyond what their squares can be summed in are refused", "[eval]") {
  const std::vector<std::int64_t> labels{0, 1};
  const Tensor large = Tensor::from<float>({1e15f, 0, 0, -1e15f}, {2, 2});
  CHECK(knn(large, labels, large, labels, {.k = 1}).top1 == 1);
  CHECK(linear_probe(large, labels, large, labels).top1 == 1);
  CHECK_THROWS_WITH(knn(large * 1.1, labels, large, labels), Contains("the features must be within +-1e+15"));
  const Tensor wide = large.to(DType::f64) * 1e135;
  CHECK(knn(wide, labels, wide, labels, {.k = 1}).top1 == 1);
  CHECK_THROWS_WITH(rank_me(wide * 1.1), Contains("the features must be within +-1e+150"));
}

TEST_CASE("fine-tuning refuses what it cannot take before it trains", "[eval]") {
  const auto options = [](const FineTuneOptions& o) { detail::check_options(o); };
  check_refused("the learning rate", 1e-12, 1e4, [&](double lr) { options({.lr = lr}); });
  check_refused("the momentum", 0, 0.9999, [&](double m) { options({.momentum = m}); });
  check_refused("the weight decay", 0, 1e4, [&](double d) { options({.weight_decay = d}); });
  check_refused("the warm-up", 0, 60, [&](double w) { options({.warmup_epochs = w}); });
  CHECK_THROWS_WITH(options({.epochs = 0}), Contains("the epochs must be 1 to 1000000, got 0"));
  CHECK_THROWS_WITH(options({.batch = 0}), Contains("the batch must be 1 to 1048576, got 0"));
}
