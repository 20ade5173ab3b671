// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "contrastive/ops/box_codes.hpp"

namespace contrastive {

/// A map of a pyramid: its places are `stride` pixels of the image apart.
struct AnchorLevel {
  std::int64_t height = 0, width = 0;
  int stride = 1;
  double size = 8;  // of an anchor, in pixels
};

inline std::int64_t anchor_count(const std::vector<AnchorLevel>& levels) {
  std::int64_t count = 0;
  for (const AnchorLevel& level : levels) count += level.height * level.width;
  return count;
}

/// A square anchor for each place, (A, 4) f64: row by row, the finest map first (microsoft/GLIP, anchor_generator.py). The
/// last pixel belongs to a box.
inline Tensor make_anchors(const std::vector<AnchorLevel>& levels) {
  const Tensor anchors({anchor_count(levels), 4}, DType::f64);
  double* at = anchors.data<double>();
  for (const AnchorLevel& level : levels)
    for (std::int64_t y = 0; y < level.height; ++y)
      for (std::int64_t x = 0; x < level.width; ++x) {
        const double middle = (level.stride - 1) / 2.0, half = (level.size - 1) / 2;
        const double centre_x = middle + static_cast<double>(x * level.stride),
                     centre_y = middle + static_cast<double>(y * level.stride);
        for (const double edge : {centre_x - half, centre_y - half, centre_x + half, centre_y + half}) *at++ = edge;
      }
  return anchors;
}

/// The box that each anchor is to find, -1 for none (ATSS, Zhang et al. 2020, arXiv:1912.02424; microsoft/GLIP,
/// modeling/rpn/loss.py, ATSSLossComputation.prepare_targets). The `nearest` anchors of each map are a box's candidates;
/// those stay whose IoU reaches the mean plus the deviation of all its candidates and whose centre lies inside it. An anchor
/// of several boxes takes the one with the largest IoU. Boxes (B, 4); the last pixel belongs to a box.
inline std::vector<std::int64_t> assign_anchors(const std::vector<AnchorLevel>& levels, const Tensor& anchors,
                                                const Tensor& boxes, std::int64_t nearest = 9) {
  const std::int64_t A = anchors.size(0), B = boxes.size(0);
  require(A == anchor_count(levels) && anchors.dtype() == DType::f64 && nearest >= 1,
          "[assign_anchors] expected f64 anchors of the levels, got ", anchors.shape());
  std::vector<std::int64_t> match(static_cast<std::size_t>(A), -1);
  if (B == 0) return match;
  detail::check_boxes("assign_anchors", boxes);
  const Tensor wanted = boxes.detach().to(Device::cpu).to(DType::f64);
  std::vector<double> best(match.size(), -1);
  const auto centre = [](const double* box, int axis) { return (box[axis] + box[axis + 2]) / 2; };
  for (std::int64_t b = 0; b < B; ++b) {
    const double* const box = wanted.data<double>() + 4 * b;
    const auto anchor = [&](std::int64_t a) { return anchors.data<double>() + 4 * a; };
    const auto distance = [&](std::int64_t a) {
      return std::hypot(centre(anchor(a), 0) - centre(box, 0), centre(anchor(a), 1) - centre(box, 1));
    };
    std::vector<std::int64_t> candidates;
    std::int64_t first = 0;
    for (const AnchorLevel& level : levels) {
      std::vector<std::int64_t> places(static_cast<std::size_t>(level.height * level.width));
      std::iota(places.begin(), places.end(), first);
      first += level.height * level.width;
      std::ranges::stable_sort(places, {}, distance);
      if (std::ssize(places) > nearest) places.resize(static_cast<std::size_t>(nearest));
      candidates.insert(candidates.end(), places.begin(), places.end());
    }
    std::vector<double> overlap;
    for (const std::int64_t a : candidates) overlap.push_back(detail::inclusive_iou(anchor(a), box));
    const double count = static_cast<double>(overlap.size());
    const double mean = std::accumulate(overlap.begin(), overlap.end(), 0.0) / count;
    double squares = 0;
    for (const double one : overlap) squares += (one - mean) * (one - mean);
    const double threshold = mean + std::sqrt(squares / std::max(1.0, count - 1));
    for (std::size_t k = 0; k < candidates.size(); ++k) {
      const std::int64_t a = candidates[k];
      const double x = centre(anchor(a), 0), y = centre(anchor(a), 1);
      const bool inside = std::min({x - box[0], y - box[1], box[2] - x, box[3] - y}) > 0.01;
      const auto place = static_cast<std::size_t>(a);
      if (!inside || overlap[k] < threshold || overlap[k] <= best[place]) continue;
      best[place] = overlap[k];
      match[place] = b;
    }
  }
  return match;
}

/// Centerness of each anchor in its box, 0 at the edge to 1 in the middle: (K, 4) and (K, 4) -> (K) (loss.py,
/// compute_centerness_targets).
inline Tensor centerness(const Tensor& boxes, const Tensor& anchors) {
  detail::check_box_pairs("centerness", boxes, anchors);
  Tensor product;
  for (const int axis : {0, 1}) {
    const Tensor centre = (detail::column(anchors, axis) + detail::column(anchors, axis + 2)) / 2;
    const Tensor before = centre - detail::column(boxes, axis), after = detail::column(boxes, axis + 2) - centre;
    const Tensor share = minimum(before, after) / maximum(before, after);
    product = product.defined() ? product * share : share;
  }
  return sqrt(product).reshape({boxes.size(0)});
}

}  // namespace contrastive
