// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/media/boxes.hpp"
#include "contrastive/media/detection.hpp"

namespace contrastive {

/// The twelve numbers of COCO's evaluation, each 0 to 1; -1 where nothing in the set is of that size.
struct DetectionScores {
  double ap = -1, ap50 = -1, ap75 = -1;                 // IoU 0.50:0.95, 0.50, 0.75
  double ap_small = -1, ap_medium = -1, ap_large = -1;  // below 32^2, to 96^2, above, in pixels
  double ar1 = -1, ar10 = -1, ar100 = -1;               // recall with so many boxes an image
  double ar_small = -1, ar_medium = -1, ar_large = -1;  // with 100
  std::vector<double> ap_per_class;                     // IoU 0.50:0.95
};

namespace detail {

inline constexpr int coco_thresholds = 10, coco_recalls = 101;
inline constexpr std::array<std::array<double, 2>, 4> coco_areas = {
    {{0, 1e10}, {0, 32.0 * 32}, {32.0 * 32, 96.0 * 96}, {96.0 * 96, 1e10}}};
inline double coco_threshold(int t) { return 0.5 + 0.05 * t; }

/// Of one class, one range of areas and so many boxes an image: precision at 101 recalls, and the recall, at each of ten
/// thresholds. Empty where nothing is to be found.
struct CocoCurve {
  std::array<std::array<double, coco_recalls>, coco_thresholds> precision{};
  std::array<double, coco_thresholds> recall{};
  bool any = false;
};

struct CocoMatch {
  double score;
  std::array<bool, coco_thresholds> hit, ignored;
};

/// One image and class (COCOeval.evaluateImg): boxes by falling score take the free true box with the largest overlap of at
/// least the threshold; true boxes outside the range of areas and crowds are last, and what they take is ignored.
inline void match_image(const std::vector<Detection>& sorted, const std::vector<TrueBox>& all,
                        std::array<double, 2> area, std::vector<CocoMatch>& matches, std::int64_t& to_find) {
  std::vector<TrueBox> truth = all;
  const auto out = [&](const TrueBox& one) { return one.crowd || one.size() < area[0] || one.size() > area[1]; };
  std::stable_sort(truth.begin(), truth.end(), [&](const TrueBox& a, const TrueBox& b) { return out(a) < out(b); });
  for (const TrueBox& one : truth) to_find += !out(one);
  const std::size_t first = matches.size();
  for (const Detection& one : sorted) matches.push_back({one.score, {}, {}});
  for (int t = 0; t < coco_thresholds; ++t) {
    std::vector<char> taken(truth.size(), 0);
    for (std::size_t d = 0; d < sorted.size(); ++d) {
      double best = std::min(coco_threshold(t), 1 - 1e-10);
      std::ptrdiff_t match = -1;
      for (std::size_t g = 0; g < truth.size(); ++g) {
        if (taken[g] && !truth[g].crowd) continue;
        if (match >= 0 && !out(truth[static_cast<std::size_t>(match)]) && out(truth[g])) break;
        const double both = intersection(sorted[d].box, truth[g].box), own = sorted[d].box.area();
        const double overlap = both / (truth[g].crowd ? own : own + truth[g].box.area() - both);
        if (overlap < best || std::isnan(overlap)) continue;
        best = overlap;
        match = static_cast<std::ptrdiff_t>(g);
      }
      CocoMatch& result = matches[first + d];
      const double own = sorted[d].box.area();
      result.hit[static_cast<std::size_t>(t)] = match >= 0;
      result.ignored[static_cast<std::size_t>(t)] =
          match >= 0 ? out(truth[static_cast<std::size_t>(match)]) : own < area[0] || own > area[1];
      if (match >= 0) taken[static_cast<std::size_t>(match)] = 1;
    }
  }
}

/// COCOeval.accumulate.
inline CocoCurve curve_of(std::vector<CocoMatch> matches, std::int64_t to_find) {
  CocoCurve curve;
  if (to_find == 0) return curve;
  curve.any = true;
  std::stable_sort(matches.begin(), matches.end(),
                   [](const CocoMatch& a, const CocoMatch& b) { return a.score > b.score; });
  for (std::size_t t = 0; t < coco_thresholds; ++t) {
    std::vector<double> recall, precision;
    double right = 0, wrong = 0;
    for (const CocoMatch& one : matches) {
      if (!one.ignored[t]) (one.hit[t] ? right : wrong) += 1;
      recall.push_back(right / static_cast<double>(to_find));
      precision.push_back(right / (right + wrong + std::numeric_limits<double>::epsilon()));
    }
    for (std::size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
    curve.recall[t] = recall.empty() ? 0 : recall.back();
    for (std::size_t r = 0; r < coco_recalls; ++r) {
      const double wanted = r == coco_recalls - 1 ? 1 : 0.01 * static_cast<double>(r);
      const auto at = std::lower_bound(recall.begin(), recall.end(), wanted) - recall.begin();
      curve.precision[t][r] =
          static_cast<std::size_t>(at) < precision.size() ? precision[static_cast<std::size_t>(at)] : 0;
    }
  }
  return curve;
}

}  // namespace detail

/// Average precision by COCO's rules (pycocotools, cocoeval.py, boxes): ten thresholds of the overlap, 101 points of
/// recall, at most 100 boxes an image, ranges of areas, crowds. `found[i]` and `truth[i]` are of image i; labels are 0 to
/// `classes` - 1.
inline DetectionScores coco_average_precision(const std::vector<std::vector<Detection>>& found,
                                              const std::vector<std::vector<TrueBox>>& truth, int classes) {
  require(found.size() == truth.size(), "[coco] found boxes of ", found.size(), " images, true ones of ", truth.size());
  const auto check = [&](const Box& box, std::size_t image) {
    require(box.label >= 0 && box.label < classes, "[coco] image ", image, " has a box of class ", box.label,
            ", expected 0 to ", classes - 1);
    require(box.right >= box.left && box.bottom >= box.top, "[coco] image ", image, " has a box with a negative side");
  };
  constexpr std::array<std::size_t, 3> most = {1, 10, 100};
  // curves[class][0..3]: each range of areas with 100 boxes; [4], [5]: all areas with 1 and 10.
  std::vector<std::array<detail::CocoCurve, 6>> curves(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < found.size(); ++i) {
    for (const Detection& one : found[i]) check(one.box, i);
    for (const TrueBox& one : truth[i]) check(one.box, i);
  }
  for (int c = 0; c < classes; ++c) {
    std::array<std::vector<detail::CocoMatch>, 6> matches;
    std::array<std::int64_t, 6> to_find{};
    for (std::size_t i = 0; i < found.size(); ++i) {
      std::vector<Detection> mine;
      std::vector<TrueBox> there;
      for (const Detection& one : found[i])
        if (one.box.label == c) mine.push_back(one);
      for (const TrueBox& one : truth[i])
        if (one.box.label == c) there.push_back(one);
      std::stable_sort(mine.begin(), mine.end(),
                       [](const Detection& a, const Detection& b) { return a.score > b.score; });
      if (mine.size() > most[2]) mine.resize(most[2]);
      for (std::size_t a = 0; a < 4; ++a)
        detail::match_image(mine, there, detail::coco_areas[a], matches[a], to_find[a]);
      for (std::size_t k = 0; k < 2; ++k) {
        std::vector<Detection> few = mine;
        if (few.size() > most[1 - k]) few.resize(most[1 - k]);
        detail::match_image(few, there, detail::coco_areas[0], matches[4 + k], to_find[4 + k]);
      }
    }
    for (std::size_t k = 0; k < 6; ++k)
      curves[static_cast<std::size_t>(c)][k] = detail::curve_of(std::move(matches[k]), to_find[k]);
  }

  const auto mean_of = [&](std::size_t which, auto&& value) {
    double sum = 0, count = 0;
    for (const auto& of_class : curves)
      if (of_class[which].any) sum += value(of_class[which]), ++count;
    return count > 0 ? sum / count : -1;
  };
  const auto precision_at = [](std::size_t t) {
    return [t](const detail::CocoCurve& curve) {
      return std::accumulate(curve.precision[t].begin(), curve.precision[t].end(), 0.0) / detail::coco_recalls;
    };
  };
  const auto precision = [&](const detail::CocoCurve& curve) {
    double sum = 0;
    for (std::size_t t = 0; t < detail::coco_thresholds; ++t) sum += precision_at(t)(curve);
    return sum / detail::coco_thresholds;
  };
  const auto recall = [](const detail::CocoCurve& curve) {
    return std::accumulate(curve.recall.begin(), curve.recall.end(), 0.0) / detail::coco_thresholds;
  };
  DetectionScores scores;
  scores.ap = mean_of(0, precision), scores.ap50 = mean_of(0, precision_at(0)),
  scores.ap75 = mean_of(0, precision_at(5));
  scores.ap_small = mean_of(1, precision), scores.ap_medium = mean_of(2, precision);
  scores.ap_large = mean_of(3, precision);
  scores.ar1 = mean_of(5, recall), scores.ar10 = mean_of(4, recall), scores.ar100 = mean_of(0, recall);
  scores.ar_small = mean_of(1, recall), scores.ar_medium = mean_of(2, recall), scores.ar_large = mean_of(3, recall);
  for (const auto& of_class : curves) scores.ap_per_class.push_back(of_class[0].any ? precision(of_class[0]) : -1);
  return scores;
}

}  // namespace contrastive
