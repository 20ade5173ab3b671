// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "contrastive/nn/module.hpp"

namespace contrastive {

/// The learned scale of a contrastive loss, an inverse temperature held as its logarithm (Radford et al. 2021,
/// arXiv:2103.00020, section 2.5; open_clip, src/open_clip/model.py). After each update it is clamped, so that logits are
/// multiplied by 1 to 100.
struct LearnedScale {
  double start = std::log(1 / 0.07);
  Parameter log_scale{Tensor::full({}, start)};
  double least = 0, most = std::log(100.0);

  /// To be called by the objective's own `after_update`.
  template <class Progress>
  void after_update(const Progress&) {
    const double value = log_scale.item(), kept = std::clamp(value, least, most);
    if (kept != value) log_scale.kernels().fill(log_scale.view_to_write(), kept);
  }

  double value() const { return std::exp(log_scale.item()); }
  /// What its place says of a run, as a sentence; empty where nothing.
  std::string complaint() const {
    const double now = log_scale.item();
    if (now >= most - 1e-6) return join("the learned scale rests on its clamp of ", std::exp(most));
    if (now < start - 0.1)
      return join("the learned scale has fallen to ", std::exp(now), ", below its start of ", std::exp(start),
                  ": what the towers give does not match");
    return {};
  }

  template <class F>
  void members(F&& f) {
    f("log_scale", log_scale);
  }
};

}  // namespace contrastive
