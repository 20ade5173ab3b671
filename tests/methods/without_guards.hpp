// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/methods/dino.hpp"
#include "contrastive/methods/swav.hpp"
#include "contrastive/ops/ops.hpp"
#include "methods/on_shapes.hpp"

/// Methods that have lost what keeps them from the trivial solution: for their own tests and those of the watch.
namespace without_guards {

using namespace contrastive;

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

/// DINO for drawn shapes; a centre of momentum 1 never moves, a teacher as warm as the student does not sharpen.
inline auto dino_with(TeacherTemperature temperature, double center_momentum) {
  const DinoConfig config{.outputs = 64,
                          .hidden = 64,
                          .bottleneck = 32,
                          .batch_norm = true,
                          .freeze_last_layer = 0,
                          .teacher_temperature = temperature,
                          .center_momentum = center_momentum,
                          .momentum = 0.9};
  return dino(tiny_encoder(Rng(seeded(5))), simclr_cifar(12), config, Rng(seeded(5)));
}

}  // namespace without_guards
