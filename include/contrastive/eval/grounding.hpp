// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "contrastive/eval/detection.hpp"

namespace contrastive {

/// Counts of phrases that find their boxes: of each phrase that an image shows, its best box alone counts.
struct GroundingScores {
  std::int64_t phrases = 0;  // of all images together
  std::int64_t right = 0;    // whose best box has an IoU of 0.5 or more with a true one
  std::int64_t pointed = 0;  // whose best box has its middle in a true one

  double accuracy() const { return phrases > 0 ? static_cast<double>(right) / static_cast<double>(phrases) : 0; }
  double pointing() const { return phrases > 0 ? static_cast<double>(pointed) / static_cast<double>(phrases) : 0; }
};

/// Counts the phrases of an image for which `counts(label)`. A phrase without a box is wrong; of equal scores the first box
/// is the best; a crowd is not asked for.
template <class Counts>
void add_grounding(GroundingScores& scores, const std::vector<Detection>& found, const std::vector<TrueBox>& truth,
                   Counts&& counts) {
  std::vector<int> asked;
  for (const TrueBox& one : truth) {
    const int label = one.box.label;
    if (one.crowd || !counts(label) || std::ranges::find(asked, label) != asked.end()) continue;
    asked.push_back(label);
    ++scores.phrases;
    const Detection* best = nullptr;
    for (const Detection& box : found)
      if (box.box.label == label && (best == nullptr || box.score > best->score)) best = &box;
    if (best == nullptr) continue;
    const Box& box = best->box;
    const float x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
    bool right = false, pointed = false;
    for (const TrueBox& other : truth) {
      if (other.crowd || other.box.label != label) continue;
      const double both = intersection(box, other.box);
      right = right || both >= 0.5 * (box.area() + other.box.area() - both);
      pointed = pointed || (x >= other.box.left && x < other.box.right && y >= other.box.top && y < other.box.bottom);
    }
    scores.right += right, scores.pointed += pointed;
  }
}

}  // namespace contrastive
