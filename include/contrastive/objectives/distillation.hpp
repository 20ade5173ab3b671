// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "contrastive/core/bounds.hpp"
#include "contrastive/core/labels.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/ops/softmax.hpp"

namespace contrastive {

/// Cross entropy of a student's classes with a teacher's (Hinton et al. 2015, arXiv:1503.02531; SimCLR v2, Chen et al. 2020,
/// arXiv:2006.10029, eq. 2):
///
///     L = - t^2 / N sum_ic softmax(teacher_i / t)_c log softmax(student_i / t)_c
///
/// Both (N, C) logits; no gradient flows to the teacher. t, 1e-4 to 1e4; t^2 keeps the gradient's size. SimCLR v2: t = 1,
/// for a smaller student 0.1.
inline Tensor distill(const Tensor& student, const Tensor& teacher, double temperature = 1) {
  check_temperature("distill", temperature);
  require(student.rank() == 2 && student.shape() == teacher.shape() && student.size(0) > 0,
          "[distill] expected logits of the same (N, C), got ", student.shape(), " and ", teacher.shape());
  const Tensor targets = softmax(teacher.detach() * (1 / temperature));
  const Tensor logs = log_softmax(student * (1 / temperature));
  return sum(targets * logs) * (-temperature * temperature / static_cast<double>(student.size(0)));
}

/// Cross entropy averaged over the rows that have a label (-1: none); 0 where none has.
inline Tensor labelled_cross_entropy(const Tensor& logits, const Labels& labels) {
  require(logits.rank() == 2 && static_cast<std::int64_t>(labels.size()) == logits.size(0), "[labelled_cross_entropy] ",
          labels.size(), " labels for logits of ", logits.shape());
  std::vector<std::int64_t> rows, targets;
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= 0) {
      rows.push_back(static_cast<std::int64_t>(i));
      targets.push_back(labels[i]);
    }
  if (rows.empty()) return sum(logits) * 0;
  const auto column = [&](const std::vector<std::int64_t>& values) {
    return Tensor::from<std::int64_t>(values, {static_cast<std::int64_t>(values.size())}).to(logits.device());
  };
  return mean(cross_entropy_rows(gather(logits, column(rows)), column(targets)));
}

/// With labels beside the teacher (SimCLR v2, eq. 3): (1 - share) `labelled_cross_entropy` + share `distill`.
inline Tensor distill(const Tensor& student, const Tensor& teacher, const Labels& labels, double share,
                      double temperature = 1) {
  require_within("distill", "the teacher's share", share, 0, 1);
  return distill(student, teacher, temperature) * share + labelled_cross_entropy(student, labels) * (1 - share);
}

}  // namespace contrastive
