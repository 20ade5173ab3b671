// SPDX-License-Identifier: MIT
#include "contrastive/augment/phrase_view.hpp"

#include <algorithm>
#include <set>

#include "contrastive/augment/square.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

/// 12 classes; class k has the tokens 1 + k % 3 and 10 + k / 3.
Tensor tokens() {
  const Tensor rows = Tensor::zeros({12, 3}, DType::i32);
  for (std::int32_t k = 0; k < 12; ++k) {
    rows.data<std::int32_t>()[3 * k] = 1 + k % 3;
    rows.data<std::int32_t>()[3 * k + 1] = 10 + k / 3;
  }
  return rows;
}

struct Prompt {
  std::vector<std::int64_t> places;   // of the boxes' phrases
  std::vector<std::int64_t> classes;  // in the order of the prompt; -1: no phrase
};

Prompt prompt_of(const std::vector<int>& labels, PhraseOptions options, Rng rng,
                 LabelNumbers numbers = LabelNumbers::same(12)) {
  Sample sample;
  sample.image = Image(16, 16, 3);
  sample.full = {16, 16};
  for (std::size_t b = 0; b < labels.size(); ++b)
    sample.boxes.push_back({0, 0, 12 - static_cast<float>(b), 12, labels[b]});
  const PhraseView view(BoxView(Compose(Squash{16}, Normalize{}), std::move(numbers), {.most = 6}), tokens(), options);
  std::vector<float> image(16 * 16 * 3), boxes(24);
  std::vector<std::int64_t> places(6);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(options.phrases) * 3, 99);
  void* const out[] = {image.data(), boxes.data(), places.data(), ids.data()};
  view(sample, rng, out, {});
  Prompt prompt{places, {}};
  for (std::size_t p = 0; p < ids.size(); p += 3)
    prompt.classes.push_back(ids[p] == 0 ? -1 : ids[p] - 1 + 3 * (ids[p + 1] - 10));
  return prompt;
}

}  // namespace

TEST_CASE("a prompt asks for what the image shows among phrases that it does not, in random order") {
  std::set<std::int64_t> first, others;
  for (std::uint64_t i = 0; i < 60; ++i) {
    const Prompt prompt = prompt_of({4, 9, 4}, {.phrases = 6, .negatives = 6}, Rng(i));
    REQUIRE(prompt.classes.size() == 6);
    CHECK(std::set(prompt.classes.begin(), prompt.classes.end()).size() == 6);
    const auto at = [&](std::size_t box) { return prompt.classes[static_cast<std::size_t>(prompt.places[box])]; };
    CHECK(at(0) == 4);
    CHECK(at(1) == 9);
    CHECK(at(2) == 4);
    CHECK(prompt.places[3] == -1);
    first.insert(prompt.classes[0]);
    for (const std::int64_t k : prompt.classes)
      if (k != 4 && k != 9) others.insert(k);
    CHECK(prompt_of({4, 9, 4}, {.phrases = 6, .negatives = 6}, Rng(i)).classes == prompt.classes);
  }
  CHECK(first.size() > 6);
  CHECK(others.size() == 10);
}

TEST_CASE("negatives are as many as asked for, and near ones share a token") {
  for (std::uint64_t i = 0; i < 40; ++i) {
    const Prompt near = prompt_of({4}, {.phrases = 4, .negatives = 3, .near = 1}, Rng(i));
    for (const std::int64_t k : near.classes) CHECK((k % 3 == 1 || k / 3 == 1));  // 4 is 1 + 3
    const Prompt none = prompt_of({4, 9}, {.phrases = 4, .negatives = 0}, Rng(i));
    CHECK(std::ranges::count(none.classes, -1) == 2);
    CHECK(std::ranges::count(none.classes, 4) + std::ranges::count(none.classes, 9) == 2);
    const Prompt one = prompt_of({4}, {.phrases = 4, .negatives = 1}, Rng(i));
    CHECK(std::ranges::count(one.classes, -1) == 2);
    // Nothing to be found: negatives alone.
    const Prompt empty = prompt_of({}, {.phrases = 4, .negatives = 4}, Rng(i));
    CHECK(std::ranges::count(empty.classes, -1) == 0);
    CHECK(std::ranges::all_of(empty.places, [](std::int64_t place) { return place == -1; }));
  }
}

TEST_CASE("where a prompt is too small, the largest boxes are asked for and no other shown phrase is a negative") {
  for (std::uint64_t i = 0; i < 20; ++i) {
    const Prompt prompt = prompt_of({3, 7, 11}, {.phrases = 2, .negatives = 2}, Rng(i));
    CHECK(std::set(prompt.classes.begin(), prompt.classes.end()) == std::set<std::int64_t>{3, 7});
    CHECK(prompt.places[2] == -1);
  }
  // All classes but one are shown: it alone can be a negative.
  const Prompt last = prompt_of({0, 1, 2, 3, 4, 5}, {.phrases = 12, .negatives = 12}, Rng(1));
  CHECK(std::ranges::count(last.classes, -1) == 0);
  LabelNumbers some = LabelNumbers::same(12);
  some.of_class[4] = -1;  // held out
  const Prompt without = prompt_of({4, 5}, {.phrases = 3, .negatives = 0}, Rng(1), some);
  CHECK(std::ranges::count(without.classes, 4) == 0);
  CHECK(std::ranges::count(without.classes, 5) == 1);
}

TEST_CASE("a prompt without a phrase to draw from is refused") {
  const BoxView boxes(Compose(Squash{16}, Normalize{}), LabelNumbers::same(1));
  CHECK_THROWS_WITH(PhraseView(boxes, Tensor::zeros({0, 3}, DType::i32), {}),
                    Contains("[phrase_view] expected i32 tokens (K, L) of one phrase or more"));
  CHECK_THROWS_WITH(PhraseView(boxes, tokens(), {.phrases = 0}), Contains("expected a place or more"));
}
