// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "contrastive/objectives/atss.hpp"
#include "contrastive/objectives/token_focal_loss.hpp"

namespace contrastive {

/// A grounding head's answers for each of A places: logits of L tokens, codes of a box by its anchor, and the logit of how
/// central the place is in its box.
struct GroundingOutput {
  Tensor tokens;      // (N, A, L)
  Tensor codes;       // (N, A, 4)
  Tensor centerness;  // (N, A)
};

/// The three parts of (N, A, L + 5), which stand beside each other.
inline GroundingOutput grounding_output(const Tensor& z) {
  require(z.rank() == 3 && z.size(2) > 5, "[grounding_output] expected (N, A, L + 5), got ", z.shape());
  const std::int64_t T = z.size(2) - 5;
  return {narrow(z, 2, 0, T), narrow(z, 2, T, T + 4), narrow(z, 2, T + 4, T + 5).reshape({z.size(0), z.size(1)})};
}

/// The right answers.
struct GroundingTargets {
  Tensor tokens;                       // (N, A, L), 1 where the place's box is of a phrase with that token
  std::vector<std::int64_t> positive;  // rows n A + a of places that have a box
  Tensor codes, anchors;               // (K, 4), of those places
  Tensor centerness;                   // (K)
};

/// The targets of images whose boxes are `boxes[n]`, (B, 4), each with its row in `token_maps[n]`, (B, L), 1 for the tokens
/// of its phrase. In dtype and on the device of `like`.
inline GroundingTargets grounding_targets(const std::vector<AnchorLevel>& levels, const std::vector<Tensor>& boxes,
                                          const std::vector<Tensor>& token_maps, const Tensor& like) {
  const Tensor all = make_anchors(levels);
  const auto N = static_cast<std::int64_t>(boxes.size()), A = all.size(0), L = token_maps.at(0).size(1);
  GroundingTargets targets{Tensor::zeros({N, A, L}, DType::f64), {}, {}, {}, {}};
  std::vector<double> anchors, matched;
  for (std::int64_t n = 0; n < N; ++n) {
    const Tensor own = boxes[static_cast<std::size_t>(n)].to(DType::f64),
                 map = token_maps[static_cast<std::size_t>(n)].to(DType::f64);
    require(map.shape() == Shape{own.size(0), L}, "[grounding_targets] image ", n, " has ", own.size(0),
            " boxes, and tokens ", map.shape(), " of them");
    const std::vector<std::int64_t> match = assign_anchors(levels, all, own);
    for (std::int64_t a = 0; a < A; ++a) {
      const std::int64_t b = match[static_cast<std::size_t>(a)];
      if (b < 0) continue;
      targets.positive.push_back(n * A + a);
      std::copy_n(map.data<double>() + b * L, L, targets.tokens.data<double>() + (n * A + a) * L);
      anchors.insert(anchors.end(), all.data<double>() + 4 * a, all.data<double>() + 4 * (a + 1));
      matched.insert(matched.end(), own.data<double>() + 4 * b, own.data<double>() + 4 * (b + 1));
    }
  }
  const auto K = static_cast<std::int64_t>(targets.positive.size());
  const auto placed = [&](const Tensor& x) { return x.to(like.dtype()).to(like.device()); };
  const Tensor at = Tensor::from<double>(anchors, {K, 4}), of = Tensor::from<double>(matched, {K, 4});
  const Tensor codes = encode_boxes(of, at);
  targets.tokens = placed(targets.tokens);
  targets.codes = placed(codes), targets.anchors = placed(at);
  targets.centerness = placed(centerness(decode_boxes(codes, at), at));
  return targets;
}

/// The three losses of a grounding head.
struct GroundingLoss {
  Tensor tokens, boxes, centerness;  // scalars

  Tensor total() const { return tokens + boxes + centerness; }
};

/// Focal loss over tokens and binary cross entropy of centerness, each over the number of places with a box; and twice the
/// mean of 1 - GIoU, weighted by how central a place is (microsoft/GLIP, modeling/rpn/loss.py, ATSSLossComputation).
/// `mask` (N, L): 0 for padding.
inline GroundingLoss grounding_loss(const GroundingOutput& out, const GroundingTargets& targets, const Tensor& mask) {
  const std::int64_t N = out.tokens.size(0), A = out.tokens.size(1),
                     K = static_cast<std::int64_t>(targets.positive.size());
  const double positives = static_cast<double>(std::max<std::int64_t>(1, K));
  GroundingLoss loss;
  loss.tokens = token_focal_loss(out.tokens, targets.tokens, mask) / positives;
  if (K == 0) {
    loss.boxes = sum(out.codes) * 0;
    loss.centerness = sum(out.centerness) * 0;
    return loss;
  }
  const Tensor rows = Tensor::from<std::int64_t>(targets.positive, {K}).to(out.codes.device());
  const Tensor weights = targets.centerness;
  const Tensor apart = giou_losses(gather(out.codes.reshape({N * A, 4}), rows), targets.codes, targets.anchors);
  loss.boxes = sum(apart * weights) / sum(weights) * 2;
  const Tensor logits = gather(out.centerness.reshape({N * A}), rows);
  loss.centerness = -sum(weights * log_sigmoid(logits) + (1 - weights) * log_sigmoid(-logits)) / positives;
  return loss;
}

}  // namespace contrastive
