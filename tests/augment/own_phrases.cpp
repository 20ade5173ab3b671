// SPDX-License-Identifier: MIT

// Prompts of an image's own phrases: equal words stay apart, and negatives are never words that the image has.

#include "contrastive/augment/own_phrases.hpp"

#include "contrastive/augment/normalize.hpp"
#include "contrastive/augment/square.hpp"
#include "support/catch.hpp"

using namespace contrastive;

TEST_CASE("two phrases of equal words have places of their own, and no negative has their words") {
  const TokensOfPhrases tokens = [](const std::vector<std::string>& list) {
    const Tensor rows = Tensor::zeros({std::ssize(list), 1}, DType::i32);
    for (std::size_t p = 0; p < list.size(); ++p) rows.data<std::int32_t>()[p] = list[p][0];
    return rows;
  };
  const OwnPhrases views(Compose(Squash{8}, Normalize{}), {.most = 4}, tokens, 1, tokens({"a", "b", "c"}),
                         {.phrases = 4, .negatives = 4});
  Sample sample;
  sample.image = Image(8, 8, 3);
  sample.full = {8, 8};
  sample.texts = {"a", "a", "z"};
  sample.boxes = {{0, 0, 3, 3, 0}, {4, 4, 8, 8, 1}};
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    std::vector<float> image(192), boxes(16);
    std::vector<std::int64_t> labels(4);
    std::vector<std::int32_t> prompt(4);
    void* const out[] = {image.data(), boxes.data(), labels.data(), prompt.data()};
    views(sample, Rng(seed), out, {});
    CHECK(labels[0] >= 0);
    CHECK(labels[1] >= 0);
    CHECK(labels[0] != labels[1]);
    CHECK(labels[2] == -1);
    for (const std::int64_t place : {labels[0], labels[1]}) CHECK(prompt[static_cast<std::size_t>(place)] == 'a');
    std::ranges::sort(prompt);
    CHECK(prompt == std::vector<std::int32_t>{'a', 'a', 'b', 'c'});
  }
}
