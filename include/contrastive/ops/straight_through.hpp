// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/ops/index.hpp"
#include "contrastive/ops/reduce.hpp"

namespace contrastive {

/// The values of `hard` with the gradient of `soft` (Bengio et al. 2013, arXiv:1308.3432): of one shape.
inline Tensor straight_through(const Tensor& hard, const Tensor& soft) {
  require(hard.shape() == soft.shape() && hard.dtype() == soft.dtype(), "[straight_through] values ", hard.shape(), " ",
          to_string(hard.dtype()), " are not like ", soft.shape(), " ", to_string(soft.dtype()));
  const Tensor y = hard.detach();
  if (!recording({&soft})) return y;
  return record(y, [dx = Grad(soft)](const Tensor& dy) { dx.add(dy); });
}

/// 1 at the largest entry of the last axis, of equal ones at the first; 0 elsewhere. No gradient.
inline Tensor one_hot_largest(const Tensor& x) {
  const std::int64_t C = x.size(-1);
  const Tensor rows = Tensor::zeros({C, C}, DType::f64);
  for (std::int64_t c = 0; c < C; ++c) rows.data<double>()[c * C + c] = 1;
  const NoGrad no_grad;
  return gather(rows.to(x.dtype()).to(x.device()), argmax(x, x.rank() - 1));
}

}  // namespace contrastive
