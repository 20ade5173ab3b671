// SPDX-License-Identifier: MIT

// Groups to words of pixels against GroupViT's official code; the adjusted Rand index against an oracle over all pairs.

#include "contrastive/eval/group_segmentation.hpp"

#include "contrastive/eval/adjusted_rand.hpp"
#include "objectives/support.hpp"
#include "ops/support.hpp"

using namespace contrastive;

TEST_CASE("pixels get their groups and groups their words as in GroupViT", "[golden]") {
  const Golden g = load_golden("descendants/groupvit_segment.safetensors");
  for (const auto& [of_case, tolerance, floor] : cases) {
    const DType dtype = of_case;  // no structured binding, for what is caught below
    INFO(to_string(dtype));
    const auto stage = [&](const char* name) {  // (G, S) to (1, S, G)
      const Tensor map = permute(g.tensor(name), {1, 0}).to(dtype);
      return map.reshape({1, map.size(0), map.size(1)});
    };
    const std::vector<Tensor> soft{stage("attn1"), stage("attn2")};
    const Tensor patches = patch_groups(soft);
    check_close(patches.reshape({24, 4}), g.tensor("token_to_group"), tolerance, floor);
    check_close(pixel_group_shares(patches, 4, 32, 48).reshape({32, 48, 4}), g.tensor("pixel_map"), tolerance, floor);
    const Tensor groups = pixel_groups(patches, 4, 32, 48);
    CHECK(largest_difference(groups.reshape({32, 48}), g.tensor("pixel_group")) == 0);
    CHECK(largest_difference(pixel_groups(patch_groups(std::span(soft).first(1)), 4, 32, 48).reshape({32, 48}),
                             g.tensor("stage1_group")) == 0);

    const auto unit = [&](const char* name, Shape shape) { return normalize(g.tensor(name).to(dtype).reshape(shape)); };
    const Tensor rows = unit("group_features", {4, 8}), image = unit("image_feature", {1, 8}),
                 words = g.tensor("text_embedding").to(dtype);  // of unit length but for rounding to f32
    const double scale = std::exp(g.tensor("logit_scale").item());
    const Tensor scores = group_word_scores(rows, image, words, scale);
    check_close(scores, g.tensor("group_scores"), tolerance, floor);
    const auto top = g.tensor("image_top_classes").span<std::int64_t>();
    for (std::int64_t v = 0; v < 7; ++v)
      CHECK((scores.data<double>()[v] > 0) == (std::ranges::find(top, v) != top.end()));

    const auto classes = [&](double threshold, std::int64_t first) {
      const std::vector<std::int64_t> word = words_of_groups(scores, threshold);
      Tensor found = groups.clone().reshape({32, 48});
      for (std::int64_t& one : found.span<std::int64_t>()) {
        one = word[static_cast<std::size_t>(one)];
        one = one < 0 ? 0 : one + first;
      }
      return found;
    };
    CHECK(largest_difference(classes(0, 0), g.tensor("no_background/class")) == 0);
    for (const std::string way : {"background_095", "background_low"})
      CHECK(largest_difference(classes(g.tensor(way + "/threshold").item(), 1), g.tensor(way + "/class")) == 0);
  }
}

TEST_CASE("a list of any length scores groups alone, and the words nearest to the image take part") {
  const Tensor groups = normalize(random({3, 6}, 1)), image = normalize(random({1, 6}, 2)),
               words = normalize(random({1000, 6}, 3));
  const Tensor scores = group_word_scores(groups, image, words, 10, 4);
  CHECK(scores.shape() == Shape{3, 1000});
  for (std::int64_t g = 0; g < 3; ++g) {
    std::int64_t positive = 0;
    for (std::int64_t v = 0; v < 1000; ++v) positive += scores.data<double>()[g * 1000 + v] > 0;
    CHECK(positive == 4);
  }
  CHECK(group_word_scores(groups, image, words.slice(0, 2), 10).shape() == Shape{3, 2});
  // The best group always has a word; the others have none where it asks for more than they have.
  const Tensor some = Tensor::from<double>({0.1, 0.2, 0.5, 0.4}, {2, 2});
  CHECK(words_of_groups(some, 0.9) == std::vector<std::int64_t>{-1, 0});
  CHECK(words_of_groups(some, 0.15) == std::vector<std::int64_t>{1, 0});
  CHECK_THROWS_WITH(group_word_scores(groups, image, random({3, 5}, 1), 1), Contains("[group_word_scores] expected"));
}

namespace {

/// From its definition over all pairs of elements.
double rand_by_pairs(const std::vector<std::int64_t>& found, const std::vector<std::int64_t>& truth) {
  double together = 0, ours = 0, theirs = 0, all = 0;
  for (std::size_t i = 0; i < found.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      if (truth[i] < 0 || truth[j] < 0) continue;
      const bool f = found[i] == found[j], t = truth[i] == truth[j];
      together += f && t, ours += f, theirs += t, ++all;
    }
  const double expected = ours * theirs / all;
  return (together - expected) / ((ours + theirs) / 2 - expected);
}
Tensor row(const std::vector<std::int64_t>& values) {
  return Tensor::from<std::int64_t>(values, {static_cast<std::int64_t>(values.size())});
}

}  // namespace

TEST_CASE("the adjusted Rand index is that of all pairs, and scikit-learn's", "[eval]") {
  Stream draw(Rng(7) / "labels");
  for (int trial = 0; trial < 20; ++trial) {
    std::vector<std::int64_t> found, truth;
    for (int i = 0; i < 60; ++i) {
      truth.push_back(static_cast<std::int64_t>(draw.below(5)) - 1);
      found.push_back(draw.chance(0.6) ? truth.back() : static_cast<std::int64_t>(draw.below(4)) - 1);
    }
    CHECK(std::abs(adjusted_rand_index(row(found), row(truth)) - rand_by_pairs(found, truth)) < 1e-12);
  }
  // sklearn.metrics.adjusted_rand_score, from its documentation.
  CHECK(std::abs(adjusted_rand_index(row({0, 0, 1, 2}), row({0, 0, 1, 1})) - 0.5714285714285714) < 1e-12);
  CHECK(std::abs(adjusted_rand_index(row({0, 1, 0, 1}), row({0, 0, 1, 1})) + 0.5) < 1e-12);
  CHECK(adjusted_rand_index(row({0, 1, 2, 3}), row({0, 0, 0, 0})) == 0);
  CHECK(adjusted_rand_index(row({7, 7, 3, 3}), row({0, 0, 1, 1})) == 1);  // names do not matter
  CHECK(adjusted_rand_index(row({0, 0, 0, 0}), row({0, 0, 1, 1})) == 0);  // one label for all
  CHECK(adjusted_rand_index(row({5, 5, 5}), row({2, 2, 2})) == 1);
  CHECK(adjusted_rand_index(row({5, 5, 5}), row({-1, -1, -1})) == 1);
  CHECK_THROWS_WITH(adjusted_rand_index(row({0}), row({0, 1})), Contains("[adjusted_rand_index] expected i64 labels"));
}
