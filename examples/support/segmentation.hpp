// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "contrastive/augment/mask_view.hpp"
#include "contrastive/augment/recipes.hpp"
#include "contrastive/data/scene_phrases.hpp"
#include "contrastive/eval/segmentation.hpp"
#include "contrastive/io/report/data.hpp"
#include "support/run.hpp"

/// Shared by methods that give each pixel a label, after training: scores on the splits of scenes, and pictures.
namespace app {

/// A method that names pixels, asked with the words that it knows.
struct Segmenter {
  CenterView view;                 // how it prepares an image
  std::vector<std::string> words;  // of its labels, the classes of the set first
  std::int64_t ground = -1;        // the label of pixels that belong to no class; -1: they have none
  /// As a composition has it.
  std::function<Tensor(const Tensor& images, const std::vector<std::string>& words)> segment;

  /// Images (N, H, W, C) to the label of each pixel, i64 (N, H, W), among some of the words; -1 where it has none.
  Tensor labels(const Tensor& images, const std::vector<std::int64_t>& among) const {
    std::vector<std::string> list;
    for (const std::int64_t label : among) list.push_back(words[static_cast<std::size_t>(label)]);
    const Tensor found = segment(images, list);
    for (std::int64_t& one : found.span<std::int64_t>())
      if (one >= 0) one = among[static_cast<std::size_t>(one)];
    return found;
  }
};

/// A set's samples as the segmenter sees them: `f(images, truth, samples)`, truth i64 (N, H, W) in classes of the set and
/// its ground. `alive` is called between batches.
void for_each_masked_batch(
    const Segmenter& segmenter, const AnyDataset& set, const std::function<void()>& alive,
    const std::function<void(const Tensor&, const Tensor&, const std::vector<std::int64_t>&)>& f);

/// Mean IoU over the classes that a set shows, asked with the words `among`.
double mean_iou_of_set(const Segmenter& segmenter, const AnyDataset& set, const std::vector<std::int64_t>& among,
                       const std::function<void()>& alive);

/// The settings that learning from 20,000 scenes of 64 pixels begins with.
Settings scenes_recipe(const std::string& method);

/// How much of a class training shows.
enum class Shown { all, noun, nothing };  // noun: the class is a noun in a colour that it never has
/// Of each class of the run's set.
std::vector<Shown> shown_classes(const Settings& s, const AnyDataset& set);
/// Of each class of scenes. Training of the whole ones, the ceiling, shows all classes; what its splits hold out is what the
/// others' do.
std::vector<Shown> held_out_classes(const Settings& s);

std::vector<std::int64_t> classes_of(const std::vector<Shown>& shown, Shown which);

/// A split of scenes, and the classes of the run that it is scored on.
struct SceneSplit {
  std::string name, what;  // "combinations", "new colours"
  std::vector<std::int64_t> classes;
  bool alone = false;  // these classes are also asked for by themselves
};
std::vector<SceneSplit> scene_splits(const Settings& s);

/// The scenes of a split as the run's, of which there are 1000; and with the classes that the run has.
ScenePhrases scenes_of(const Settings& s, const std::string& split);
AnyDataset as_labelled(const Settings& s, const ScenePhrases& scenes);

/// Scores on what scenes hold out, or on the test part of another set: printed and kept in the summary.
void evaluate_segmentation(const Segmenter& segmenter, const std::vector<Shown>& shown, const OwnEvaluation& own);

/// Image, true labels and found labels of some samples, with their words.
Gallery segmentation_gallery(const Segmenter& segmenter, const AnyDataset& set, const std::string& title,
                             std::size_t count, const std::function<void()>& alive);

}  // namespace app
