// SPDX-License-Identifier: MIT

#include "contrastive/eval/knn.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "contrastive/core/rng.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

Tensor random_features(std::int64_t N, std::int64_t D, std::uint64_t seed) {
  Tensor x({N, D});
  Stream stream{Rng(seed)};
  for (float& value : x.span<float>()) value = static_cast<float>(stream.normal());
  return x;
}

}  // namespace

TEST_CASE("knn follows InstDisc, DINO and lightly", "[eval]") {
  const Golden golden = load_golden("knn_weighted.safetensors");
  for (const DType dtype : {DType::f32, DType::f64})
    for (const std::string k : {"1", "5", "20"})
      for (const std::string temperature : {"0.07", "0.1"}) {
        const std::string suffix = "k" + k + "_t" + temperature;
        INFO(suffix << " " << to_string(dtype));
        const KnnResult result =
            knn(golden.tensor("train_raw").to(dtype), golden.tensor("train_labels").span<std::int64_t>(),
                golden.tensor("test_raw").to(dtype), golden.tensor("test_labels").span<std::int64_t>(),
                {.k = std::stoi(k), .temperature = std::stod(temperature)});
        CHECK(result.top1 == Approx(golden.tensor("top1_" + suffix).item()).epsilon(1e-12));
        CHECK(result.top5 == Approx(golden.tensor("top5_nonzero_score_" + suffix).item()).epsilon(1e-12));
        const auto expected = golden.tensor("top1_prediction_" + suffix).span<std::int64_t>();
        CHECK(std::equal(expected.begin(), expected.end(), result.predictions.begin(), result.predictions.end()));
        const Tensor scores = result.scores.to(DType::f64), expected_scores = golden.tensor("class_scores_" + suffix);
        // Theirs are not relative to the nearest neighbour.
        const Tensor nearest =
            nearest_neighbours(golden.tensor("test_raw"), golden.tensor("train_raw"), 1).similarities.to(DType::f64);
        check_close(scores * exp(nearest / std::stod(temperature)), expected_scores, dtype == DType::f32 ? 1e-4 : 1e-9,
                    0);
      }
}

TEST_CASE("neighbours equal a full sort, across block borders", "[eval]") {
  const std::int64_t N = 4500, M = 530, D = 5, k = 7;  // more than one block of each
  const Tensor bank = random_features(N, D, 1), queries = random_features(M, D, 2);
  const Neighbours near = nearest_neighbours(queries, bank, k);
  const Tensor b = normalize(bank.to(DType::f64)), q = normalize(queries.to(DType::f64));
  for (std::int64_t i = 0; i < M; i += 23) {
    std::vector<std::pair<double, std::int64_t>> all;
    for (std::int64_t j = 0; j < N; ++j) {
      double cosine = 0;
      for (std::int64_t d = 0; d < D; ++d) cosine += q.data<double>()[i * D + d] * b.data<double>()[j * D + d];
      all.push_back({-cosine, j});
    }
    std::sort(all.begin(), all.end());
    for (std::int64_t j = 0; j < k; ++j) {
      CHECK(near.similarities.data<float>()[i * k + j] == Approx(-all[j].first).epsilon(1e-5));
      CHECK(near.indices.data<std::int64_t>()[i * k + j] == all[j].second);
    }
  }
}

TEST_CASE("ties go to the smaller index and the smaller label", "[eval]") {
  const Tensor bank = Tensor::full({6, 3}, 1), query = Tensor::full({1, 3}, 2);
  const Neighbours near = nearest_neighbours(query, bank, 4);
  for (std::int64_t j = 0; j < 4; ++j) CHECK(near.indices.data<std::int64_t>()[j] == j);
  const std::vector<std::int64_t> labels{2, 2, 1, 1, 0, 0}, truth{1};
  CHECK(knn(bank, labels, query, truth, {.k = 4}).predictions[0] == 1);
}

TEST_CASE("knn of tiny sets", "[eval]") {
  const std::vector<std::int64_t> one{3}, none{}, unseen{9};
  const Tensor row = random_features(1, 4, 1);
  const KnnResult result = knn(row, one, row, one, {.k = 200});  // k above N
  CHECK(result.top1 == 1);
  CHECK(result.top5 == 1);
  CHECK(result.scores.shape() == Shape{1, 1});
  CHECK(result.classes == one);
  CHECK(knn(row, one, row, unseen).top1 == 0);
  CHECK(knn(row, one, random_features(0, 4, 1), none).predictions.empty());
}

TEST_CASE("knn gives the same bits for any number of threads", "[eval]") {
  const Tensor bank = random_features(5000, 33, 1), queries = random_features(700, 33, 2);
  std::vector<std::int64_t> labels(5000), truth(700);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int64_t>(i % 7);
  for (std::size_t i = 0; i < truth.size(); ++i) truth[i] = static_cast<std::int64_t>(i % 7);
  const bool before = deterministic();
  set_deterministic(true);
  const auto run = [&](int count) {
    set_threads(count);
    const Tensor scores = knn(bank, labels, queries, truth, {.k = 20}).scores;
    set_threads(0);
    return scores;
  };
  const Tensor one = run(1), three = run(3);
  set_deterministic(before);
  CHECK(std::memcmp(one.data<float>(), three.data<float>(), one.count() * sizeof(float)) == 0);
}

TEST_CASE("knn says what is wrong", "[eval]") {
  const std::vector<std::int64_t> labels{0, 1}, negative{0, -1}, short_labels{0};
  const Tensor x = random_features(2, 3, 1);
  CHECK_THROWS_WITH(knn(x, short_labels, x, labels), Contains("[knn] 1 labels for 2 rows"));
  CHECK_THROWS_WITH(knn(x, negative, x, labels), Contains("labels are 0 or above, got -1"));
  CHECK_THROWS_WITH(knn(x, labels, random_features(2, 4, 1), labels), Contains("got (2, 4) and (2, 3)"));
  CHECK_THROWS_WITH(knn(x, labels, x, labels, {.k = 0}), Contains("k >= 1"));
  CHECK_THROWS_WITH(knn(x, labels, x, labels, {.temperature = 0}), Contains("temperature"));
  const Tensor bad = x.clone();
  bad.data<float>()[1] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(knn(bad, labels, x, labels), Contains("NaN or infinity"));
}
