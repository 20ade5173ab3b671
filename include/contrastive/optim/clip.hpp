// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "contrastive/kernels/functors.hpp"
#include "contrastive/optim/parameter_groups.hpp"

/// Gradient clipping without reading anything back from the device. Gradients are replaced, not written into: a fresh
/// one may share its memory with another parameter's.
namespace contrastive {

namespace detail {

template <class F>
Tensor clip_map(const Tensor& x, double a) {
  Tensor y(x.shape(), x.dtype(), x.device());
  x.kernels().map[functors::Unary::index_of<F>()](x.view(), {}, a, y.view());
  return y;
}
template <class F>
Tensor clip_zip(const Tensor& a, const Tensor& b) {
  Tensor y(a.shape(), a.dtype(), a.device());
  a.kernels().zip[functors::Binary::index_of<F>()](a.view(), b.view(), y.view());
  return y;
}

/// min(1, max_norm / (norm + 1e-6)) for each norm; the constant is PyTorch's.
inline Tensor clip_factor(const Tensor& norm, double max_norm) {
  const Tensor limit = Tensor::full(norm.shape(), max_norm, norm.dtype(), norm.device());
  const Tensor one = Tensor::full(norm.shape(), 1, norm.dtype(), norm.device());
  return clip_zip<functors::Min>(clip_zip<functors::Div>(limit, clip_map<functors::Shift>(norm, 1e-6)), one);
}

inline std::vector<const Tensor*> reached(const std::vector<ParameterGroup>& groups) {
  std::vector<const Tensor*> parameters;
  for (const ParameterGroup& group : groups)
    for (const Tensor& parameter : group.parameters)
      if (parameter.grad().defined()) parameters.push_back(&parameter);
  return parameters;
}

/// The L2 norm of each gradient: (parameters).
inline Tensor grad_norms(const char* op, const std::vector<const Tensor*>& parameters, double max_norm) {
  require(max_norm > 0, "[", op, "] the norm allowed is above 0, got ", max_norm);
  const Tensor first = parameters[0]->grad();
  Tensor squares(Shape{static_cast<std::int64_t>(parameters.size())}, first.dtype(), first.device());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor grad = parameters[i]->grad();
    require(grad.dtype() == first.dtype() && grad.device() == first.device(), "[", op,
            "] gradients share one dtype and device");
    const auto row = static_cast<std::int64_t>(i);
    grad.kernels().sum_squares(grad.view(), squares.slice(row, row + 1).view());
  }
  return clip_map<functors::Sqrt>(squares, 0);
}

}  // namespace detail

/// Scales all gradients so that together their L2 norm is at most `max_norm`. Returns the norm before, (1), on the
/// device; empty when no gradient was collected.
inline Tensor clip_grad_norm(const std::vector<ParameterGroup>& groups, double max_norm) {
  const auto parameters = detail::reached(groups);
  if (parameters.empty()) return {};
  const Tensor norms = detail::grad_norms("clip_grad_norm", parameters, max_norm);
  Tensor norm(Shape{1}, norms.dtype(), norms.device());
  norm.kernels().sum_squares(norms.view(), norm.view());
  norm = detail::clip_map<functors::Sqrt>(norm, 0);
  const Tensor factor = detail::clip_factor(norm, max_norm);
  for (const Tensor* parameter : parameters)
    parameter->set_grad(detail::clip_zip<functors::Mul>(parameter->grad(), factor));
  return norm;
}

/// The same for each parameter by itself, as DINO does (utils.py, clip_gradients). Returns the norms before,
/// (parameters reached).
inline Tensor clip_each_grad_norm(const std::vector<ParameterGroup>& groups, double max_norm) {
  const auto parameters = detail::reached(groups);
  if (parameters.empty()) return {};
  const Tensor norms = detail::grad_norms("clip_each_grad_norm", parameters, max_norm);
  const Tensor factors = detail::clip_factor(norms, max_norm);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    parameters[i]->set_grad(detail::clip_zip<functors::Mul>(parameters[i]->grad(), factors.slice(row, row + 1)));
  }
  return norms;
}

}  // namespace contrastive
