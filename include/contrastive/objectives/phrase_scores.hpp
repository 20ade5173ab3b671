// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
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
  double least = 0.05;   // of a phrase's score
  double overlap = 0.6;  // boxes of a phrase that overlap a better one by more are left out; 1: none
  std::int64_t most = 100;
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
    std::int64_t place, phrase;
  };
  std::vector<Found> found;
  for (std::int64_t a = 0; a < A; ++a)
    for (std::int64_t p = 0; p < P; ++p) {
      const double score = scores.data<double>()[a * P + p];
      if (score > options.least) found.push_back({std::sqrt(score / (1 + std::exp(-central.data<double>()[a]))), a, p});
    }
  std::ranges::stable_sort(found, [](const Found& a, const Found& b) { return a.score > b.score; });
  const auto K = static_cast<std::int64_t>(found.size());
  const Tensor boxes({K, 4}, DType::f64), values({K}, DType::f64), classes({K}, DType::i64);
  for (std::int64_t k = 0; k < K; ++k) {
    const Found& one = found[static_cast<std::size_t>(k)];
    for (int edge = 0; edge < 4; ++edge)
      boxes.data<double>()[4 * k + edge] = std::clamp(all.data<double>()[4 * one.place + edge], 0.0,
                                                      static_cast<double>(edge % 2 == 0 ? width : height) - 1);
    values.data<double>()[k] = one.score;
    classes.data<std::int64_t>()[k] = one.phrase;
  }
  std::vector<std::int64_t> stay(found.size());
  std::iota(stay.begin(), stay.end(), 0);
  // Overlaps count the last pixel.
  if (options.overlap < 1 && K > 0)
    stay = nms(boxes + Tensor::from<double>({0, 0, 1, 1}, {4}), values, options.overlap, classes);
  if (std::ssize(stay) > options.most) stay.resize(static_cast<std::size_t>(options.most));
  PhraseBoxes result;
  for (const std::int64_t k : stay) {
    result.scores.push_back(found[static_cast<std::size_t>(k)].score);
    result.phrases.push_back(found[static_cast<std::size_t>(k)].phrase);
  }
  result.boxes = gather(boxes, Tensor::from<std::int64_t>(stay, {std::ssize(stay)}));
  return result;
}

}  // namespace contrastive
