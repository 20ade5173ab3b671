// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/tensor/tensor.hpp"

/// Elementwise operations. Binary ones broadcast as in NumPy; operands share a dtype (a plain number takes the
/// tensor's).
namespace contrastive {

namespace detail {

/// Sums a gradient over the axes that a broadcast stretched.
inline Tensor sum_to_shape(const Tensor& dy, const Shape& shape) {
  if (dy.shape() == shape) return dy;
  const Tensor dx(shape, dy.dtype(), dy.device());
  dy.kernels().sum_to(dy.view(), 1.0, dx.view());
  return dx;
}

inline void check_bias(const Tensor& x, const Tensor& bias) {
  const DType wide = x.dtype() == DType::bf16 ? DType::f32 : x.dtype();
  require(x.rank() > 0 && bias.shape() == Shape{x.size(-1)} && bias.count() > 0 && bias.dtype() == wide,
          "[bias] expected (", x.rank() > 0 ? x.size(-1) : 0, ") of ", to_string(wide), " for ", x.shape(), ", got ",
          bias.shape(), " of ", to_string(bias.dtype()));
  check_devices("bias", {&x, &bias});
}

/// Of a bias that was added to something like dy.
inline Tensor bias_gradient(const Tensor& dy) {
  return sum_to_shape(dy, {dy.size(-1)}).to(dy.dtype() == DType::bf16 ? DType::f32 : dy.dtype());
}

}  // namespace detail

/// y = F(x [+ bias], a), bias (C) over the last axis. To make an op of a functor:
/// `inline Tensor relu(const Tensor& x) { return unary<functors::Relu>(x); }`
template <class F>
Tensor unary(const Tensor& x, double a = 0, const Tensor& bias = {}) {
  constexpr auto place = functors::Unary::index_of<F>();
  constexpr bool from_y = functors::from_y<F>;
  if (bias.defined()) detail::check_bias(x, bias);
  const Tensor y(x.shape(), x.dtype(), x.device());
  x.kernels().map[place](x.view(), bias.view(), a, y.view());
  if (!recording({&x, &bias})) return y;
  constexpr bool needs_x = !from_y && !functors::linear<F>;
  const Tensor none, &at_y = from_y ? y : none, &at_x = needs_x ? x : at_y;
  return record(y, [dx = Grad(x), dbias = Grad(bias), kept = Saved(F::name, at_x),
                    bias = Saved(F::name, needs_x ? bias : none), dtype = y.dtype(), a](Tensor& dy) {
    const View given = dy.view(), at = kept.like().defined() ? kept->view() : given;
    Tensor d = room_over(dy, given.shape, dtype);
    d.kernels().map_grad[place](at, bias->view(), given, a, d.view());
    if (dbias) dbias.add(detail::bias_gradient(d));
    if (dx) dx.add(std::move(d));
  });
}

inline Tensor relu(const Tensor& x) { return unary<functors::Relu>(x); }
inline Tensor gelu(const Tensor& x) { return unary<functors::Gelu>(x); }
/// x sigmoid(1.702 x), the approximation that CLIP's published weights were trained with.
inline Tensor quick_gelu(const Tensor& x) { return unary<functors::QuickGelu>(x); }
/// The same of x + bias, bias (C) over the last axis and in f32 beside bf16, in one pass.
inline Tensor relu(const Tensor& x, const Tensor& bias) { return unary<functors::Relu>(x, 0, bias); }
inline Tensor gelu(const Tensor& x, const Tensor& bias) { return unary<functors::Gelu>(x, 0, bias); }
inline Tensor quick_gelu(const Tensor& x, const Tensor& bias) { return unary<functors::QuickGelu>(x, 0, bias); }

/// The activation of a transformer's feed-forward part.
enum class Activation {
  gelu,        // exact, x Phi(x): timm, BERT, open_clip
  quick_gelu,  // OpenAI's CLIP
  gelu_tanh,   // SigLIP
};
/// Of x + bias in one pass; an empty bias is 0.
inline Tensor activate(Activation activation, const Tensor& x, const Tensor& bias = {}) {
  switch (activation) {
    case Activation::gelu: return gelu(x, bias);
    case Activation::quick_gelu: return quick_gelu(x, bias);
    case Activation::gelu_tanh: return unary<functors::GeluTanh>(x, 0, bias);
  }
  fail("[activate] unknown activation");
}

inline Tensor exp(const Tensor& x) { return unary<functors::Exp>(x); }
inline Tensor log(const Tensor& x) { return unary<functors::Log>(x); }
inline Tensor sqrt(const Tensor& x) { return unary<functors::Sqrt>(x); }
inline Tensor square(const Tensor& x) { return unary<functors::Square>(x); }
inline Tensor abs(const Tensor& x) { return unary<functors::Abs>(x); }
inline Tensor pow(const Tensor& x, double exponent) { return unary<functors::Pow>(x, exponent); }
inline Tensor tanh(const Tensor& x) { return unary<functors::Tanh>(x); }
inline Tensor sigmoid(const Tensor& x) { return unary<functors::Sigmoid>(x); }
inline Tensor log_sigmoid(const Tensor& x) { return unary<functors::LogSigmoid>(x); }
/// max(x, floor); the gradient passes where x >= floor.
inline Tensor clamp_min(const Tensor& x, double floor) { return unary<functors::ClampMin>(x, floor); }
/// min(x, ceiling); the gradient passes where x <= ceiling.
inline Tensor clamp_max(const Tensor& x, double ceiling) { return unary<functors::ClampMax>(x, ceiling); }

inline Tensor operator*(const Tensor& x, double a) { return unary<functors::Scale>(x, a); }
inline Tensor operator*(double a, const Tensor& x) { return x * a; }
inline Tensor operator/(const Tensor& x, double a) { return x * (1 / a); }
inline Tensor operator+(const Tensor& x, double a) { return unary<functors::Shift>(x, a); }
inline Tensor operator+(double a, const Tensor& x) { return x + a; }
inline Tensor operator-(const Tensor& x, double a) { return x + -a; }
inline Tensor operator-(const Tensor& x) { return x * -1; }
inline Tensor operator-(double a, const Tensor& x) { return -x + a; }

/// Another dtype, recorded: the gradient is cast back.
inline Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  const Tensor y = x.to(dtype).detach();
  if (!recording({&x})) return y;
  return record(y, [dx = Grad(x), from = x.dtype()](const Tensor& dy) { dx.add(dy.to(from)); });
}

namespace detail {

template <class F>
Tensor zip(const char* op, const Tensor& a, const Tensor& b) {
  require(a.dtype() == b.dtype(), "[", op, "] dtypes differ: ", to_string(a.dtype()), " and ", to_string(b.dtype()));
  check_devices(op, {&a, &b});
  const Tensor y(broadcast(op, a.shape(), b.shape()), a.dtype(), a.device());
  a.kernels().zip[functors::Binary::index_of<F>()](a.view(), b.view(), y.view());
  return y;
}

}  // namespace detail

inline Tensor operator+(const Tensor& a, const Tensor& b) {
  const Tensor y = detail::zip<functors::Add>("add", a, b);
  if (!recording({&a, &b})) return y;
  return record(y, [da = Grad(a), db = Grad(b), sa = a.shape(), sb = b.shape()](const Tensor& dy) {
    if (da) da.add(detail::sum_to_shape(dy, sa));
    if (db) db.add(detail::sum_to_shape(dy, sb));
  });
}

/// x + bias, bias (C) over the last axis and in f32 beside bf16.
inline Tensor add_bias(const Tensor& x, const Tensor& bias) {
  detail::check_bias(x, bias);
  const Tensor y(x.shape(), x.dtype(), x.device());
  x.kernels().map[functors::Unary::index_of<functors::Shift>()](x.view(), bias.view(), 0, y.view());
  if (!recording({&x, &bias})) return y;
  return record(y, [dx = Grad(x), dbias = Grad(bias)](const Tensor& dy) {
    if (dx) dx.add(dy);
    if (dbias) dbias.add(detail::bias_gradient(dy));
  });
}

inline Tensor operator-(const Tensor& a, const Tensor& b) {
  const Tensor y = detail::zip<functors::Sub>("subtract", a, b);
  if (!recording({&a, &b})) return y;
  return record(y, [da = Grad(a), db = Grad(b), sa = a.shape(), sb = b.shape()](const Tensor& dy) {
    if (da) da.add(detail::sum_to_shape(dy, sa));
    if (db) db.add(detail::sum_to_shape(-dy, sb));
  });
}

inline Tensor operator*(const Tensor& a, const Tensor& b) {
  const Tensor y = detail::zip<functors::Mul>("multiply", a, b);
  if (!recording({&a, &b})) return y;
  return record(y, [da = Grad(a), db = Grad(b), a = Saved("multiply", a), b = Saved("multiply", b)](const Tensor& dy) {
    if (da) da.add(detail::sum_to_shape(dy * *b, a.like().shape()));
    if (db) db.add(detail::sum_to_shape(dy * *a, b.like().shape()));
  });
}

inline Tensor operator/(const Tensor& a, const Tensor& b) {
  const Tensor y = detail::zip<functors::Div>("divide", a, b);
  if (!recording({&a, &b})) return y;
  return record(y, [da = Grad(a), db = Grad(b), sa = a.shape(), b = Saved("divide", b),
                    y = Saved("divide", y)](const Tensor& dy) {
    const Tensor d = dy / *b;
    if (da) da.add(detail::sum_to_shape(d, sa));
    if (db) db.add(detail::sum_to_shape(-(d * *y), b->shape()));
  });
}

/// Larger of the two; the gradient goes to the larger, halves where they are equal.
inline Tensor maximum(const Tensor& a, const Tensor& b) {
  const Tensor y = detail::zip<functors::Max>("maximum", a, b);
  if (!recording({&a, &b})) return y;
  return record(
      y, [da = Grad(a), db = Grad(b), kept_a = Saved("maximum", a), kept_b = Saved("maximum", b)](const Tensor& dy) {
        const Tensor &a = *kept_a, &b = *kept_b;
        const Tensor tie = detail::zip<functors::Equal>("maximum", a, b) * 0.5;
        if (da) da.add(detail::sum_to_shape(dy * (detail::zip<functors::Greater>("maximum", a, b) + tie), a.shape()));
        if (db) db.add(detail::sum_to_shape(dy * (detail::zip<functors::Greater>("maximum", b, a) + tie), b.shape()));
      });
}
inline Tensor minimum(const Tensor& a, const Tensor& b) { return -maximum(-a, -b); }

/// 1 where a == b, else 0; no gradient.
inline Tensor equal(const Tensor& a, const Tensor& b) { return detail::zip<functors::Equal>("equal", a, b); }
/// 1 where a > b, else 0; no gradient.
inline Tensor greater(const Tensor& a, const Tensor& b) { return detail::zip<functors::Greater>("greater", a, b); }

/// The same values, through which no gradient flows.
inline Tensor stop_gradient(const Tensor& x) { return x.detach(); }

}  // namespace contrastive
