// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "contrastive/tensor/tensor.hpp"

/// Boxes as rows (left, top, right, bottom), right and bottom excluded: what detection needs of them.
namespace contrastive {

namespace detail {

inline void check_boxes(const char* op, const Tensor& boxes) {
  require(boxes.rank() == 2 && boxes.size(1) == 4 && is_float(boxes.dtype()), "[", op, "] expected boxes (N, 4), got ",
          boxes.shape());
}

/// One row of numbers for each pair: f(area of both, area of either, area of the least box around them).
template <class F>
Tensor each_pair(const char* op, const Tensor& a, const Tensor& b, F&& f) {
  check_boxes(op, a);
  check_boxes(op, b);
  const Tensor x = a.detach().to(Device::cpu).to(DType::f64), y = b.detach().to(Device::cpu).to(DType::f64);
  const std::int64_t N = x.size(0), M = y.size(0);
  const Tensor out({N, M}, DType::f64);
  for (std::int64_t i = 0; i < N; ++i)
    for (std::int64_t j = 0; j < M; ++j) {
      const double *p = x.data<double>() + 4 * i, *q = y.data<double>() + 4 * j;
      const double both = std::max(0.0, std::min(p[2], q[2]) - std::max(p[0], q[0])) *
                          std::max(0.0, std::min(p[3], q[3]) - std::max(p[1], q[1]));
      const double either = (p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1]) - both;
      const double around = std::max(0.0, std::max(p[2], q[2]) - std::min(p[0], q[0])) *
                            std::max(0.0, std::max(p[3], q[3]) - std::min(p[1], q[1]));
      out.data<double>()[i * M + j] = f(both, either, around);
    }
  return out.to(a.dtype()).to(a.device());
}

/// Boxes that stay, in the cells of a grid over the middles of all boxes. If two boxes overlap by more than t, their widths
/// w and v share more than t max(w, v), so that v < w / t, and their middles are less than (w + v) / 2 - t max(w, v) apart:
/// at most (1 - t) w, or (1 / t - 1) w / 2 where t is below a half. So are their heights. Only such cells are looked at.
class KeptBoxes {
 public:
  /// rows (N, 4) as doubles, which must outlive this.
  KeptBoxes(const double* rows, std::int64_t N, double threshold)
      : rows_(rows), threshold_(threshold), reach_(std::max(1 - threshold, (1 / threshold - 1) / 2) + 1e-6) {
    cells_ = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::sqrt(static_cast<double>(N)) / 2), 1, 128);
    held_.resize(static_cast<std::size_t>(cells_ * cells_));
    for (int axis = 0; axis < 2; ++axis) {
      double low = 1e300, high = -1e300;
      for (std::int64_t i = 0; i < N; ++i) low = std::min(low, middle(i, axis)), high = std::max(high, middle(i, axis));
      low_[axis] = low, per_pixel_[axis] = static_cast<double>(cells_) / std::max(high - low, 1e-9);
    }
  }
  void add(std::int64_t i) {
    held_[static_cast<std::size_t>(cell(middle(i, 1), 1) * cells_ + cell(middle(i, 0), 0))].push_back(i);
  }
  /// True where box i overlaps one that stays, for which `same(j)`, by more than the threshold.
  template <class Same>
  bool overlap(std::int64_t i, Same&& same) const {
    const double* const p = rows_ + 4 * i;
    std::int64_t first[2], last[2];
    for (int axis = 0; axis < 2; ++axis) {
      const double at = middle(i, axis), reach = reach_ * (p[axis + 2] - p[axis]);
      first[axis] = cell(at - reach, axis), last[axis] = cell(at + reach, axis);
    }
    for (std::int64_t y = first[1]; y <= last[1]; ++y)
      for (std::int64_t x = first[0]; x <= last[0]; ++x)
        for (const std::int64_t j : held_[static_cast<std::size_t>(y * cells_ + x)]) {
          const double* const q = rows_ + 4 * j;
          const double both = std::max(0.0, std::min(p[2], q[2]) - std::max(p[0], q[0])) *
                              std::max(0.0, std::min(p[3], q[3]) - std::max(p[1], q[1]));
          const double either = (p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1]) - both;
          if (both > 0 && both > threshold_ * either && same(j)) return true;
        }
    return false;
  }

 private:
  double middle(std::int64_t i, int axis) const { return (rows_[4 * i + axis] + rows_[4 * i + axis + 2]) / 2; }
  std::int64_t cell(double at, int axis) const {
    const double place = (at - low_[axis]) * per_pixel_[axis];
    return place > 0 ? static_cast<std::int64_t>(std::min(place, static_cast<double>(cells_ - 1))) : 0;
  }

  const double* rows_;
  double threshold_, reach_;
  std::int64_t cells_ = 1;
  double low_[2] = {}, per_pixel_[2] = {};
  std::vector<std::vector<std::int64_t>> held_;
};

}  // namespace detail

/// Intersection over union of all pairs, (N, 4) and (M, 4) -> (N, M). No gradient.
inline Tensor box_iou(const Tensor& a, const Tensor& b) {
  return detail::each_pair("box_iou", a, b, [](double both, double either, double) { return both / either; });
}
/// Generalised IoU (Rezatofighi et al. 2019, arXiv:1902.09630): IoU less the share of the least box around both that
/// neither covers. No gradient.
inline Tensor box_giou(const Tensor& a, const Tensor& b) {
  return detail::each_pair("box_giou", a, b, [](double both, double either, double around) {
    return both / either - (around - either) / around;
  });
}

/// Non-maximum suppression (torchvision, ops/boxes.py, nms): by falling score, a box goes when it overlaps one that stays by
/// more than `threshold`. Scores (N); of equal ones the first wins. With `classes`, i64 (N), boxes of different classes
/// leave each other alone. A box with a negative side overlaps nothing. Returns the places of those that stay, by falling score.
inline std::vector<std::int64_t> nms(const Tensor& boxes, const Tensor& scores, double threshold,
                                     const Tensor& classes = {}) {
  detail::check_boxes("nms", boxes);
  const std::int64_t N = boxes.size(0);
  require(scores.shape() == Shape{N} &&
              (!classes.defined() || (classes.shape() == Shape{N} && classes.dtype() == DType::i64)),
          "[nms] expected ", N, " scores, and i64 classes or none, got ", scores.shape());
  require(threshold >= 0, "[nms] expected a threshold of 0 or more, got ", threshold);
  const Tensor x = boxes.detach().to(Device::cpu).to(DType::f64), s = scores.detach().to(Device::cpu).to(DType::f64),
               of = classes.defined() ? classes.to(Device::cpu) : classes;
  std::vector<std::int64_t> order(static_cast<std::size_t>(N));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t i, std::int64_t j) { return s.data<double>()[i] > s.data<double>()[j]; });
  detail::KeptBoxes kept(x.data<double>(), N, threshold);
  std::vector<std::int64_t> stay;
  for (const std::int64_t i : order) {
    const auto same = [&](std::int64_t j) {
      return !of.defined() || of.data<std::int64_t>()[i] == of.data<std::int64_t>()[j];
    };
    if (kept.overlap(i, same)) continue;
    kept.add(i);
    stay.push_back(i);
  }
  return stay;
}

}  // namespace contrastive
