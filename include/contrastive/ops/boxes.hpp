// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/reduce.hpp"

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
/// leave each other alone. Returns the places of those that stay, by falling score.
inline std::vector<std::int64_t> nms(const Tensor& boxes, const Tensor& scores, double threshold,
                                     const Tensor& classes = {}) {
  detail::check_boxes("nms", boxes);
  const std::int64_t N = boxes.size(0);
  require(scores.shape() == Shape{N} &&
              (!classes.defined() || (classes.shape() == Shape{N} && classes.dtype() == DType::i64)),
          "[nms] expected ", N, " scores, and i64 classes or none, got ", scores.shape());
  const Tensor x = boxes.detach().to(Device::cpu).to(DType::f64), s = scores.detach().to(Device::cpu).to(DType::f64),
               of = classes.defined() ? classes.to(Device::cpu) : classes;
  std::vector<std::int64_t> order(static_cast<std::size_t>(N));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t i, std::int64_t j) { return s.data<double>()[i] > s.data<double>()[j]; });
  std::vector<std::int64_t> stay;
  for (const std::int64_t i : order) {
    const double* const p = x.data<double>() + 4 * i;
    const bool gone = std::any_of(stay.begin(), stay.end(), [&](std::int64_t j) {
      if (of.defined() && of.data<std::int64_t>()[i] != of.data<std::int64_t>()[j]) return false;
      const double* const q = x.data<double>() + 4 * j;
      const double both = std::max(0.0, std::min(p[2], q[2]) - std::max(p[0], q[0])) *
                          std::max(0.0, std::min(p[3], q[3]) - std::max(p[1], q[1]));
      return both > threshold * ((p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1]) - both);
    });
    if (!gone) stay.push_back(i);
  }
  return stay;
}

struct RoiAlignOptions {
  std::int64_t height = 7, width = 7;  // cells of a region
  double scale = 1;                    // of the features to the image: 1 / stride
  int samples = 2;                     // a side of a cell; 0: as many as the cell has features
  bool aligned = true;                 // half a pixel is taken off, as it should be
};

/// RoIAlign (He et al. 2017, arXiv:1703.06870; torchvision, ops/roi_align.py): features (N, H, W, C) and regions (K, 5),
/// each the image's number and a box in pixels of the image -> (K, height, width, C), the mean of bilinear samples in each
/// cell. Samples more than a pixel outside the features are 0. The gradient goes to the features.
inline Tensor roi_align(const Tensor& features, const Tensor& regions, const RoiAlignOptions& options = {}) {
  require(features.rank() == 4 && regions.rank() == 2 && regions.size(1) == 5,
          "[roi_align] expected features (N, H, W, C) and regions (K, 5), got ", features.shape(), " and ",
          regions.shape());
  const std::int64_t N = features.size(0), H = features.size(1), W = features.size(2), C = features.size(3),
                     K = regions.size(0), cells = options.height * options.width;
  const Tensor rois = regions.detach().to(Device::cpu).to(DType::f64);
  struct Sides {
    double top, left, tall, wide;  // of a cell
    std::int64_t image, down, across;
  };
  std::vector<Sides> sides;
  std::int64_t most = 1;
  const double half = options.aligned ? 0.5 : 0;
  for (std::int64_t k = 0; k < K; ++k) {
    const double* const r = rois.data<double>() + 5 * k;
    const auto image = static_cast<std::int64_t>(r[0]);
    require(image >= 0 && image < N, "[roi_align] region ", k, " is of image ", image, ", and there are ", N);
    const double left = r[1] * options.scale - half, top = r[2] * options.scale - half;
    double width = r[3] * options.scale - half - left, height = r[4] * options.scale - half - top;
    if (!options.aligned) width = std::max(width, 1.0), height = std::max(height, 1.0);
    const double tall = height / static_cast<double>(options.height), wide = width / static_cast<double>(options.width);
    const auto count = [&](double side) {
      return options.samples > 0 ? options.samples : static_cast<std::int64_t>(std::ceil(side));
    };
    sides.push_back({top, left, tall, wide, image, count(tall), count(wide)});
    most = std::max(most, sides.back().down * sides.back().across);
  }
  // Each cell is a weighted sum of 4 features a sample; cells with fewer samples have weights of 0.
  const Tensor rows = Tensor::zeros({K * cells, 4 * most}, DType::i64),
               weights = Tensor::zeros({K * cells, 4 * most, 1}, DType::f64);
  for (std::int64_t k = 0; k < K; ++k) {
    const Sides& s = sides[static_cast<std::size_t>(k)];
    const double share = 1 / static_cast<double>(std::max<std::int64_t>(1, s.down * s.across));
    for (std::int64_t cell = 0; cell < cells; ++cell) {
      std::int64_t* row = rows.data<std::int64_t>() + (k * cells + cell) * 4 * most;
      double* weight = weights.data<double>() + (k * cells + cell) * 4 * most;
      for (std::int64_t i = 0; i < s.down * s.across; ++i, row += 4, weight += 4) {
        const auto inside = [](std::int64_t which, std::int64_t of, double side) {
          return (static_cast<double>(which) + 0.5) * side / static_cast<double>(of);
        };
        double y = s.top + static_cast<double>(cell / options.width) * s.tall + inside(i / s.across, s.down, s.tall);
        double x = s.left + static_cast<double>(cell % options.width) * s.wide + inside(i % s.across, s.across, s.wide);
        if (y < -1 || y > static_cast<double>(H) || x < -1 || x > static_cast<double>(W)) continue;
        y = std::max(y, 0.0), x = std::max(x, 0.0);
        const auto low = [](double& at, std::int64_t size) {
          const auto first = std::min(static_cast<std::int64_t>(at), size - 1);
          if (first == size - 1) at = static_cast<double>(first);
          return first;
        };
        const std::int64_t y0 = low(y, H), x0 = low(x, W), y1 = std::min(y0 + 1, H - 1), x1 = std::min(x0 + 1, W - 1);
        const double dy = y - static_cast<double>(y0), dx = x - static_cast<double>(x0);
        const std::int64_t at[4] = {y0 * W + x0, y0 * W + x1, y1 * W + x0, y1 * W + x1};
        const double by[4] = {(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx};
        for (int corner = 0; corner < 4; ++corner) {
          row[corner] = s.image * H * W + at[corner];
          weight[corner] = by[corner] * share;
        }
      }
    }
  }
  const Tensor corners = gather(features.reshape({N * H * W, C}), rows.to(features.device()));  // (K cells, 4 S, C)
  const Tensor sums = sum(corners * weights.to(features.dtype()).to(features.device()), 1);
  return sums.reshape({K, options.height, options.width, C});
}

}  // namespace contrastive
