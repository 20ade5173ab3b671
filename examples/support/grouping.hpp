// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "contrastive/methods/group_vit.hpp"
#include "support/segmentation.hpp"
#include "support/word_rows.hpp"

namespace app {

/// A method that gathers an image's pixels into groups and knows the words' space.
struct GroupModel {
  std::function<GroupRows(const Tensor& images)> groups;  // on the CPU
  RowsOf words;                                           // unit rows
  std::function<double()> scale;                          // of cosines
  int patch = 4;                                          // pixels
  std::string ground = {};                                // the word of what no other word fits
  double background = 0;                                  // the score below which a group is that

  /// The group of each pixel in the last stage, or after the first `stages`: i64 (N, H, W).
  Tensor pixel_groups(const GroupRows& rows, const Tensor& images, std::size_t stages) const;
  /// The place in the list of each group's word, -1 where it has none: (N G).
  std::vector<std::int64_t> words_of(const GroupRows& rows, const std::vector<std::string>& list) const;
  /// Groups of pixels to places in the list of their words, both i64 (N, H, W).
  Tensor named(const Tensor& groups_of_pixels, const GroupRows& rows, const std::vector<std::string>& list) const;
  /// As a composition has it.
  Tensor segment(const Tensor& images, const std::vector<std::string>& list) const;
};

/// The groups of a test part with masks beside those of the method as it began and one word for the whole image: mean IoU
/// by their words, mean IoU where each group is named by the truth, and the adjusted Rand index; printed and kept in the
/// summary. Pictures of groups and words.
void evaluate_groups(const GroupModel& trained, const GroupModel& untrained, const Segmenter& segmenter,
                     const OwnEvaluation& own);

}  // namespace app
