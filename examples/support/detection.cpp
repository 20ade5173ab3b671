// SPDX-License-Identifier: MIT
#include "support/detection.hpp"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <memory>
#include <numeric>

#include "contrastive/data/coco.hpp"
#include "contrastive/data/open.hpp"
#include "contrastive/data/scene_phrases.hpp"
#include "contrastive/data/voc.hpp"
#include "contrastive/media/draw.hpp"
#include "support/sets.hpp"

namespace app {

namespace {

std::vector<std::int64_t> all_classes(std::size_t count) {
  std::vector<std::int64_t> all(count);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

/// With crowds and areas, which a sample does not have.
TruthOf truth_of_files(const Settings& s) {
  if (s.data != "coco" && s.data != "voc") return {};
  const auto files = std::make_shared<const BoxedImages>(s.data == "coco" ? read_coco(s.root, "test", s.strict)
                                                                          : read_voc(s.root, "test", s.strict));
  return [files](std::size_t i, const Sample&) { return files->truth(i); };
}

std::string list_of(const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& word : words) list += (list.empty() ? "" : ", ") + word;
  return list.empty() ? "nothing" : list;
}

/// True boxes and the best of those found, as many places as there are true ones.
Gallery::Row picture_row(const Image& image, const std::vector<TrueBox>& truth, std::vector<Detection> found,
                         const std::vector<std::string>& words) {
  std::ranges::stable_sort(found, [](const Detection& a, const Detection& b) { return a.score > b.score; });
  // Of several words for one place the best alone, or they would stand on each other.
  std::vector<Detection> apart;
  for (const Detection& one : found) {
    const bool again =
        std::ranges::any_of(apart, [&](const Detection& other) { return iou(one.box, other.box) > 0.7; });
    if (!again && apart.size() < truth.size()) apart.push_back(one);
  }
  const auto boxes_of = [](const auto& list) {
    std::vector<Box> boxes;
    for (const auto& one : list) boxes.push_back(one.box);
    return boxes;
  };
  const std::vector<Box> there = boxes_of(truth), seen = boxes_of(apart);
  const auto names = [&](const std::vector<Box>& boxes) {
    std::vector<std::string> of_boxes;
    for (const Box& box : boxes) of_boxes.push_back(words[static_cast<std::size_t>(box.label)]);
    return list_of(of_boxes);
  };
  const Image right = with_boxes(image, there, words, 256), got = with_boxes(image, seen, words, 256);
  const int side = std::max({256, right.height, right.width});
  return {join("true: ", names(there), "; found: ", names(seen)), {Picture(right, side), Picture(got, side)}};
}

}  // namespace

Box scaled(const Box& box, ImageSize from, ImageSize to) {
  const float across = static_cast<float>(to.width) / static_cast<float>(from.width),
              down = static_cast<float>(to.height) / static_cast<float>(from.height);
  return {box.left * across, box.top * down, box.right * across, box.bottom * down, box.label};
}

Image with_boxes(const Image& image, const std::vector<Box>& boxes, const std::vector<std::string>& words, int side) {
  const int factor = std::max(1, side / std::max(image.height, image.width));
  Image drawn = enlarged(image, factor);
  for (const Box& box : boxes)
    draw_box(drawn, scaled(box, {1, 1}, {factor, factor}), words[static_cast<std::size_t>(box.label)],
             colour_of_label(box.label));
  return drawn;
}

std::vector<BoxesOfImages> Detector::boxes(const Tensor& images, const std::vector<std::int64_t>& among,
                                           const std::vector<std::vector<Box>>& truth) const {
  std::vector<std::string> list;
  for (const std::int64_t label : among) list.push_back(words[static_cast<std::size_t>(label)]);
  std::vector<BoxesOfImages> found = detect(images, list, truth);
  require(found.size() == ways.size(), "[detection] boxes of ", found.size(), " ways, expected ", ways.size());
  for (BoxesOfImages& of_way : found)
    for (std::vector<Detection>& of_image : of_way)
      for (Detection& one : of_image) one.box.label = static_cast<int>(among[static_cast<std::size_t>(one.box.label)]);
  return found;
}

DetectionScores FoundBoxes::scores(const std::vector<std::int64_t>& classes) const {
  const auto place_of = [&](int label) {
    const auto at = std::ranges::find(classes, std::int64_t{label});
    return at == classes.end() ? -1 : static_cast<int>(at - classes.begin());
  };
  const auto among = [&](auto boxes) {
    for (auto& of_image : boxes) {
      for (auto& one : of_image) one.box.label = place_of(one.box.label);
      std::erase_if(of_image, [](const auto& one) { return one.box.label < 0; });
    }
    return boxes;
  };
  return coco_average_precision(among(found), among(truth), static_cast<int>(classes.size()));
}

std::vector<std::int64_t> FoundBoxes::occurring(const std::vector<std::int64_t>& classes) const {
  std::vector<std::int64_t> some;
  for (const std::int64_t c : classes)
    if (std::ranges::any_of(truth, [&](const std::vector<TrueBox>& of_image) {
          return std::ranges::any_of(of_image, [&](const TrueBox& one) { return !one.crowd && one.box.label == c; });
        }))
      some.push_back(c);
  return some;
}

Gallery detection_gallery(const FoundBoxes& boxes, const std::string& what, const std::vector<std::string>& words) {
  Gallery gallery{
      join("Found boxes: ", what),
      "Each row: the true boxes of an image, and the best of those that were found, as many, each place with its "
      "best word.",
      {"true", "found"},
      {}};
  for (std::size_t n = 0; n < boxes.images.size(); ++n)
    gallery.rows.push_back(picture_row(boxes.images[n], boxes.truth[n], boxes.found[n], words));
  return gallery;
}

std::vector<FoundBoxes> find_boxes(const Detector& detector, const AnyDataset& set,
                                   const std::vector<std::int64_t>& among, const std::function<void()>& alive,
                                   const TruthOf& truth, std::size_t most, std::size_t keep_images) {
  FoundBoxes seen;  // nothing found yet
  std::vector<BoxesOfImages> all(detector.ways.size());
  const std::size_t count = std::min(most, set.size()), batch = 32;
  const std::int64_t side = detector.view.view().size();
  const int size = static_cast<int>(side);
  for (std::size_t first = 0; first < count; first += batch) {
    if (alive) alive();
    Tensor images(
        {static_cast<std::int64_t>(std::min(batch, count - first)), side, side, detector.view.view().channels()});
    std::vector<ImageSize> sizes;
    std::vector<std::vector<Box>> there;  // in pixels of the view
    for (std::size_t i = first; i < std::min(first + batch, count); ++i) {
      const auto sample = set.sample_or_report(i, Part::image | Part::boxes);
      if (!sample) continue;
      for (const Box& box : sample->boxes) check_box(box, sample->full);
      const auto row = static_cast<std::int64_t>(sizes.size());
      detector.view(sample->image, sample->full, Rng(0) / "evaluate" / i, images.slice(row, row + 1).data<float>());
      sizes.push_back(sample->full);
      seen.truth.emplace_back();
      if (truth)
        seen.truth.back() = truth(i, *sample);
      else
        for (const Box& box : sample->boxes) seen.truth.back().push_back({box});
      there.emplace_back();
      for (const TrueBox& one : seen.truth.back()) there.back().push_back(scaled(one.box, sample->full, {size, size}));
      if (seen.images.size() < keep_images) seen.images.push_back(sample->image);
    }
    if (sizes.empty()) continue;
    std::vector<BoxesOfImages> found = detector.boxes(images.slice(0, std::ssize(sizes)), among, there);
    for (std::size_t way = 0; way < all.size(); ++way) {
      require(found[way].size() == sizes.size(), "[detection] boxes of ", found[way].size(), " images, expected ",
              sizes.size());
      for (std::size_t n = 0; n < sizes.size(); ++n) {
        for (Detection& one : found[way][n]) one.box = cut(scaled(one.box, {size, size}, sizes[n]), sizes[n]);
        all[way].push_back(std::move(found[way][n]));
      }
    }
  }
  std::vector<FoundBoxes> of_ways;
  for (BoxesOfImages& found : all) {
    of_ways.push_back(seen);
    of_ways.back().found = std::move(found);
  }
  return of_ways;
}

double ap50_of_set(const Detector& detector, const AnyDataset& set, const std::vector<std::int64_t>& among,
                   const std::function<void()>& alive) {
  const FoundBoxes boxes = find_boxes(detector, set, among, alive).at(0);
  const std::vector<std::int64_t> classes = boxes.occurring(among);
  return classes.empty() ? 0 : boxes.scores(classes).ap50;
}

namespace {

/// A question to the detector, answered, and the rows of the tables that are scored by it.
struct Question {
  std::string picture_title;  // empty: no pictures
  std::vector<FoundBoxes> of_ways;
  struct Row {
    std::string what, key;
    std::vector<std::int64_t> classes;
  };
  std::vector<Row> rows;
};

std::vector<Question> asked_of_set(const Detector& detector, const std::vector<Shown>& shown,
                                   const OwnEvaluation& own) {
  const AnyDataset& set = own.sets.test;
  if (!set.defined()) return {};
  require(set.class_names() == detector.words, "[", set.name(),
          "] the test part has other classes than the training part");
  const std::vector<std::int64_t> all = all_classes(detector.words.size()), seen = classes_of(shown, Shown::all);
  Question question{"the test part",
                    find_boxes(detector, set, all, own.alive, truth_of_files(own.settings), 5000, 8),
                    {{"what was seen", "test", seen}}};
  std::vector<std::int64_t> rest;
  std::ranges::set_difference(all, seen, std::back_inserter(rest));
  if (!rest.empty()) question.rows.push_back({"new names", "names", rest});
  return {std::move(question)};
}

std::vector<Question> asked_of_scenes(const Detector& detector, const OwnEvaluation& own) {
  const Settings& s = own.settings;
  std::vector<Question> questions;
  for (const SceneSplit& part : scene_splits(s)) {
    const auto& [split, what, classes, alone] = part;
    const ScenePhrases scenes = scenes_of(s, split);
    const AnyDataset set = as_labelled(s, scenes);
    // A split holds something out in its main group alone: to find anything else there is neither right nor wrong.
    const bool test = split == "test";
    const TruthOf main_group = [&scenes = scenes, test](std::size_t i, const Sample& sample) {
      const Scene scene = scenes.scenes().scene(i);
      std::vector<TrueBox> truth;
      for (std::size_t b = 0; b < sample.boxes.size(); ++b)
        truth.push_back({sample.boxes[b], -1, !test && scene.sprites[b].group != 0});
      return truth;
    };
    questions.push_back({what,
                         find_boxes(detector, set, all_classes(detector.words.size()), own.alive, main_group, 500, 8),
                         {{what, split, classes}}});
    if (alone)
      questions.push_back({"",
                           find_boxes(detector, set, classes, own.alive, main_group),
                           {{join(what, ", among these"), join(split, "_alone"), classes}}});
  }
  return questions;
}

}  // namespace

void evaluate_detection(const Detector& detector, const std::vector<Shown>& shown, const OwnEvaluation& own) {
  const bool scenes = contrastive::detail::is_scenes(own.settings.data);
  const std::vector<Question> questions = scenes ? asked_of_scenes(detector, own) : asked_of_set(detector, shown, own);
  for (std::size_t w = 0; w < detector.ways.size(); ++w) {
    const DetectionWay& way = detector.ways[w];
    std::printf("\n  %-32s %10s %10s %8s\n", (way.title.empty() ? "boxes of" : way.title + ": boxes of").c_str(), "AP",
                "AP50", "classes");
    for (const Question& question : questions) {
      const FoundBoxes& boxes = question.of_ways[w];
      for (const auto& [what, key, classes] : question.rows) {
        const std::vector<std::int64_t> some = boxes.occurring(classes);
        const DetectionScores scores = some.empty() ? DetectionScores{} : boxes.scores(some);
        const double ap = std::max(0.0, scores.ap), ap50 = std::max(0.0, scores.ap50);
        own.summary[join(way.prefix, "ap_", key)] = ap;
        own.summary[join(way.prefix, "ap50_", key)] = ap50;
        own.summary[join(way.prefix, "classes_", key)] = some.size();
        std::printf("  %-32s %8.1f %% %8.1f %% %8zu\n", what.c_str(), 100 * ap, 100 * ap50, some.size());
        std::fflush(stdout);
      }
      if (way.gallery && !question.picture_title.empty())
        own.report.galleries.push_back(detection_gallery(boxes, question.picture_title, detector.words));
    }
  }
}

}  // namespace app
