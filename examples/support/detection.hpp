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

/// Shared by methods that find boxes, after training: average precision on the splits of scenes, and pictures.
namespace app {

/// The whole image as a square: nothing of it is cut off.
using WholeView = Compose<Squash, Normalize>;

/// One of the ways in which a method finds boxes, by which scores are told apart.
struct DetectionWay {
  std::string title;   // above the table: "ensemble"
  std::string prefix;  // of the keys in summary.json: "ensemble_"
  bool gallery = true;
};

/// Boxes of each image.
using BoxesOfImages = std::vector<std::vector<Detection>>;

/// A method that finds boxes, asked with the words that it knows.
struct Detector {
  WholeView view;                  // how it prepares an image
  std::vector<std::string> words;  // of the classes of the set
  /// Images (N, H, W, C) and a list of words to the boxes that each way finds, in pixels of the view; a label is a place in
  /// the list. `truth` are the true boxes, in pixels of the view, for ways that are told where to look.
  std::function<std::vector<BoxesOfImages>(const Tensor& images, const std::vector<std::string>& words,
                                           const std::vector<std::vector<Box>>& truth)>
      detect;
  std::vector<DetectionWay> ways = {{}};

  /// The same for some of the words; labels are classes of the set.
  std::vector<BoxesOfImages> boxes(const Tensor& images, const std::vector<std::int64_t>& among,
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

/// A box of an image of one size in an image of another.
Box scaled(const Box& box, ImageSize from, ImageSize to);

/// An image with boxes and their words, enlarged by a whole factor towards `side` pixels.
Image with_boxes(const Image& image, const std::vector<Box>& boxes, const std::vector<std::string>& words, int side);

/// The true boxes of the images that were kept, and as many places of those that were found, with their best words.
Gallery detection_gallery(const FoundBoxes& boxes, const std::string& what, const std::vector<std::string>& words);

/// The true boxes of sample i, which has been read.
using TruthOf = std::function<std::vector<TrueBox>(std::size_t i, const Sample& sample)>;

/// Asks the detector for the boxes of the first `most` samples of a set, once for all of its ways, and returns those of each
/// way. `truth`: empty for the boxes of the sample. `alive` is called between batches.
std::vector<FoundBoxes> find_boxes(const Detector& detector, const AnyDataset& set,
                                   const std::vector<std::int64_t>& among, const std::function<void()>& alive,
                                   const TruthOf& truth = {}, std::size_t most = 500, std::size_t keep_images = 0);

/// AP at IoU 0.5 of the detector's first way over the classes that a set shows, asked with the words `among`.
double ap50_of_set(const Detector& detector, const AnyDataset& set, const std::vector<std::int64_t>& among,
                   const std::function<void()>& alive);

/// AP and AP50 of each way on the splits of scenes, or on the test part of another set, for the classes that training shows
/// and for the others: printed and kept in the summary.
void evaluate_detection(const Detector& detector, const std::vector<Shown>& shown, const OwnEvaluation& own);

}  // namespace app
