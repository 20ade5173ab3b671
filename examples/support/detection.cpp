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

/// A box of an image of one size in an image of another.
Box scaled(const Box& box, ImageSize from, ImageSize to) {
  const float across = static_cast<float>(to.width) / static_cast<float>(from.width),
              down = static_cast<float>(to.height) / static_cast<float>(from.height);
  return {box.left * across, box.top * down, box.right * across, box.bottom * down, box.label};
}

std::string list_of(const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& word : words) list += (list.empty() ? "" : ", ") + word;
  return list.empty() ? "nothing" : list;
}

/// True boxes and the best of those found, as many as there are true ones.
Gallery::Row picture_row(const Image& image, const std::vector<TrueBox>& truth, std::vector<Detection> found,
                         const std::vector<std::string>& words) {
  const int factor = std::max(1, 256 / std::max(image.height, image.width));
  Image right = enlarged(image, factor), got = right;
  const auto draw = [&](Image& on, Box box, const std::string& word) {
    for (float* const at : {&box.left, &box.top, &box.right, &box.bottom}) *at *= static_cast<float>(factor);
    draw_box(on, box, word, colour_of_label(box.label));
  };
  std::vector<std::string> there, seen;
  for (const TrueBox& one : truth) {
    there.push_back(words[static_cast<std::size_t>(one.box.label)]);
    draw(right, one.box, there.back());
  }
  std::ranges::stable_sort(found, [](const Detection& a, const Detection& b) { return a.score > b.score; });
  if (found.size() > truth.size()) found.resize(truth.size());
  for (const Detection& one : found) {
    seen.push_back(words[static_cast<std::size_t>(one.box.label)]);
    draw(got, one.box, seen.back());
  }
  const int side = std::max({256, right.height, right.width});
  return {join("true: ", list_of(there), "; found: ", list_of(seen)), {Picture(right, side), Picture(got, side)}};
}

}  // namespace

std::vector<std::vector<Detection>> Detector::boxes(const Tensor& images, const std::vector<std::int64_t>& among,
                                                    const std::vector<std::vector<Box>>& truth) const {
  std::vector<std::string> list;
  for (const std::int64_t label : among) list.push_back(words[static_cast<std::size_t>(label)]);
  std::vector<std::vector<Detection>> found = detect_near ? detect_near(images, list, truth) : detect(images, list);
  for (std::vector<Detection>& of_image : found)
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
  Gallery gallery{join("Found boxes: ", what),
                  "Each row: the true boxes of an image, and as many of those that were found, the best first.",
                  {"true", "found"},
                  {}};
  for (std::size_t n = 0; n < boxes.images.size(); ++n)
    gallery.rows.push_back(picture_row(boxes.images[n], boxes.truth[n], boxes.found[n], words));
  return gallery;
}

FoundBoxes find_boxes(const Detector& detector, const AnyDataset& set, const std::vector<std::int64_t>& among,
                      const std::function<void()>& alive, const TruthOf& truth, std::size_t most,
                      std::size_t keep_images) {
  FoundBoxes result;
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
      result.truth.emplace_back();
      if (truth)
        result.truth.back() = truth(i, *sample);
      else
        for (const Box& box : sample->boxes) result.truth.back().push_back({box});
      there.emplace_back();
      for (const TrueBox& one : result.truth.back())
        there.back().push_back(scaled(one.box, sample->full, {size, size}));
      if (result.images.size() < keep_images) result.images.push_back(sample->image);
    }
    if (sizes.empty()) continue;
    std::vector<std::vector<Detection>> found = detector.boxes(images.slice(0, std::ssize(sizes)), among, there);
    require(found.size() == sizes.size(), "[detection] boxes of ", found.size(), " images, expected ", sizes.size());
    for (std::size_t n = 0; n < sizes.size(); ++n) {
      for (Detection& one : found[n]) one.box = cut(scaled(one.box, {size, size}, sizes[n]), sizes[n]);
      result.found.push_back(std::move(found[n]));
    }
  }
  return result;
}

double ap50_of_set(const Detector& detector, const AnyDataset& set, const std::vector<std::int64_t>& among,
                   const std::function<void()>& alive) {
  const FoundBoxes boxes = find_boxes(detector, set, among, alive);
  const std::vector<std::int64_t> classes = boxes.occurring(among);
  return classes.empty() ? 0 : boxes.scores(classes).ap50;
}

void evaluate_detection(const Detector& detector, const std::vector<Shown>& shown, const OwnEvaluation& own,
                        const DetectionVariant& variant) {
  const Settings& s = own.settings;
  const std::vector<std::int64_t> all = all_classes(detector.words.size());
  const auto print = [&](const std::string& what, const std::string& key, const FoundBoxes& boxes,
                         const std::vector<std::int64_t>& classes) {
    const std::vector<std::int64_t> some = boxes.occurring(classes);
    const DetectionScores scores = some.empty() ? DetectionScores{} : boxes.scores(some);
    const double ap = std::max(0.0, scores.ap), ap50 = std::max(0.0, scores.ap50);
    own.summary[join(variant.prefix, "ap_", key)] = ap;
    own.summary[join(variant.prefix, "ap50_", key)] = ap50;
    own.summary[join(variant.prefix, "classes_", key)] = some.size();
    std::printf("  %-32s %8.1f %% %8.1f %% %8zu\n", what.c_str(), 100 * ap, 100 * ap50, some.size());
    std::fflush(stdout);
  };
  const auto show = [&](const std::string& what, const FoundBoxes& boxes) {
    if (variant.gallery) own.report.galleries.push_back(detection_gallery(boxes, what, detector.words));
  };
  std::printf("\n  %-32s %10s %10s %8s\n",
              (variant.title.empty() ? std::string("boxes of") : variant.title + ": boxes of").c_str(), "AP", "AP50",
              "classes");
  if (!contrastive::detail::is_scenes(s.data)) {
    if (!own.sets.test.defined()) return;
    require(own.sets.test.class_names() == detector.words, "[", own.sets.test.name(),
            "] the test part has other classes than the training part");
    const FoundBoxes boxes = find_boxes(detector, own.sets.test, all, own.alive, truth_of_files(s), 5000, 8);
    std::vector<std::int64_t> seen = classes_of(shown, Shown::all), rest;
    std::ranges::set_difference(all, seen, std::back_inserter(rest));
    print("what was seen", "test", boxes, seen);
    if (!rest.empty()) print("new names", "names", boxes, rest);
    show("the test part", boxes);
    return;
  }
  for (const SceneSplit& part : scene_splits(s)) {
    const auto& [split, what, classes, alone] = part;
    const ScenePhrases scenes = scenes_of(s, split);
    const AnyDataset set = as_labelled(s, scenes);
    // What a split holds out is in its main group alone; to find anything else there is neither right nor wrong.
    const bool test = split == "test";
    const TruthOf main_group = [&scenes = scenes, test](std::size_t i, const Sample& sample) {
      const Scene scene = scenes.scenes().scene(i);
      std::vector<TrueBox> truth;
      for (std::size_t b = 0; b < sample.boxes.size(); ++b)
        truth.push_back({sample.boxes[b], -1, !test && scene.sprites[b].group != 0});
      return truth;
    };
    const FoundBoxes boxes = find_boxes(detector, set, all, own.alive, main_group, 500, variant.gallery ? 8 : 0);
    print(what, split, boxes, classes);
    if (alone)
      print(join(what, ", among these"), join(split, "_alone"),
            find_boxes(detector, set, classes, own.alive, main_group), classes);
    show(what, boxes);
  }
}

}  // namespace app
