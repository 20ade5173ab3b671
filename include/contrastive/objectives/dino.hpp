// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "contrastive/objectives/state/center.hpp"
#include "contrastive/objectives/swapped_prediction.hpp"

namespace contrastive {

/// The teacher's temperature: from `start` at epoch 0 to `end` in the last of `warmup` epochs, then `end`.
struct TeacherTemperature {
  double start = 0.04;
  double end = 0.04;        // 0.07 for ViT-S
  std::int64_t warmup = 0;  // epochs, 30 for ViT-S

  double at(double epoch) const {
    const double whole = std::floor(epoch);
    if (whole >= static_cast<double>(warmup)) return end;
    return warmup == 1 ? start : start + (end - start) * whole / static_cast<double>(warmup - 1);
  }
};

/// The teacher's distribution: softmax((t - c) / temperature), no gradient. Centring spreads it out, the low temperature
/// sharpens it; without either it collapses, to one output or to all alike.
inline Tensor dino_targets(const Tensor& teacher, const Center& center, double temperature) {
  check_temperature("dino", temperature, "the teacher's temperature");
  const NoGrad no_grad;
  return softmax((teacher.detach() - center.center) / temperature);
}

/// DINO's loss (Caron et al. 2021, arXiv:2104.14294, eq. 3; facebookresearch/dino, main_dino.py, DINOLoss): cross
/// entropy of each student view with each teacher view of another index. student: V outputs (B, K); teacher: those of
/// the first views. First step about ln K. Update the centre afterwards, from the same teacher outputs.
inline Tensor dino_loss(std::span<const Tensor> student, std::span<const Tensor> teacher, const Center& center,
                        double teacher_temperature, double student_temperature = 0.1) {
  std::vector<Tensor> targets;
  for (const Tensor& t : teacher) targets.push_back(dino_targets(t, center, teacher_temperature));
  return swapped_prediction(student, targets, student_temperature);
}

}  // namespace contrastive
