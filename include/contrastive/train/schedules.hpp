// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "contrastive/methods/target.hpp"
#include "contrastive/optim/optimizer.hpp"
#include "contrastive/optim/schedule.hpp"
#include "contrastive/train/settings.hpp"

/// What changes from step to step, as the settings say.
namespace contrastive {

/// Linear warm-up from `warmup-lr`, then half a cosine to `lr-end`, `decay` at each milestone, or constant. The peak
/// is `scaled_rate`. With `epoch-schedule` the value changes once an epoch.
inline double learning_rate(const Settings& s, Progress at) {
  const double peak = scaled_rate(s), epochs = static_cast<double>(s.epochs);
  const double epoch = s.epoch_schedule ? std::floor(at.epoch()) : at.epoch();
  if (epoch < s.warmup_epochs || s.schedule == "cosine")
    return warmup_cosine(
        epoch, {.peak = peak, .steps = epochs, .warmup = s.warmup_epochs, .start = s.warmup_lr, .end = s.lr_end});
  return s.schedule == "step" ? step_decay(epoch, peak, milestones_of(s)) : peak;
}

/// Weight decay of the step: half a cosine to `weight-decay-end` where that is not negative (DINO).
inline double weight_decay(const Settings& s, Progress at) {
  return s.weight_decay_end < 0 ? s.weight_decay : cosine(s.weight_decay, s.weight_decay_end, at.fraction());
}

inline Optimizer make_optimizer(std::vector<ParameterGroup> groups, const Settings& s) {
  const auto lars = [&](LarsOptions options) {
    options.momentum = s.momentum;
    return Lars(std::move(groups), options);
  };
  if (s.optimizer == "lars") return lars(lars_simclr());
  if (s.optimizer == "lars-moco") return lars(lars_moco_v3());
  if (s.optimizer == "larc") return lars(larc());
  if (s.optimizer == "lars-solo") return lars(lars_solo_learn());
  if (s.optimizer == "adamw") return AdamW(std::move(groups), {.beta2 = s.beta2, .eps = s.adam_epsilon});
  if (s.optimizer == "adam")
    return AdamW(std::move(groups), {.beta2 = s.beta2, .eps = s.adam_epsilon, .decoupled = false});
  return Sgd(std::move(groups), {.momentum = s.momentum});
}

}  // namespace contrastive
