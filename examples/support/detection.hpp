// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "contrastive/augment/box_view.hpp"
#include "contrastive/augment/square.hpp"
#include "contrastive/eval/detection.hpp"
#include "contrastive/io/report/data.hpp"
#include "support/run.hpp"
#include "support/segmentation.hpp"

/// What methods that find boxes share after training: average precision on the splits of scenes, and pictures.
namespace app {

/// The whole image as a square: nothing of it is cut off.
using WholeView = Compose<Squash, Normalize>;

/// A method that finds boxes, asked with the words that it knows.
struct Detector {
  WholeView view;                  // how it prepares an image
  std::vector<std::string> words;  // of the classes of the set
  /// Images (N, H, W, C) and a list of words to the boxes of each image, in pixels of the view; a label is a place in the
  /// list.
  std::function<std::vector<std::vector<Detection>>(const Tensor& images, const std::vector<std::string>& words)>
      detect;
  /// The same by a detector that is told where to look: it is given the true boxes, in pixels of the view. Not there where it looks for itself.
  std::function<std::vector<std::vector<Detection>>(const Tensor& images, const std::vector<std::string>& words,
                                                    const std::vector<std::vector<Box>>& truth)>
      detect_near = {};

  /// The same for some of the words; labels are classes of the set.
  std::vector<std::vector<Detection>> boxes(const Tensor& images, const std::vector<std::int64_t>& among,
                                            const std::vector<std::vector<Box>>& truth) const;
};

/// The boxes of some images, in pixels of each image, and those that were found among some words.
struct FoundBoxes {
  std::vector<Image> images;  // the first `keep_images`
  std::vector<std::vector<TrueBox>> truth;
  std::vector<std::vector<Detection>> found;

  /// COCO's average precision over these classes; all others are as if they were not there.
  DetectionScores scores(const std::vector<std::int64_t>& classes) const;
  /// Those of them that have a box to be found.
  std::vector<std::int64_t> occurring(const std::vector<std::int64_t>& classes) const;
};

/// The true boxes of the images that were kept, and as many of those that were found, with their words.
Gallery detection_gallery(const FoundBoxes& boxes, const std::string& what, const std::vector<std::string>& words);

/// The true boxes of sample i, which has been read.
using TruthOf = std::function<std::vector<TrueBox>(std::size_t i, const Sample& sample)>;

/// Asks the detector for the boxes of the first `most` samples of a set. `truth`: empty for the boxes of the sample. `alive`
/// is called between batches.
FoundBoxes find_boxes(const Detector& detector, const AnyDataset& set, const std::vector<std::int64_t>& among,
                      const std::function<void()>& alive, const TruthOf& truth = {}, std::size_t most = 500,
                      std::size_t keep_images = 0);

/// AP at IoU 0.5 over the classes that a set shows, asked with the words `among`.
double ap50_of_set(const Detector& detector, const AnyDataset& set, const std::vector<std::int64_t>& among,
                   const std::function<void()>& alive);

/// One of the ways in which a method finds boxes, by which scores are told apart.
struct DetectionVariant {
  std::string title;   // above the table: "ensemble"
  std::string prefix;  // of the keys in summary.json: "ensemble_"
  bool gallery = true;
};

/// AP and AP50 on what scenes hold out, or on the test part of another set, for the classes that training shows and for the
/// others: printed and kept in the summary.
void evaluate_detection(const Detector& detector, const std::vector<Shown>& shown, const OwnEvaluation& own,
                        const DetectionVariant& variant = {});

}  // namespace app
