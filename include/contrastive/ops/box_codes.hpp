// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "contrastive/ops/boxes.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/index.hpp"

/// Boxes as their differences from anchors, and the generalised IoU as a loss, in GLIP's arithmetic: here the last pixel
/// belongs to a box, so that (left, top, right, bottom) is right - left + 1 wide (microsoft/GLIP, modeling/rpn).
namespace contrastive {

namespace detail {
inline Tensor column(const Tensor& x, int which) { return narrow(x, 1, which, which + 1); }
/// IoU where the last pixel belongs to a box.
inline double inclusive_iou(const double* a, const double* b) {
  const auto area = [](const double* x) { return (x[2] - x[0] + 1) * (x[3] - x[1] + 1); };
  const double both = std::max(0.0, std::min(a[2], b[2]) - std::max(a[0], b[0]) + 1) *
                      std::max(0.0, std::min(a[3], b[3]) - std::max(a[1], b[1]) + 1);
  return both / (area(a) + area(b) - both);
}
inline void check_box_pairs(const char* op, const Tensor& a, const Tensor& b) {
  check_boxes(op, a);
  require(a.shape() == b.shape() && a.dtype() == b.dtype(), "[", op, "] expected as many anchors as boxes, got ",
          a.shape(), " and ", b.shape());
}
}  // namespace detail

/// (K, 4) boxes to codes by their anchors (vldyhead.py, BoxCoder): centres in anchor sizes times 10, logarithms of sizes
/// times 5.
inline Tensor encode_boxes(const Tensor& boxes, const Tensor& anchors) {
  detail::check_box_pairs("encode_boxes", boxes, anchors);
  std::vector<Tensor> codes;
  for (const int axis : {0, 1}) {
    const auto low = [&](const Tensor& x) { return detail::column(x, axis); };
    const auto high = [&](const Tensor& x) { return detail::column(x, axis + 2); };
    const Tensor size = high(anchors) - low(anchors) + 1;
    codes.push_back((low(boxes) + high(boxes) - low(anchors) - high(anchors)) / size * 5);
    codes.push_back(log((high(boxes) - low(boxes) + 1) / size) * 5);
  }
  return concat({codes[0], codes[2], codes[1], codes[3]}, 1);
}

/// Codes to boxes; a box is at most 1000 / 16 times as large as its anchor.
inline Tensor decode_boxes(const Tensor& codes, const Tensor& anchors) {
  detail::check_box_pairs("decode_boxes", codes, anchors);
  static const double most = std::log(1000.0 / 16);
  std::vector<Tensor> edges;
  for (const int axis : {0, 1}) {
    const Tensor low = detail::column(anchors, axis), high = detail::column(anchors, axis + 2), size = high - low + 1;
    const Tensor centre = detail::column(codes, axis) / 10 * size + (low + high) / 2;
    const Tensor log_size = clamp_max(detail::column(codes, axis + 2) / 5, most);
    const Tensor half = (exp(log_size) * size - 1) / 2;
    edges.push_back(centre - half);
    edges.push_back(centre + half);
  }
  return concat({edges[0], edges[2], edges[1], edges[3]}, 1);
}

/// 1 - generalised IoU of each pair of codes, (K, 4) and (K, 4) -> (K) (modeling/rpn/loss.py, ATSSLossComputation.GIoULoss):
/// areas are those of edges, without the last pixel. A predicted box that is inside out is taken as empty.
inline Tensor giou_losses(const Tensor& codes, const Tensor& target_codes, const Tensor& anchors) {
  const Tensor found = decode_boxes(codes, anchors), wanted = decode_boxes(target_codes, anchors).detach();
  constexpr double tiny = 1e-7;
  Tensor both, own, other, around;
  for (const int axis : {0, 1}) {
    const Tensor low = detail::column(found, axis), high = maximum(low, detail::column(found, axis + 2)),
                 left = detail::column(wanted, axis), right = detail::column(wanted, axis + 2);
    const Tensor shared = minimum(high, right) - maximum(low, left);
    const Tensor overlap = shared * greater(shared, Tensor::zeros(shared.shape(), shared.dtype(), shared.device()));
    const auto times = [](const Tensor& a, const Tensor& b) { return a.defined() ? a * b : b; };
    both = times(both, overlap), own = times(own, high - low), other = times(other, right - left);
    around = times(around, maximum(high, right) - minimum(low, left));
  }
  around = around + tiny;
  const Tensor either = own + other - both + tiny;
  return (1 - both / either + (around - either) / around).reshape({codes.size(0)});
}

}  // namespace contrastive
