// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "contrastive/augment/phrase_view.hpp"
#include "contrastive/augment/square.hpp"
#include "contrastive/eval/grounding.hpp"
#include "support/detection.hpp"
#include "support/run.hpp"

/// Shared by methods that find the boxes of phrases, after training: each image is asked for the phrases that it shows among
/// others that it does not.
namespace app {

struct Grounder {
  WholeView view;                  // how it prepares an image
  std::vector<std::string> words;  // of the classes of the set
  Tensor tokens;                   // (K, L): of each class
  /// Images (N, H, W, C) and prompts (N, P, L) to boxes in pixels of the view; a label is a place in the prompt.
  std::function<std::vector<std::vector<Detection>>(const Tensor& images, const Tensor& prompts)> ground;
};

/// The boxes of the first `most` samples of a set; labels are classes. Each image is asked for the phrases that it shows among
/// others, eight in all; or for those of the classes `among`.
FoundBoxes ground_set(const Grounder& grounder, const AnyDataset& set, const std::function<void()>& alive,
                      std::size_t most = 500, std::size_t keep_images = 0, const std::vector<std::int64_t>& among = {});

/// Grounding accuracy over the phrases of a set.
double grounding_accuracy(const Grounder& grounder, const AnyDataset& set, const std::function<void()>& alive);

/// Grounding accuracy, pointing accuracy and AP on what scenes hold out, or on the test part of another set: printed, kept in
/// the summary, and shown.
void evaluate_grounding(const Grounder& grounder, const OwnEvaluation& own);

}  // namespace app
