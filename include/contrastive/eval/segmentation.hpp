// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/tensor/tensor.hpp"

namespace contrastive {

/// Pixels of each class, counted as in segmentation benchmarks (zhanghang1989/PyTorch-Encoding, encoding/utils/metrics.py):
/// a pixel without a true class counts nowhere, whatever was found there.
class SegmentationCounts {
 public:
  explicit SegmentationCounts(std::int64_t classes)
      : both_(checked(classes), 0), found_(both_.size(), 0), true_(both_.size(), 0) {}

  /// found and truth: i64 of one shape, 0 to C - 1; a negative truth is none. A negative `found` is a class that is not
  /// counted, and wrong.
  void add(const Tensor& found, const Tensor& truth) {
    require(found.shape() == truth.shape() && found.dtype() == DType::i64 && truth.dtype() == DType::i64,
            "[segmentation] expected i64 labels of one shape, got ", found.shape(), " ", to_string(found.dtype()),
            " and ", truth.shape(), " ", to_string(truth.dtype()));
    const Tensor ours = found.to(Device::cpu), theirs = truth.to(Device::cpu);
    const auto p = ours.span<std::int64_t>(), t = theirs.span<std::int64_t>();
    const auto C = static_cast<std::int64_t>(both_.size());
    for (std::size_t i = 0; i < p.size(); ++i) {
      require(p[i] < C && t[i] < C, "[segmentation] label ", p[i] < C ? t[i] : p[i], " is outside ", C, " classes");
      if (t[i] < 0) continue;
      ++true_[static_cast<std::size_t>(t[i])];
      if (p[i] < 0) continue;
      ++found_[static_cast<std::size_t>(p[i])];
      if (p[i] == t[i]) ++both_[static_cast<std::size_t>(t[i])];
    }
  }

  const std::vector<std::int64_t>& intersection() const { return both_; }
  std::int64_t union_of(std::int64_t c) const {
    const auto at = static_cast<std::size_t>(c);
    return found_.at(at) + true_[at] - both_[at];
  }
  std::int64_t labelled() const { return total(true_); }
  std::int64_t right() const { return total(both_); }
  /// True where a true pixel is of the class.
  bool shown(std::int64_t c) const { return true_.at(static_cast<std::size_t>(c)) > 0; }

  /// Share of the labelled pixels whose class was found; 0 where none is labelled.
  double pixel_accuracy() const { return ratio(right(), labelled()); }
  /// The same of the pixels of some classes.
  double pixel_accuracy(std::span<const std::int64_t> classes) const {
    std::int64_t right = 0, all = 0;
    for (const std::int64_t c : classes)
      right += both_.at(static_cast<std::size_t>(c)), all += true_[static_cast<std::size_t>(c)];
    return ratio(right, all);
  }
  /// Intersection over union; 0 of a class that neither is there nor was found.
  double iou(std::int64_t c) const { return ratio(both_.at(static_cast<std::size_t>(c)), union_of(c)); }
  /// Mean over all classes, absent ones as 0: the official mean.
  double mean_iou() const {
    double sum = 0;
    for (std::size_t c = 0; c < both_.size(); ++c) sum += iou(static_cast<std::int64_t>(c));
    return sum / static_cast<double>(both_.size());
  }
  /// Mean over some classes.
  double mean_iou(std::span<const std::int64_t> classes) const {
    require(!classes.empty(), "[segmentation] the mean IoU of no classes");
    double sum = 0;
    for (const std::int64_t c : classes) sum += iou(c);
    return sum / static_cast<double>(classes.size());
  }

 private:
  static std::size_t checked(std::int64_t classes) {
    require(classes > 0, "[segmentation] expected classes, got ", classes);
    return static_cast<std::size_t>(classes);
  }
  static std::int64_t total(const std::vector<std::int64_t>& counts) {
    std::int64_t sum = 0;
    for (const std::int64_t count : counts) sum += count;
    return sum;
  }
  static double ratio(std::int64_t a, std::int64_t b) {
    return b > 0 ? static_cast<double>(a) / static_cast<double>(b) : 0;
  }

  std::vector<std::int64_t> both_, found_, true_;  // pixels of a class: found there, found, true
};

}  // namespace contrastive
