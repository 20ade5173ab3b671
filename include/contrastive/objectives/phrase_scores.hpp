// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "contrastive/nn/phrases.hpp"
#include "contrastive/ops/box_codes.hpp"

namespace contrastive {

/// The mean probability of each phrase's tokens, logits (A, L) -> (A, P) f64 (microsoft/GLIP, modeling/rpn/inference.py,
/// convert_grounding_to_od_logits with MEAN): the sigmoid first, then the mean.
inline Tensor phrase_scores(const Tensor& token_logits, const std::vector<TokenSpan>& spans) {
  require(token_logits.rank() == 2, "[phrase_scores] expected logits (A, L), got ", token_logits.shape());
  const Tensor logits = token_logits.detach().to(Device::cpu).to(DType::f64);
  const std::int64_t A = logits.size(0), L = logits.size(1), P = static_cast<std::int64_t>(spans.size());
  const Tensor scores({A, P}, DType::f64);
  for (std::int64_t p = 0; p < P; ++p) {
    const TokenSpan& span = spans[static_cast<std::size_t>(p)];
    require(span.first >= 0 && span.count >= 1 && span.first + span.count <= L, "[phrase_scores] phrase ", p,
            " has tokens ", span.first, " to ", span.first + span.count, " of ", L);
    for (std::int64_t a = 0; a < A; ++a) {
      double total = 0;
      for (std::int64_t t = span.first; t < span.first + span.count; ++t)
        total += 1 / (1 + std::exp(-logits.data<double>()[a * L + t]));
      scores.data<double>()[a * P + p] = total / static_cast<double>(span.count);
    }
  }
  return scores;
}

struct PhraseBoxOptions {
  double least = 0.05;      // of a phrase's score
  double overlap = 0.6;     // boxes of a phrase that overlap a better one by more are left out; 1: none
  std::int64_t each = 200;  // boxes of a phrase that are looked at, the best ones
  std::int64_t most = 100;  // of all phrases
};

/// Boxes of an image by falling score.
struct PhraseBoxes {
  Tensor boxes;                       // (K, 4) f64: left, top, right, bottom, the last pixel belongs to the box
  std::vector<double> scores;         // sqrt(phrase score x centerness)
  std::vector<std::int64_t> phrases;  // the place of its phrase in the prompt
};

/// The boxes that an image has of some phrases (modeling/rpn/inference.py, ATSSPostProcessor): a place has one for each
/// phrase whose score is above `least`, cut to the image. Scores (A, P), codes and anchors (A, 4), centerness logits (A).
inline PhraseBoxes phrase_boxes(const Tensor& scores, const Tensor& codes, const Tensor& centerness,
                                const Tensor& anchors, std::int64_t height, std::int64_t width,
                                const PhraseBoxOptions& options = {}) {
  const std::int64_t A = scores.size(0), P = scores.size(1);
  require(codes.shape() == Shape{A, 4} && centerness.shape() == Shape{A} && anchors.shape() == Shape{A, 4},
          "[phrase_boxes] expected ", A, " codes, centerness logits and anchors, got ", codes.shape(), " ",
          centerness.shape(), " ", anchors.shape());
  const auto host = [](const Tensor& x) { return x.detach().to(Device::cpu).to(DType::f64); };
  const Tensor all = decode_boxes(host(codes), host(anchors)), central = host(centerness);
  struct Found {
    double score;
    std::int64_t phrase;
    std::array<double, 4> box;
  };
  const auto by_score = [](const Found& a, const Found& b) { return a.score > b.score; };
  std::vector<Found> found;
  for (std::int64_t p = 0; p < P; ++p) {
    std::vector<Found> own;
    for (std::int64_t a = 0; a < A; ++a) {
      const double score = scores.data<double>()[a * P + p];
      if (!(score > options.least)) continue;
      own.push_back({std::sqrt(score / (1 + std::exp(-central.data<double>()[a]))), p, {}});
      for (std::size_t edge = 0; edge < 4; ++edge)
        own.back().box[edge] = std::clamp(all.data<double>()[4 * a + static_cast<std::int64_t>(edge)], 0.0,
                                          static_cast<double>(edge % 2 == 0 ? width : height) - 1);
    }
    std::ranges::stable_sort(own, by_score);
    if (std::ssize(own) > options.each) own.resize(static_cast<std::size_t>(options.each));
    const std::size_t first = found.size();
    for (const Found& one : own) {
      // As in the official code an overlap counts the last pixel.
      const bool gone =
          options.overlap < 1 &&
          std::any_of(found.begin() + static_cast<std::ptrdiff_t>(first), found.end(), [&](const Found& other) {
            return detail::inclusive_iou(one.box.data(), other.box.data()) > options.overlap;
          });
      if (!gone) found.push_back(one);
    }
  }
  std::ranges::stable_sort(found, by_score);
  if (std::ssize(found) > options.most) found.resize(static_cast<std::size_t>(options.most));
  PhraseBoxes result{Tensor({std::ssize(found), 4}, DType::f64), {}, {}};
  for (const Found& one : found) {
    std::ranges::copy(one.box, result.boxes.data<double>() + 4 * result.scores.size());
    result.scores.push_back(one.score);
    result.phrases.push_back(one.phrase);
  }
  return result;
}

}  // namespace contrastive
