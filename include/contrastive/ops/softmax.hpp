// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/ops/elementwise.hpp"

namespace contrastive {

/// exp(x) / sum exp(x) over the last axis.
inline Tensor softmax(const Tensor& x) {
  const Tensor y(x.shape(), x.dtype(), x.device());
  x.kernels().softmax(x.view(), y.view());
  if (!recording({&x})) return y;
  return record(y, [dx = Grad(x), y = Saved("softmax", y)](const Tensor& dy) {
    const Tensor d(y->shape(), y->dtype(), y->device());
    d.kernels().softmax_grad(y->view(), dy.view(), d.view());
    dx.add(d);
  });
}

/// x - log sum exp(x) over the last axis.
inline Tensor log_softmax(const Tensor& x) {
  const Tensor y(x.shape(), x.dtype(), x.device());
  x.kernels().log_softmax(x.view(), y.view());
  if (!recording({&x})) return y;
  return record(y, [dx = Grad(x), y = Saved("log_softmax", y)](const Tensor& dy) {
    const Tensor d(y->shape(), y->dtype(), y->device());
    d.kernels().log_softmax_grad(y->view(), dy.view(), d.view());
    dx.add(d);
  });
}

/// log sum exp(x) of each row, (N, C) -> (N); -infinity takes no part. bf16 rows give f32.
inline Tensor log_sum_exp(const Tensor& x) {
  require(x.rank() == 2 && x.size(1) > 0, "[log_sum_exp] expected (N, C) with C > 0, got ", x.shape());
  const DType dtype = x.dtype() == DType::bf16 ? DType::f32 : x.dtype();
  const std::int64_t N = x.size(0);
  const Tensor first = Tensor::zeros({N}, DType::i64, x.device()), less({N}, dtype, x.device()),
               y(less.shape(), dtype, x.device());
  x.kernels().cross_entropy(x.view(), first.view(), less.view(), y.view());  // y and, unwanted, y less the first logit
  if (!recording({&x})) return y;
  return record(y, [dx = Grad(x), x = x.detach(), y](const Tensor& dy) {
    const Shape column{y.size(0), 1};
    dx.add((exp(x.to(y.dtype()) - y.detach().reshape(column)) * dy.reshape(column)).to(x.dtype()));
  });
}

/// -log softmax(logits)[target], a row each: (N, C) and i64 (N) -> (N). bf16 logits give an f32 loss.
inline Tensor cross_entropy_rows(const Tensor& logits, const Tensor& targets) {
  require(logits.rank() == 2 && targets.shape() == Shape{logits.size(0)} && targets.dtype() == DType::i64,
          "[cross_entropy] expected logits (N, C) and i64 targets (N), got ", logits.shape(), " and ", targets.shape(),
          " ", to_string(targets.dtype()));
  check_devices("cross_entropy", {&logits, &targets});
  if (targets.device() == Device::cpu)
    for (std::int64_t target : targets.span<std::int64_t>())
      require(target >= 0 && target < logits.size(1), "[cross_entropy] target ", target, " is outside ", logits.size(1),
              " classes");
  const DType dtype = logits.dtype() == DType::bf16 ? DType::f32 : logits.dtype();
  const Tensor loss({logits.size(0)}, dtype, logits.device()), lse({logits.size(0)}, dtype, logits.device());
  logits.kernels().cross_entropy(logits.view(), targets.view(), loss.view(), lse.view());
  if (!recording({&logits})) return loss;
  return record(loss, [dx = Grad(logits), logits = Saved("cross_entropy", logits),
                       targets = Saved("cross_entropy", targets), lse](const Tensor& dy) {
    const Tensor d(logits->shape(), logits->dtype(), logits->device());
    d.kernels().cross_entropy_grad(logits->view(), targets->view(), lse.view(), dy.view(), d.view());
    dx.add(d);
  });
}

/// Rows scaled to unit length: x / max(|x|, eps). (N, D) -> (N, D). torch.nn.functional.normalize has eps 1e-12.
inline Tensor normalize(const Tensor& x, double eps = 1e-12) {
  require(x.rank() == 2, "[normalize] expected (N, D), got ", x.shape());
  const Tensor y(x.shape(), x.dtype(), x.device());
  const Tensor norm({x.size(0)}, x.dtype() == DType::bf16 ? DType::f32 : x.dtype(), x.device());
  x.kernels().normalize(x.view(), eps, y.view(), norm.view());
  if (!recording({&x})) return y;
  return record(y, [dx = Grad(x), y = Saved("normalize", y), norm, eps](const Tensor& dy) {
    const Tensor d(y->shape(), y->dtype(), y->device());
    d.kernels().normalize_grad(y->view(), norm.view(), dy.view(), eps, d.view());
    dx.add(d);
  });
}

}  // namespace contrastive
