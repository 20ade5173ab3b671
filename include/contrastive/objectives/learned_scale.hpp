// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>

#include "contrastive/nn/module.hpp"

namespace contrastive {

/// The learned scale of a contrastive loss, an inverse temperature held as its logarithm (Radford et al. 2021,
/// arXiv:2103.00020, section 2.5; open_clip, src/open_clip/model.py). After each update it is clamped, so that logits are
/// multiplied by 1 to 100.
struct LearnedScale {
  Parameter log_scale{Tensor::full({}, std::log(1 / 0.07))};
  double least = 0, most = std::log(100.0);

  /// To be called by the objective's own `after_update`.
  template <class Progress>
  void after_update(const Progress&) {
    const double value = log_scale.item(), kept = std::clamp(value, least, most);
    if (kept != value) log_scale.kernels().fill(log_scale.view_to_write(), kept);
  }

  template <class F>
  void members(F&& f) {
    f("log_scale", log_scale);
  }
};

}  // namespace contrastive
