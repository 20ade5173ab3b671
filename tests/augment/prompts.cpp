// SPDX-License-Identifier: MIT

// Captions and prompts of their nouns, as GroupViT is given them.

#include <set>

#include "contrastive/augment/prompt_view.hpp"
#include "contrastive/data/caption_nouns.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

using Words = std::vector<std::string>;

/// The length of a text in the first place.
struct Lengths {
  void write(std::string_view text, std::span<std::int32_t> row) const {
    row[0] = static_cast<std::int32_t>(text.size());
  }
};

Sample captioned(Words texts) {
  Sample sample;
  sample.texts = std::move(texts);
  return sample;
}
/// Each word of a caption that begins with a capital is a noun.
std::vector<Words> capitals(const std::string& caption) {
  std::vector<Words> prompts;
  for (std::size_t i = 0; i < caption.size(); ++i)
    if (caption[i] >= 'A' && caption[i] <= 'Z')
      prompts.push_back({std::string("a photo of ") + caption[i], std::string("art of ") + caption[i]});
  return prompts;
}

}  // namespace

TEST_CASE("nouns of a caption are names of a list: whole words, plurals, and the longest") {
  const CaptionNouns nouns({"dog", "hot dog", "Fire-engine", "mouse", "bus", "café"});
  CHECK(nouns("Two DOGS, a bus and a mouse.") == Words{"dog", "bus", "mouse"});
  CHECK(nouns("three mice eat hot dogs; a hot  dog!") == Words{"mouse", "hot dog"});
  CHECK(nouns("a doghouse, busy, a dog's bone") == Words{});
  CHECK(nouns("fire-engines by the café") == Words{"Fire-engine", "café"});
  CHECK(nouns("hot") == Words{});
  CHECK(nouns("") == Words{});
  // A name is itself before it is another's plural.
  CHECK(CaptionNouns({"glass", "glasses"})("glasses") == Words{"glasses"});
  CHECK_THROWS_WITH(CaptionNouns({}), "[caption_nouns] expected names, got none");
  CHECK_THROWS_WITH(CaptionNouns({"dog", "..."}), "[caption_nouns] \"...\" has no word");
}

TEST_CASE("a caption comes first, then its nouns once each in drawn templates; the caption fills what is missing") {
  const OfPrompts view(Lengths(), 4, capitals, 3);
  CHECK(view.views().at(0).one == Shape{4, 4});
  CHECK(view.views().at(0).dtype == DType::i32);
  CHECK(view.parts() == Parts(Part::texts));

  std::set<std::string> seen;
  for (std::uint64_t n = 0; n < 200; ++n) {
    const Words texts = view.texts(captioned({"A B C D E"}), Rng(n));
    REQUIRE(texts.size() == 4);
    CHECK(texts[0] == "A B C D E");
    std::set<char> nouns;
    for (std::size_t t = 1; t < 4; ++t) nouns.insert(texts[t].back()), seen.insert(texts[t]);
    CHECK(nouns.size() == 3);
  }
  CHECK(seen.size() == 10);  // each noun in each template
  const Words few = view.texts(captioned({"A b"}), Rng(1));
  CHECK((few[1] == "a photo of A" || few[1] == "art of A"));
  CHECK((few[0] == "A b" && few[2] == "A b" && few[3] == "A b"));
  CHECK(view.texts(captioned({"none"}), Rng(1)) == Words(4, "none"));
  CHECK(OfPrompts(Lengths(), 4, capitals, 0).texts(captioned({"A"}), Rng(1)) == Words{"A"});
  // Prompts are of the caption that was drawn.
  std::set<std::string> captions;
  for (std::uint64_t n = 0; n < 40; ++n) {
    const Words texts = view.texts(captioned({"A x", "B y"}), Rng(n));
    captions.insert(texts[0]);
    CHECK(texts[1].back() == texts[0][0]);
  }
  CHECK(captions.size() == 2);
  CHECK(view.texts(captioned({"A B C D"}), Rng(3)) == view.texts(captioned({"A B C D"}), Rng(3)));

  std::vector<std::int32_t> ids(16, -1);
  void* const out[] = {ids.data()};
  view(captioned({"A b"}), Rng(1), out, {});
  for (std::size_t t = 0; t < 4; ++t) CHECK(ids[4 * t] == static_cast<std::int32_t>(few[t].size()));
  CHECK_THROWS_WITH(view.texts({}, Rng(0)), "[of_prompts] a sample has no text");
}
