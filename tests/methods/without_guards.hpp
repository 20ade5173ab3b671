// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/methods/swav.hpp"
#include "contrastive/ops/ops.hpp"

/// Objectives that have lost what keeps them from the trivial solution.
namespace without_guards {

using namespace contrastive;

/// What is left of a contrastive loss without its negatives: the views of a picture attract each other.
struct Attraction {
  Tensor operator()(const Embeddings& z) const {
    return mean(sum(normalize(z.online[0]) * normalize(z.online[1]), 1)) * -1.0;
  }
};

/// SwAV with the softmax of its scores for codes.
struct PlainCodes {
  SwavConfig config;
  Prototypes prototypes;

  Tensor assignments(const Tensor& z) const { return SwavAssignment{config, prototypes, {}}.assignments(z); }

  Tensor operator()(const Embeddings& z) {
    prototypes.normalize();
    std::vector<Tensor> scores, codes;
    for (const Tensor& rows : z.online) scores.push_back(prototypes(normalize(rows)));
    for (std::size_t v = 0; v < config.assigned; ++v)
      codes.push_back(softmax(scores[v].detach() / config.sinkhorn.epsilon));
    return swapped_prediction(scores, codes, config.temperature);
  }
  template <class F>
  void members(F&& f) {
    f("prototypes", prototypes);
  }
};

}  // namespace without_guards
