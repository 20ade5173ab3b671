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
                      std::size_t most, std::size_t keep_images, const std::vector<std::int64_t>& among) {
  const ClassOf class_of = classes_by_tokens(grounder.tokens);
  const AnyAugment views =
      PhraseView(BoxView(grounder.view, LabelNumbers::same(grounder.words.size())), grounder.tokens, PhraseOptions{});
  FoundBoxes result;
  Tensor these;  // (1, P, L)
  if (!among.empty())
    these = gather(grounder.tokens.to(DType::f64), Tensor::from<std::int64_t>(among, {std::ssize(among)}))
                .to(DType::i32)
                .reshape({1, std::ssize(among), grounder.tokens.size(1)});
  const std::size_t count = std::min(most, set.size()), batch = among.size() > 32 ? 2 : 16;
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
    BoxesOfImages found = grounder.ground(
        images, these.defined() ? concat(std::vector<Tensor>(static_cast<std::size_t>(rows), these)) : prompts);
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
      for (Detection& one : found[static_cast<std::size_t>(n)])
        one.box.label =
            among.empty() ? class_at(one.box.label) : static_cast<int>(among[static_cast<std::size_t>(one.box.label)]);
      result.found.push_back(std::move(found[static_cast<std::size_t>(n)]));
      if (result.images.size() < keep_images)
        result.images.push_back(pictures_of(grounder.view.view(), images.slice(n, n + 1))[0]);
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

}  // namespace

double grounding_accuracy(const Grounder& grounder, const AnyDataset& set, const std::function<void()>& alive) {
  return scores_of(ground_set(grounder, set, alive, 200),
                   classes_of(std::vector<Shown>(grounder.words.size(), Shown::all), Shown::all))
      .accuracy();
}

void evaluate_grounding(const Grounder& grounder, const OwnEvaluation& own) {
  const Settings& s = own.settings;
  std::printf("\n  %-32s %10s %10s %10s %10s %8s\n", "phrases of", "grounding", "pointing", "AP", "AP50", "phrases");
  const auto print = [&](const std::string& what, const std::string& key, const FoundBoxes& boxes,
                         const std::vector<std::int64_t>& classes) {
    const GroundingScores scores = scores_of(boxes, classes);
    const std::vector<std::int64_t> some = boxes.occurring(classes);
    const DetectionScores found = some.empty() ? DetectionScores{} : boxes.scores(some);
    const double ap = std::max(0.0, found.ap), ap50 = std::max(0.0, found.ap50);
    own.summary[join("grounding_", key)] = scores.accuracy();
    own.summary[join("pointing_", key)] = scores.pointing();
    own.summary[join("ap_", key)] = ap;
    own.summary[join("ap50_", key)] = ap50;
    own.summary[join("phrases_", key)] = scores.phrases;
    std::printf("  %-32s %8.1f %% %8.1f %% %8.1f %% %8.1f %% %8lld\n", what.c_str(), 100 * scores.accuracy(),
                100 * scores.pointing(), 100 * ap, 100 * ap50, static_cast<long long>(scores.phrases));
    std::fflush(stdout);
  };
  const auto show = [&](const std::string& what, const FoundBoxes& boxes) {
    own.report.galleries.push_back(detection_gallery(boxes, what, grounder.words));
  };
  if (!contrastive::detail::is_scenes(s.data)) {
    if (!own.sets.test.defined()) return;
    require(own.sets.test.class_names() == grounder.words, "[", own.sets.test.name(),
            "] the test part has other classes than the training part");
    const FoundBoxes boxes = ground_set(grounder, own.sets.test, own.alive, 500, 8);
    print("the test part", "test", boxes,
          classes_of(std::vector<Shown>(grounder.words.size(), Shown::all), Shown::all));
    show("the test part", boxes);
    return;
  }
  for (const SceneSplit& part : scene_splits(s)) {
    const auto& [split, what, classes, alone] = part;
    const AnyDataset set = as_labelled(s, scenes_of(s, split));
    FoundBoxes boxes = ground_set(grounder, set, own.alive, 500, 8);
    print(what, split, boxes, classes);
    show(what, boxes);
    // The other splits hold out something in the main group, whose sprites are the largest.
    if (split == "test") {
      for (std::size_t n = 0; n < boxes.truth.size(); ++n)
        for (TrueBox& one : boxes.truth[n]) one.crowd = one.box.label != set.label(n);
      print(join(what, ", main groups"), join(split, "_main"), boxes, classes);
    }
    if (alone)
      print(join(what, ", among these"), join(split, "_alone"), ground_set(grounder, set, own.alive, 500, 0, classes),
            classes);
  }
}

}  // namespace app
