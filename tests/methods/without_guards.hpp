// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/methods/dino.hpp"
#include "contrastive/methods/simsiam.hpp"
#include "contrastive/methods/swav.hpp"
#include "contrastive/ops/ops.hpp"
#include "methods/on_shapes.hpp"

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

/// SimSiam's `StopGradient` without the stop: the other branch with its gradient, and the loss that lets it through.
struct KeepGradient {
  template <class Tower>
  struct Branch : Shared::Branch<Tower> {
    static constexpr bool present = true;
    Branch(const KeepGradient&, const Tower& online) : Shared::Branch<Tower>({}, online) {}
  };
};

struct CosineWithGradient {
  Tensor operator()(const Embeddings& z) const {
    const auto cosine = [](const Tensor& p, const Tensor& t) { return mean(sum(normalize(p) * normalize(t), 1)); };
    return (cosine(z.online[0], z.target[1]) + cosine(z.online[1], z.target[0])) * -0.5;
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
