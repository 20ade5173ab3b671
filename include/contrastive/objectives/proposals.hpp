// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/media/boxes.hpp"
#include "contrastive/nn/batch_norm.hpp"
#include "contrastive/nn/linear.hpp"
#include "contrastive/ops/boxes.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/reduce.hpp"

/// Boxes of objects of whatever class, without anchors (FCOS, Tian et al. 2019, arXiv:1904.01355).
namespace contrastive {

/// The answers of each place of a map (N, h, w): the logit that it is the middle of an object, (N h w); and how far the object's
/// left, top, right and bottom lie from the place, (N h w, 4), in pixels of the image.
struct PlaceBoxes {
  Tensor logits, distances;
  std::int64_t N = 0, h = 0, w = 0;
  double stride = 1;
};

/// A 3x3 convolution with norm and ReLU, then five numbers for each place.
struct ProposalHead {
  Conv2d conv;
  BatchNorm bn;
  Linear out;  // logit, left, top, right, bottom

  ProposalHead() = default;
  ProposalHead(std::int64_t width, Rng rng)
      : conv(width, width, {.kernel = 3, .padding = 1}, rng / "conv"), bn(width), out(width, 5, rng / "out") {
    out.bias.data<float>()[0] = -4;  // most places are no middle
  }

  /// A map (N, h, w, C) of images of which a place is `stride` pixels wide.
  PlaceBoxes operator()(const Tensor& map, double stride) const {
    const std::int64_t N = map.size(0), h = map.size(1), w = map.size(2);
    const Tensor numbers = out(bn.relu(conv, map)).reshape({N * h * w, 5});
    // exp of at most 4, times four places: up to 200 of them.
    const Tensor distances = exp(clamp_max(narrow(numbers, 1, 1, 5), 4)) * (4 * stride);
    return {narrow(numbers, 1, 0, 1).reshape({N * h * w}), distances, N, h, w, stride};
  }

  template <class F>
  void members(F&& f) {
    f("conv", conv);
    f("bn", bn);
    f("out", out);
  }
};

/// The right answers of a map's places: `places` (P) are those in the inner half of a box, or next to its middle; where
/// boxes overlap, of the smaller one.
struct PlaceTargets {
  std::vector<std::int64_t> places;
  std::vector<std::array<float, 4>> distances;  // of each of them
  std::vector<float> centerness;                // 1 in the middle of the box, 0 at its edge
};

/// Boxes (N, B, 4) in pixels; those of label -1 (N, B) are none.
inline PlaceTargets place_targets(const Tensor& boxes, const Tensor& labels, const PlaceBoxes& of) {
  PlaceTargets targets;
  const Tensor corners = boxes.to(Device::cpu).to(DType::f32), numbers = labels.to(Device::cpu);
  const std::int64_t B = boxes.size(1);
  for (std::int64_t n = 0; n < of.N; ++n)
    for (std::int64_t place = 0; place < of.h * of.w; ++place) {
      const double x = (static_cast<double>(place % of.w) + 0.5) * of.stride,
                   y = (static_cast<double>(place / of.w) + 0.5) * of.stride;
      double least = 1e30;
      std::array<float, 4> best{};
      for (std::int64_t b = 0; b < B; ++b) {
        if (numbers.data<std::int64_t>()[n * B + b] < 0) continue;
        const float* const box = corners.data<float>() + 4 * (n * B + b);
        const double wide = box[2] - box[0], tall = box[3] - box[1], area = wide * tall;
        const bool inside = x > box[0] && x < box[2] && y > box[1] && y < box[3];
        const bool inner = std::abs(x - (box[0] + box[2]) / 2) < std::max(of.stride, wide / 4) &&
                           std::abs(y - (box[1] + box[3]) / 2) < std::max(of.stride, tall / 4);
        if (!inside || !inner || area >= least) continue;
        least = area;
        best = {static_cast<float>(x - box[0]), static_cast<float>(y - box[1]), static_cast<float>(box[2] - x),
                static_cast<float>(box[3] - y)};
      }
      if (least == 1e30) continue;
      targets.places.push_back(n * of.h * of.w + place);
      targets.distances.push_back(best);
      const auto ratio = [](float a, float b) { return std::min(a, b) / std::max(a, b); };
      targets.centerness.push_back(std::sqrt(ratio(best[0], best[2]) * ratio(best[1], best[3])));
    }
  return targets;
}

/// 1 - GIoU of boxes about the same place, by the distances of their sides, all above 0: (P, 4) and (P, 4) to (P, 1).
inline Tensor distance_giou_loss(const Tensor& found, const Tensor& wanted) {
  require(found.rank() == 2 && found.size(1) == 4 && found.shape() == wanted.shape(),
          "[distance_giou_loss] expected two times (P, 4), got ", found.shape(), " and ", wanted.shape());
  const auto side = [](const Tensor& x, int s) { return narrow(x, 1, s, s + 1); };
  const auto area = [&](const Tensor& x) { return (side(x, 0) + side(x, 2)) * (side(x, 1) + side(x, 3)); };
  const Tensor both = area(minimum(found, wanted)), around = area(maximum(found, wanted));
  const Tensor either = area(found) + area(wanted) - both;
  return 1 - both / either + (around - either) / around;
}

/// Binary cross entropy of all places with the centerness, and 1 - GIoU of those in a box weighed with it; both over the sum
/// of it.
inline Tensor proposal_loss(const PlaceBoxes& found, const PlaceTargets& targets) {
  const auto P = static_cast<std::int64_t>(targets.places.size());
  const DType dtype = found.logits.dtype();
  const Device device = found.logits.device();
  const Tensor middle = Tensor::zeros({found.logits.size(0)});
  double total = 0;
  for (std::int64_t p = 0; p < P; ++p) {
    const float centerness = targets.centerness[static_cast<std::size_t>(p)];
    middle.data<float>()[targets.places[static_cast<std::size_t>(p)]] = centerness;
    total += centerness;
  }
  const double share = 1 / std::max(1.0, total);
  const Tensor y = middle.to(dtype).to(device);
  const Tensor loss = sum(log_sigmoid(found.logits) * y + log_sigmoid(-found.logits) * (1 - y)) * -share;
  if (P == 0) return loss + sum(found.distances) * 0;
  const Tensor wanted({P, 4}), weights({P, 1});
  for (std::int64_t p = 0; p < P; ++p) {
    std::ranges::copy(targets.distances[static_cast<std::size_t>(p)], wanted.data<float>() + 4 * p);
    weights.data<float>()[p] = targets.centerness[static_cast<std::size_t>(p)];
  }
  const Tensor some = gather(found.distances, Tensor::from<std::int64_t>(targets.places, {P}).to(device));
  const Tensor overlap = distance_giou_loss(some, wanted.to(dtype).to(device));
  return loss + sum(overlap * weights.to(dtype).to(device)) * share;
}

/// A box of image n with the probability that an object is there.
struct Proposal {
  Box box;
  float score = 1;
};

/// The best boxes of each image, cut to it, of which none overlaps a better one by more than `threshold`.
inline std::vector<std::vector<Proposal>> best_proposals(const PlaceBoxes& found, std::size_t most,
                                                         double threshold = 0.7) {
  const std::int64_t places = found.h * found.w;
  const Tensor scores = sigmoid(found.logits.detach()).to(Device::cpu).to(DType::f32),
               distances = found.distances.detach().to(Device::cpu).to(DType::f32);
  std::vector<std::vector<Proposal>> all;
  const auto width = static_cast<float>(static_cast<double>(found.w) * found.stride),
             height = static_cast<float>(static_cast<double>(found.h) * found.stride);
  for (std::int64_t n = 0; n < found.N; ++n) {
    std::vector<Proposal> some;
    for (std::int64_t p = 0; p < places; ++p) {
      const float x = static_cast<float>((static_cast<double>(p % found.w) + 0.5) * found.stride),
                  y = static_cast<float>((static_cast<double>(p / found.w) + 0.5) * found.stride);
      const float* const d = distances.data<float>() + 4 * (n * places + p);
      some.push_back(
          {{std::max(0.0F, x - d[0]), std::max(0.0F, y - d[1]), std::min(width, x + d[2]), std::min(height, y + d[3])},
           scores.data<float>()[n * places + p]});
    }
    std::ranges::stable_sort(some, [](const Proposal& a, const Proposal& b) { return a.score > b.score; });
    if (some.size() > 4 * most) some.resize(4 * most);
    const auto count = static_cast<std::int64_t>(some.size());
    const Tensor boxes({count, 4}), order({count});
    for (std::int64_t k = 0; k < count; ++k) {
      const auto& [box, score] = some[static_cast<std::size_t>(k)];
      const std::array<float, 4> corners{box.left, box.top, box.right, box.bottom};
      std::ranges::copy(corners, boxes.data<float>() + 4 * k);
      order.data<float>()[k] = score;
    }
    all.emplace_back();
    for (const std::int64_t k : nms(boxes, order, threshold)) {
      if (all.back().size() == most) break;
      all.back().push_back(some[static_cast<std::size_t>(k)]);
    }
  }
  return all;
}

}  // namespace contrastive
