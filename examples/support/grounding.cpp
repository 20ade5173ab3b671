// SPDX-License-Identifier: MIT
#include "support/grounding.hpp"

#include <algorithm>
#include <cstdio>
#include <map>

#include "contrastive/data/batch.hpp"
#include "support/sets.hpp"

namespace app {

namespace {

/// The class of a prompt's row of tokens.
using ClassOf = std::map<std::vector<std::int32_t>, int>;

ClassOf classes_by_tokens(const Tensor& tokens) {
  ClassOf known;
  const std::int64_t L = tokens.size(1);
  for (std::int64_t k = 0; k < tokens.size(0); ++k) {
    const std::int32_t* const row = tokens.data<std::int32_t>() + k * L;
    known.emplace(std::vector(row, row + L), static_cast<int>(k));  // of equal names the first
  }
  return known;
}

}  // namespace

FoundBoxes ground_set(const Grounder& grounder, const AnyDataset& set, const std::function<void()>& alive,
                      std::size_t most, std::size_t keep_images) {
  const ClassOf class_of = classes_by_tokens(grounder.tokens);
  const AnyAugment views =
      PhraseView(BoxView(grounder.view, LabelNumbers::same(grounder.words.size())), grounder.tokens, PhraseOptions{});
  FoundBoxes result;
  const std::size_t count = std::min(most, set.size()), batch = 16;
  for (std::size_t first = 0; first < count; first += batch) {
    if (alive) alive();
    Views read = contrastive::detail::room_for(views, std::min(batch, count - first));
    std::int64_t rows = 0;
    for (std::size_t i = first; i < std::min(first + batch, count); ++i)
      rows += contrastive::detail::read_views(
          views, Rng(0) / "ground" / i, read, static_cast<std::size_t>(rows),
          [&](const CropPlan& plan) { return set.sample_or_report(i, views.parts(), plan); });
    if (rows == 0) continue;
    const Tensor images = read.view[0].slice(0, rows), boxes = read.view[1].slice(0, rows),
                 places = read.view[2].slice(0, rows), prompts = read.view[3].slice(0, rows);
    std::vector<std::vector<Detection>> found = grounder.ground(images, prompts);
    const std::int64_t P = prompts.size(1), L = prompts.size(2), B = places.size(1);
    for (std::int64_t n = 0; n < rows; ++n) {
      const auto class_at = [&](std::int64_t place) {
        const std::int32_t* const row = prompts.data<std::int32_t>() + (n * P + place) * L;
        return class_of.at(std::vector(row, row + L));
      };
      result.truth.emplace_back();
      for (std::int64_t b = 0; b < B; ++b) {
        const std::int64_t place = places.data<std::int64_t>()[n * B + b];
        if (place < 0) continue;
        const float* const at = boxes.data<float>() + (n * B + b) * 4;
        result.truth.back().push_back({{at[0], at[1], at[2], at[3], class_at(place)}});
      }
      for (Detection& one : found[static_cast<std::size_t>(n)]) one.box.label = class_at(one.box.label);
      result.found.push_back(std::move(found[static_cast<std::size_t>(n)]));
      if (result.images.size() < keep_images)
        result.images.push_back(image_of_view(images.slice(n, n + 1), grounder.view.step<Normalize>()));
    }
  }
  return result;
}

namespace {

GroundingScores scores_of(const FoundBoxes& boxes, const std::vector<std::int64_t>& classes) {
  GroundingScores scores;
  for (std::size_t n = 0; n < boxes.found.size(); ++n)
    add_grounding(scores, boxes.found[n], boxes.truth[n],
                  [&](int label) { return std::ranges::find(classes, label) != classes.end(); });
  return scores;
}

std::vector<std::int64_t> classes_of(const std::vector<Shown>& shown, Shown which) {
  std::vector<std::int64_t> classes;
  for (std::size_t c = 0; c < shown.size(); ++c)
    if (shown[c] == which) classes.push_back(static_cast<std::int64_t>(c));
  return classes;
}

}  // namespace

double grounding_accuracy(const Grounder& grounder, const AnyDataset& set, const std::function<void()>& alive) {
  return scores_of(ground_set(grounder, set, alive, 200),
                   classes_of(std::vector<Shown>(grounder.words.size(), Shown::all), Shown::all))
      .accuracy();
}

void evaluate_grounding(const Grounder& grounder, const OwnEvaluation& own) {
  const Settings& s = own.settings;
  std::printf("\n  %-24s %10s %10s %10s %10s %8s\n", "phrases of", "grounding", "pointing", "AP", "AP50", "phrases");
  const auto measure = [&](const std::string& what, const std::string& key, const AnyDataset& set,
                           const std::vector<std::int64_t>& classes) {
    const FoundBoxes boxes = ground_set(grounder, set, own.alive, 500, 8);
    const GroundingScores scores = scores_of(boxes, classes);
    const std::vector<std::int64_t> some = boxes.occurring(classes);
    const DetectionScores ap = some.empty() ? DetectionScores{} : boxes.scores(some);
    own.summary[join("grounding_", key)] = scores.accuracy();
    own.summary[join("pointing_", key)] = scores.pointing();
    own.summary[join("ap_", key)] = std::max(0.0, ap.ap);
    own.summary[join("ap50_", key)] = std::max(0.0, ap.ap50);
    own.summary[join("phrases_", key)] = scores.phrases;
    std::printf("  %-24s %8.1f %% %8.1f %% %8.1f %% %8.1f %% %8lld\n", what.c_str(), 100 * scores.accuracy(),
                100 * scores.pointing(), 100 * std::max(0.0, ap.ap), 100 * std::max(0.0, ap.ap50),
                static_cast<long long>(scores.phrases));
    std::fflush(stdout);
    own.report.galleries.push_back(detection_gallery(boxes, what, grounder.words));
  };
  if (!contrastive::detail::is_scenes(s.data)) {
    if (own.sets.test.defined())
      measure("the test part", "test", own.sets.test,
              classes_of(std::vector<Shown>(grounder.words.size(), Shown::all), Shown::all));
    return;
  }
  const std::vector<Shown> held = held_out_classes(s);
  const bool phrases = s.label == "phrase";
  measure("what was seen", "test", as_labelled(s, scenes_of(s, "test")), classes_of(held, Shown::all));
  measure("new colours", "combinations", as_labelled(s, scenes_of(s, "combinations")),
          classes_of(held, phrases ? Shown::noun : Shown::all));
  measure("new names", "names", as_labelled(s, scenes_of(s, "names")), classes_of(held, Shown::nothing));
}

}  // namespace app
