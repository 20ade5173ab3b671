// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include "contrastive/tensor/tape.hpp"

namespace contrastive {

/// What `batch_norm` takes beside the data; empty tensors where absent.
struct BatchNormArguments {
  Tensor weight{}, bias{};  // (C)
  Tensor residual{};        // like x, added before the ReLU
  bool relu = false;
  double eps = 1e-5;
};

namespace detail {
inline std::pair<Tensor, Tensor> room_for_statistics(const Tensor& x, std::int64_t groups) {
  require(x.rank() >= 2 && groups >= 1 && x.size(0) % groups == 0 && x.count() > 0, "[batch_norm] cannot split ",
          x.shape(), " into ", groups, " groups of rows");
  const DType dtype = x.dtype() == DType::bf16 ? DType::f32 : x.dtype();
  return {Tensor({groups, x.size(-1)}, dtype, x.device()), Tensor({groups, x.size(-1)}, dtype, x.device())};
}
}  // namespace detail

/// Mean and biased variance per channel in G groups of consecutive rows, each (G, C); outside the tape. The groups
/// are what several devices with a batch norm of their own would have seen.
inline std::pair<Tensor, Tensor> batch_norm_statistics(const Tensor& x, std::int64_t groups = 1) {
  const auto [mean, var] = detail::room_for_statistics(x, groups);
  x.kernels().batch_norm_stats(x.view(), mean.view(), var.view());
  return {mean, var};
}

/// y = [relu]((x - mean) / sqrt(var + eps) * weight + bias [+ residual]) over all axes but the last. `frozen` says
/// that mean and var are constants; else they are taken to be x's own, and the gradient goes through them.
inline Tensor batch_norm(const Tensor& x, const Tensor& mean, const Tensor& var, bool frozen,
                         const BatchNormArguments& with = {}) {
  require(mean.rank() == 2 && mean.shape() == var.shape() && mean.size(1) == x.size(-1) && mean.size(0) > 0 &&
              x.size(0) % mean.size(0) == 0,
          "[batch_norm] expected statistics (G, ", x.size(-1), ") with G a divisor of ", x.size(0), ", got ",
          mean.shape(), " and ", var.shape());
  require(!with.residual.defined() || with.residual.shape() == x.shape(), "[batch_norm] the residual ",
          with.residual.shape(), " is not like ", x.shape());
  check_devices("batch_norm", {&x, &mean, &var, &with.weight, &with.bias, &with.residual});
  const Tensor y(x.shape(), x.dtype(), x.device());
  x.kernels().batch_norm({.x = x.view(),
                          .mean = mean.view(),
                          .var = var.view(),
                          .weight = with.weight.view(),
                          .bias = with.bias.view(),
                          .residual = with.residual.view(),
                          .eps = with.eps,
                          .relu = with.relu,
                          .y = y.view()});
  if (!recording({&x, &with.weight, &with.bias, &with.residual})) return y;
  const auto keep = [](const Tensor& kept) { return Saved("batch_norm", kept); };
  return record(y, [dx = Grad(x), dweight = Grad(with.weight), dbias = Grad(with.bias), dresidual = Grad(with.residual),
                    x = keep(x), y = keep(with.relu && with.residual.defined() ? y : Tensor()), mean = keep(mean),
                    var = keep(var), weight = keep(with.weight), bias = keep(with.bias), eps = with.eps,
                    relu = with.relu, frozen](Tensor& dy) {
    const auto room = [&](const Grad& wanted, const Shape& shape, DType dtype) {
      return wanted ? Tensor(shape, dtype, x->device()) : Tensor();
    };
    const Shape channels{x->size(-1)};
    const bool passes_on = dresidual && !relu;  // the residual then sees dy itself
    const View given = dy.view();
    Tensor gx = dx && !passes_on ? room_over(dy, *x) : room(dx, x->shape(), x->dtype());
    const Tensor gw = room(dweight, channels, mean->dtype()), gb = room(dbias, channels, mean->dtype());
    Tensor gr = passes_on ? Tensor() : room(dresidual, x->shape(), x->dtype());
    x->kernels().batch_norm_grad({.x = x->view(),
                                  .y = y->view(),
                                  .mean = mean->view(),
                                  .var = var->view(),
                                  .weight = weight->view(),
                                  .bias = bias->view(),
                                  .eps = eps,
                                  .relu = relu,
                                  .frozen = frozen,
                                  .dy = given,
                                  .dx = gx.view(),
                                  .dweight = gw.view(),
                                  .dbias = gb.view(),
                                  .dresidual = gr.view()});
    if (dx) dx.add(std::move(gx));
    if (dweight) dweight.add(gw);
    if (dbias) dbias.add(gb);
    if (dresidual) dresidual.add(passes_on ? std::move(dy) : std::move(gr));
  });
}

/// Layer norm over the last axis (Ba et al. 2016, arXiv:1607.06450), with the biased variance of each row:
/// y = (x - mean) / sqrt(var + eps) * weight + bias. weight and bias (D) may be empty.
inline Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const DType dtype = x.dtype() == DType::bf16 ? DType::f32 : x.dtype();
  const auto fits = [&](const Tensor& w) {
    return !w.defined() || (w.shape() == Shape{x.size(-1)} && w.dtype() == dtype);
  };
  require(x.rank() >= 1 && x.size(-1) > 0 && fits(weight) && fits(bias), "[layer_norm] expected (.., D) and ",
          to_string(dtype), " weight and bias (D), got ", x.shape(), ", ", weight.shape(), " and ", bias.shape());
  check_devices("layer_norm", {&x, &weight, &bias});
  const std::int64_t rows = x.count() / x.size(-1);
  const Tensor y(x.shape(), x.dtype(), x.device());
  const Tensor mean({rows}, dtype, x.device()), spread({rows}, dtype, x.device());
  x.kernels().layer_norm(x.view(), weight.view(), bias.view(), eps, y.view(), mean.view(), spread.view());
  if (!recording({&x, &weight, &bias})) return y;
  return record(y, [dx = Grad(x), dweight = Grad(weight), dbias = Grad(bias), kept = Saved("layer_norm", x), mean,
                    spread, weight = Saved("layer_norm", weight)](Tensor& dy) {
    const Tensor& x = *kept;
    const auto room = [&](const Grad& wanted, const Shape& shape, DType dtype) {
      return wanted ? Tensor(shape, dtype, x.device()) : Tensor();
    };
    const View given = dy.view();
    Tensor gx = dx ? room_over(dy, x) : Tensor();
    const Tensor gw = room(dweight, {x.size(-1)}, mean.dtype()), gb = room(dbias, {x.size(-1)}, mean.dtype());
    x.kernels().layer_norm_grad({.x = x.view(),
                                 .mean = mean.view(),
                                 .spread = spread.view(),
                                 .weight = weight->view(),
                                 .dy = given,
                                 .dx = gx.view(),
                                 .dweight = gw.view(),
                                 .dbias = gb.view()});
    if (dx) dx.add(std::move(gx));
    if (dweight) dweight.add(gw);
    if (dbias) dbias.add(gb);
  });
}

}  // namespace contrastive
