// SPDX-License-Identifier: MIT

// Counting of labelled pixels. What the official code makes of it is in tests/objectives/pixel_labels.cpp.

#include "contrastive/eval/segmentation.hpp"

#include "support/catch.hpp"

using namespace contrastive;

TEST_CASE("pixels of a class, by hand", "[eval]") {
  const Tensor truth = Tensor::from<std::int64_t>({0, 0, 1, 1, -1, 2}, {2, 3});
  const Tensor found = Tensor::from<std::int64_t>({0, 1, 1, 1, 0, -1}, {2, 3});
  SegmentationCounts counts(4);
  counts.add(found, truth);
  CHECK(counts.labelled() == 5);
  CHECK(counts.right() == 3);
  CHECK(counts.pixel_accuracy() == 0.6);
  CHECK(counts.iou(0) == 0.5);  // found once of two; what was found on the pixel without a class does not count
  CHECK(counts.iou(1) == 2.0 / 3);
  CHECK(counts.iou(2) == 0);
  CHECK(counts.iou(3) == 0);  // neither there nor found
  CHECK(counts.mean_iou() == (0.5 + 2.0 / 3) / 4);
  const std::vector<std::int64_t> some{0, 1};
  CHECK(counts.mean_iou(some) == (0.5 + 2.0 / 3) / 2);
  CHECK(counts.pixel_accuracy(some) == 0.75);
  CHECK((counts.shown(2) && !counts.shown(3)));
  counts.add(found, truth);  // counts add up
  CHECK(counts.labelled() == 10);
  CHECK(counts.iou(0) == 0.5);
}

TEST_CASE("what cannot be counted is named", "[eval]") {
  SegmentationCounts counts(2);
  const Tensor two = Tensor::from<std::int64_t>({0, 2}, {2}), one = Tensor::from<std::int64_t>({0, 1}, {2});
  CHECK_THROWS_WITH(counts.add(one, two), "[segmentation] label 2 is outside 2 classes");
  CHECK_THROWS_WITH(counts.add(two, one), "[segmentation] label 2 is outside 2 classes");
  CHECK_THROWS_WITH(counts.add(one, Tensor::zeros({3}, DType::i64)), Contains("i64 labels of one shape"));
  CHECK_THROWS_WITH(counts.mean_iou(std::vector<std::int64_t>{}), Contains("no classes"));
  CHECK_THROWS_WITH(SegmentationCounts(0), "[segmentation] expected classes, got 0");
}
