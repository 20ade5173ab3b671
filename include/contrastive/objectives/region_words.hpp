// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/matmul.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/ops/softmax.hpp"

/// ViLD's arithmetic (Gu et al. 2021, arXiv:2104.13921; tensorflow/tpu, models/official/detection/projects/vild).
namespace contrastive {

inline constexpr double region_scale = 100;  // of cosines

/// Cosines of regions and words, times 100 (vild_head.py, ViLDFastrcnnHead): regions (K, D) and rows (V, D) of any length to
/// (K, V). With a `background` row (D) column 0 is its, and the words follow: (K, 1 + V).
inline Tensor region_logits(const Tensor& regions, const Tensor& rows, const Tensor& background = {}) {
  require(regions.rank() == 2 && rows.rank() == 2 && regions.size(1) == rows.size(1) &&
              (!background.defined() || background.shape() == Shape{rows.size(1)}),
          "[region_logits] expected regions (K, D) and rows (V, D), got ", regions.shape(), " and ", rows.shape());
  const Tensor all = background.defined() ? concat({background.reshape({1, rows.size(1)}), rows}) : rows;
  return matmul(normalize(regions), normalize(all), false, true, region_scale);
}

/// The mean over regions of the cross entropy (vild_losses.py, FastrcnnClassLoss). logits: (K, 1 + V); labels: i64 (K), 0 the
/// background. `keep`, if given, is (1 + V): a column with a 0 has logits of 0, as if its cosine were, and stays in the sum;
/// the official code treats names that training must not show so.
inline Tensor region_cross_entropy(const Tensor& logits, const Tensor& labels, const Tensor& keep = {}) {
  require(!keep.defined() || keep.shape() == Shape{logits.size(1)}, "[region_cross_entropy] expected keep (",
          logits.size(1), "), got ", keep.shape());
  return mean(cross_entropy_rows(
      keep.defined() ? logits * keep.to(logits.dtype()).reshape({1, logits.size(1)}) : logits, labels));
}

/// L1 distillation (vild_model.py, build_losses): the sum over dimensions of |region - teacher|, both at unit length,
/// averaged over regions. Both (K, D); no gradient flows to the teacher. 0 where there is no region.
inline Tensor region_distillation(const Tensor& regions, const Tensor& teacher) {
  require(regions.rank() == 2 && regions.shape() == teacher.shape(),
          "[region_distillation] expected regions and teacher of the same (K, D), got ", regions.shape(), " and ",
          teacher.shape());
  return sum(abs(normalize(regions) - normalize(teacher.detach()))) *
         (1 / static_cast<double>(std::max<std::int64_t>(1, regions.size(0))));
}

/// A teacher's row of a region by its crops at 1 and 1.5 times the size (arXiv:2104.13921, section 3.3): the sum of both
/// embeddings at unit length. Both (K, D).
inline Tensor crop_ensemble(const Tensor& once, const Tensor& larger) {
  return normalize(normalize(once) + normalize(larger));
}

/// Probabilities of the words of a list, (K, V), for each region: of the text head (K, 1 + V), whose softmax knows the
/// background and leaves its column out; and of the image head (K, V), which has none.
inline Tensor text_head_scores(const Tensor& logits) { return narrow(softmax(logits), 1, 1, logits.size(1)); }
inline Tensor image_head_scores(const Tensor& logits) { return softmax(logits); }

/// The geometric mean of both (postprocess_ops.py, GenericDetectionGenerator): the text head's weight is 2/3 for words that
/// training showed and 1/3 for others. It is not normalised again. Both (K, V); `is_base` (V) says of each word whether
/// training showed it. No gradient.
inline Tensor ensemble_scores(const Tensor& text, const Tensor& image, const std::vector<bool>& is_base) {
  require(text.rank() == 2 && text.shape() == image.shape() && std::ssize(is_base) == text.size(1),
          "[ensemble_scores] expected two times (K, V) and V words, got ", text.shape(), ", ", image.shape(), " and ",
          is_base.size());
  const Tensor a = text.detach().to(Device::cpu).to(DType::f64), b = image.detach().to(Device::cpu).to(DType::f64);
  const Tensor scores(a.shape(), DType::f64);
  const std::int64_t V = a.size(1);
  for (std::int64_t i = 0; i < a.count(); ++i) {
    const double p = a.data<double>()[i], q = b.data<double>()[i];
    scores.data<double>()[i] = std::cbrt(p * q * (is_base[static_cast<std::size_t>(i % V)] ? p : q));
  }
  return scores;
}

}  // namespace contrastive
