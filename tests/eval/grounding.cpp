// SPDX-License-Identifier: MIT
#include "contrastive/eval/grounding.hpp"

#include "support/catch.hpp"

using namespace contrastive;

TEST_CASE("of each phrase the best box counts: by its overlap, and by its middle") {
  const std::vector<TrueBox> truth{{{0, 0, 10, 10, 1}},
                                   {{20, 0, 30, 10, 1}},
                                   {{0, 20, 10, 30, 2}},
                                   {{20, 20, 30, 30, 3}},
                                   {{0, 0, 40, 40, 4}, -1, true}};
  const std::vector<Detection> found{
      {{20, 0, 30, 9, 1}, 0.9},  {{50, 50, 60, 60, 1}, 0.2},  // the second box of phrase 1, IoU 0.9
      {{0, 20, 10, 30, 2}, 0.3}, {{2, 18, 12, 34, 2}, 0.4},   // the better scored one: IoU 80 / 180, middle inside
      {{0, 0, 1, 1, 4}, 0.9},                                 // a crowd is not asked for
  };
  GroundingScores scores;
  const auto all = [](int) { return true; };
  add_grounding(scores, found, truth, all);
  CHECK(scores.phrases == 3);  // phrase 3 has no box
  CHECK(scores.right == 1);
  CHECK(scores.pointed == 2);
  CHECK(scores.accuracy() == Approx(1.0 / 3));
  CHECK(scores.pointing() == Approx(2.0 / 3));
  GroundingScores some;
  add_grounding(some, found, truth, [](int label) { return label == 1; });
  CHECK(some.phrases == 1);
  CHECK(some.accuracy() == 1);
  // An overlap of exactly one half is right; of equal scores the first box is taken.
  GroundingScores half;
  add_grounding(half, {{{0, 0, 10, 5, 0}, 0.5}, {{50, 50, 60, 60, 0}, 0.5}}, {{{0, 0, 10, 10, 0}}}, all);
  CHECK(half.right == 1);
  CHECK(GroundingScores{}.accuracy() == 0);
}
