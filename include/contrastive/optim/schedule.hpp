// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "contrastive/core/error.hpp"

/// Schedules are free functions of the step, with no state to save. `step` may be a fraction: methods that think in
/// epochs pass `epoch + batch / batches`, and those that change once an epoch pass the epoch.
namespace contrastive {

/// Half a cosine from `from` at progress 0 to `to` at 1, constant outside. The rate of MoCo v2 and SimSiam is
/// `cosine(lr, 0, epoch / epochs)`; the averaging rate of BYOL and MoCo v3 is `cosine(0.996, 1, step / steps)`.
inline double cosine(double from, double to, double progress) {
  progress = progress < 0 ? 0 : progress > 1 ? 1 : progress;
  return to + (from - to) * 0.5 * (1 + std::cos(3.14159265358979323846 * progress));
}

struct WarmupCosine {
  double peak = 0;
  double steps = 0;   // of the whole run; has to be given
  double warmup = 0;  // of them, linear from `start`; the peak is reached at step == warmup
  double start = 0;
  double end = 0;  // reached at step == steps; 0.001 peak in Barlow Twins and VICReg
};

/// Linear warm-up, then half a cosine: SimCLR, MoCo v3, BYOL, MAE, Barlow Twins, VICReg. It stays at `end`.
inline double warmup_cosine(double step, const WarmupCosine& schedule) {
  require(schedule.steps > 0, "[warmup_cosine] expected the number of steps of the run, got ", schedule.steps);
  require(schedule.warmup >= 0 && schedule.warmup <= schedule.steps,
          "[warmup_cosine] expected 0 <= warmup <= steps, got ", schedule.warmup, " and ", schedule.steps);
  if (step < schedule.warmup) return schedule.start + (schedule.peak - schedule.start) * step / schedule.warmup;
  const double rest = schedule.steps - schedule.warmup;
  return cosine(schedule.peak, schedule.end, rest > 0 ? (step - schedule.warmup) / rest : 1);
}

/// From step `at` on, the rate is `factor` of what it was.
struct Milestone {
  double at, factor;
  Milestone(double step, double of = 0.1) : at(step), factor(of) {}
};

/// `base` times the factor of each milestone reached: MoCo v1 is `step_decay(epoch, lr, {120, 160})`, InvaSpread
/// `step_decay(epoch, lr, {{120, 0.1}, {160, 0.5}, {200, 0.2}})`.
inline double step_decay(double step, double base, const std::vector<Milestone>& milestones) {
  for (const Milestone& milestone : milestones)
    if (step >= milestone.at) base *= milestone.factor;
  return base;
}

/// The rate for a batch when `base` is right for 256 (Goyal et al. 2017, arXiv 1706.02677).
inline double linear_scaling(double base, std::int64_t batch) { return base * static_cast<double>(batch) / 256; }

/// SimCLR's other rule, with its base of 0.075: better at batches below 4,096.
inline double sqrt_scaling(double base, std::int64_t batch) { return base * std::sqrt(static_cast<double>(batch)); }

}  // namespace contrastive
