// SPDX-License-Identifier: MIT
#include "support/segmentation.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <numeric>
#include <set>

#include "contrastive/data/batch.hpp"
#include "contrastive/data/scene_phrases.hpp"
#include "contrastive/data/subset.hpp"
#include "contrastive/media/draw.hpp"
#include "support/sets.hpp"

namespace app {

namespace {

std::vector<std::int64_t> all_labels(const Segmenter& segmenter) {
  std::vector<std::int64_t> all(segmenter.words.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

/// Counts over all words; `keep(sample, truth)` may take labels away.
SegmentationCounts count_set(const Segmenter& segmenter, const AnyDataset& set, const std::vector<std::int64_t>& among,
                             const std::function<void()>& alive,
                             const std::function<void(std::int64_t, std::span<std::int64_t>)>& keep = {}) {
  SegmentationCounts counts(static_cast<std::int64_t>(segmenter.words.size()));
  for_each_masked_batch(segmenter, set, alive,
                        [&](const Tensor& images, const Tensor& truth, const std::vector<std::int64_t>& samples) {
                          if (keep)
                            for (std::size_t n = 0; n < samples.size(); ++n) {
                              const auto row = static_cast<std::int64_t>(n);
                              keep(samples[n], truth.slice(row, row + 1).span<std::int64_t>());
                            }
                          counts.add(segmenter.labels(images, among), truth);
                        });
  return counts;
}

std::vector<std::int64_t> occurring(const SegmentationCounts& counts, const std::vector<std::int64_t>& classes) {
  std::vector<std::int64_t> some;
  for (const std::int64_t c : classes)
    if (counts.shown(c)) some.push_back(c);
  return some;
}

std::string words_in(std::span<const std::int64_t> labels, const std::vector<std::string>& words) {
  std::vector<std::size_t> count(words.size());
  for (const std::int64_t label : labels)
    if (label >= 0) ++count[static_cast<std::size_t>(label)];
  std::string list;
  for (std::size_t w = 0; w < words.size(); ++w)
    if (!words[w].empty() && count[w] * 250 >= labels.size()) list += (list.empty() ? "" : ", ") + words[w];
  return list.empty() ? "nothing" : list;
}

}  // namespace

Settings scenes_recipe(const std::string& method) {
  Settings recipe;
  recipe.method = method;
  recipe.texts = true;
  recipe.data = "scenes";
  recipe.samples = 20000;
  recipe.encoder = "small";
  recipe.image_size = 64;
  recipe.optimizer = "adamw";
  recipe.lr = 1e-3;
  recipe.lr_scaling = "none";
  recipe.weight_decay = 0.01;
  recipe.exclude_norm_and_bias = true;
  recipe.warmup_epochs = 0.2;
  return recipe;
}

ScenePhrases scenes_of(const Settings& s, const std::string& split) {
  SceneOptions options{.image_size = static_cast<int>(s.image_size), .split = split};
  if (s.data.starts_with("shape_")) options.sprites = "shapes";
  return ScenePhrases(Scenes(options));
}
AnyDataset as_labelled(const Settings& s, const ScenePhrases& scenes) {
  return s.label == "phrase" ? AnyDataset(scenes) : AnyDataset(scenes.scenes());
}

void for_each_masked_batch(
    const Segmenter& segmenter, const AnyDataset& set, const std::function<void()>& alive,
    const std::function<void(const Tensor&, const Tensor&, const std::vector<std::int64_t>&)>& f) {
  const std::size_t classes = segmenter.words.size() - (segmenter.ground >= 0 ? 1 : 0), batch = 32;
  LabelNumbers numbers = LabelNumbers::same(classes);
  numbers.of_nothing = segmenter.ground;
  const AnyAugment views = MaskView(segmenter.view, numbers);
  for (std::size_t first = 0; first < set.size(); first += batch) {
    if (alive) alive();
    const std::size_t count = std::min(batch, set.size() - first);
    Views read = contrastive::detail::room_for(views, count);
    std::vector<std::int64_t> samples;
    for (std::size_t k = 0; k < count; ++k) {
      const std::size_t i = first + k;
      if (contrastive::detail::read_views(
              views, Rng(0) / "evaluate" / i, read, samples.size(),
              [&](const CropPlan& plan) { return set.sample_or_report(i, views.parts(), plan); }))
        samples.push_back(static_cast<std::int64_t>(i));
    }
    if (samples.empty()) continue;
    const auto rows = static_cast<std::int64_t>(samples.size());
    f(read.view[0].slice(0, rows), read.view[1].slice(0, rows), samples);
  }
}

double mean_iou_of_set(const Segmenter& segmenter, const AnyDataset& set, const std::vector<std::int64_t>& among,
                       const std::function<void()>& alive) {
  const SegmentationCounts counts = count_set(segmenter, set, among, alive);
  std::vector<std::int64_t> classes = all_labels(segmenter);
  std::erase(classes, segmenter.ground);
  classes = occurring(counts, classes);
  return classes.empty() ? 0 : counts.mean_iou(classes);
}

std::vector<Shown> shown_classes(const Settings& s, const AnyDataset& set) {
  std::vector<Shown> shown(set.class_names().size(), Shown::all);
  if (s.data != "scenes" && s.data != "shape_scenes") return shown;
  const ScenePhrases phrases = scenes_of(s, "test");
  for (std::size_t c = 0; c < shown.size(); ++c) {
    const int phrase = static_cast<int>(c);
    if (phrases.seen(phrase)) continue;
    shown[c] = phrases.scenes().seen(phrases.noun_of(phrase)) ? Shown::noun : Shown::nothing;
  }
  return shown;
}

std::vector<Shown> held_out_classes(const Settings& s) {
  Settings plain = s;
  if (plain.data.ends_with("_whole")) plain.data.resize(plain.data.size() - 6);
  return shown_classes(plain, as_labelled(s, scenes_of(s, "test")));
}

std::vector<std::int64_t> classes_of(const std::vector<Shown>& shown, Shown which) {
  std::vector<std::int64_t> classes;
  for (std::size_t c = 0; c < shown.size(); ++c)
    if (shown[c] == which) classes.push_back(static_cast<std::int64_t>(c));
  return classes;
}

std::vector<SceneSplit> scene_splits(const Settings& s) {
  const bool phrases = s.label == "phrase";
  const std::vector<Shown> held = held_out_classes(s);
  return {{"test", "what was seen", classes_of(held, Shown::all), false},
          {"combinations", "new colours", classes_of(held, phrases ? Shown::noun : Shown::all), phrases},
          {"names", "new names", classes_of(held, Shown::nothing), true}};
}

void evaluate_segmentation(const Segmenter& segmenter, const std::vector<Shown>& shown, const OwnEvaluation& own) {
  const Settings& s = own.settings;
  const auto print = [&](const std::string& what, const std::string& key, const SegmentationCounts& counts,
                         const std::vector<std::int64_t>& classes) {
    const std::vector<std::int64_t> some = occurring(counts, classes);
    const double iou = some.empty() ? 0 : counts.mean_iou(some), accuracy = counts.pixel_accuracy(some);
    own.summary[join("mean_iou_", key)] = iou;
    own.summary[join("pixel_accuracy_", key)] = accuracy;
    own.summary[join("classes_", key)] = some.size();
    std::printf("  %-28s %8.1f %% %8.1f %% %8zu\n", what.c_str(), 100 * iou, 100 * accuracy, some.size());
    std::fflush(stdout);
  };
  std::printf("\n  %-28s %10s %10s %8s\n", "pixels of", "mIoU", "accuracy", "classes");
  if (!contrastive::detail::is_scenes(s.data)) {
    if (!own.sets.test.defined()) return;
    print("the test part", "test", count_set(segmenter, own.sets.test, all_labels(segmenter), own.alive),
          classes_of(shown, Shown::all));
    own.report.galleries.push_back(segmentation_gallery(segmenter, own.sets.test, "Found labels", 8, own.alive));
    return;
  }
  for (const SceneSplit& part : scene_splits(s)) {
    const auto& [split, what, classes, alone] = part;
    const ScenePhrases scenes = scenes_of(s, split);
    const AnyDataset set = as_labelled(s, scenes);
    // A split holds something out in its main group alone: all else has no label then, and no ground where `objects`.
    const auto main_group = [&](bool objects) {
      return [&, objects](std::int64_t i, std::span<std::int64_t> truth) {
        const Scene scene = scenes.scenes().scene(static_cast<std::size_t>(i));
        require(scene.owner.size() == truth.size(), "[scenes] the view of a scene must be the scene");
        for (std::size_t p = 0; p < truth.size(); ++p) {
          const bool ground = scene.owner[p] == contrastive::detail::no_sprite;
          if (ground ? objects : scene.sprites[scene.owner[p]].group != 0) truth[p] = -1;
        }
      };
    };
    const bool test = split == "test";
    print(what, split,
          test ? count_set(segmenter, set, all_labels(segmenter), own.alive)
               : count_set(segmenter, set, all_labels(segmenter), own.alive, main_group(false)),
          classes);
    if (alone) {
      print(join(what, ", among these"), join(split, "_alone"),
            count_set(segmenter, set, classes, own.alive, main_group(true)), classes);
      std::printf("  %-28s %10s %8.1f %%\n", "  chance", "", 100.0 / static_cast<double>(classes.size()));
    }
    own.report.galleries.push_back(segmentation_gallery(segmenter, set, join("Found labels: ", what), 8, own.alive));
  }
}

Gallery segmentation_gallery(const Segmenter& segmenter, const AnyDataset& set, const std::string& title,
                             std::size_t count, const std::function<void()>& alive) {
  Gallery gallery{title,
                  "Each row: an image, the true label of each pixel, and the label that was found among all words.",
                  {"image", "true", "found"},
                  {}};
  Subset some{set, {}};
  for (std::size_t i = 0; i < std::min(count, set.size()); ++i) some.indices.push_back(i);
  std::vector<std::string> words = segmenter.words;
  if (segmenter.ground >= 0) words[static_cast<std::size_t>(segmenter.ground)].clear();  // it stays as it is
  for_each_masked_batch(
      segmenter, some, alive, [&](const Tensor& images, const Tensor& truth, const std::vector<std::int64_t>& samples) {
        const Tensor found = segmenter.labels(images, all_labels(segmenter));
        const std::vector<Image> shown = pictures_of(segmenter.view.view(), images);
        for (std::int64_t n = 0; n < static_cast<std::int64_t>(samples.size()); ++n) {
          const Image& image = shown[static_cast<std::size_t>(n)];
          const auto right = truth.slice(n, n + 1).span<std::int64_t>(),
                     got = found.slice(n, n + 1).span<std::int64_t>();
          const int factor = std::max(1, 256 / std::max(image.height, image.width));
          gallery.rows.push_back(
              {join("true: ", words_in(right, words), "; found: ", words_in(got, words)),
               {Picture(enlarged(image, factor), 256), Picture(labelled_image(image, right, words, factor), 256),
                Picture(labelled_image(image, got, words, factor), 256)}});
        }
      });
  return gallery;
}

}  // namespace app
