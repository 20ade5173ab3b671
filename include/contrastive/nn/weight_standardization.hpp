// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/reduce.hpp"

namespace contrastive {

/// Weight standardisation (Qiao et al. 2019, arXiv:1903.10520): each output's weights at mean 0 and variance 1 (biased,
/// + 1e-10). (out, ...).
inline Tensor standardized(const Tensor& weight) {
  const Tensor rows = weight.reshape({weight.size(0), -1}), centred = rows - mean(rows, 1, true);
  return (centred / sqrt(mean(square(centred), 1, true) + 1e-10)).reshape(weight.shape());
}

}  // namespace contrastive
