// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "contrastive/core/host_device.hpp"

/// Elementwise maths, written once for every backend: `f` and, for unary functors, `df` beside it. T is float or
/// double; `a` is the functor's one parameter where it has one. To add a functor, write it here and name it in a list
/// below; every backend then instantiates it.
namespace contrastive::functors {

// clang-format off

template <class T> CONTRASTIVE_HD constexpr T larger(T x, T y) { return x > y ? x : y; }
template <class T> CONTRASTIVE_HD constexpr T smaller(T x, T y) { return x < y ? x : y; }

/// e^x; in f32 on the host without a call or a branch, so that loops over it become vector code: 0 below -87, where x
/// is held at 88 from above.
template <class T> CONTRASTIVE_HD_INLINE T exp_plain(T x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<T, float>) {
    const float z = smaller(larger(x, -87.f), 88.f);
    const float n = (z * 1.44269504f + 12582912.f) - 12582912.f;  // + 1.5 * 2^23 rounds to the nearest integer
    const float r = (z - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.3888889e-3f;  // e^r, |r| < 0.35, by its series
    p = p * r + 8.3333333e-3f;
    p = p * r + 4.1666667e-2f;
    p = p * r + 1.6666667e-1f;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.f;
    const float y = p * std::bit_cast<float>((static_cast<std::int32_t>(n) + 127) << 23);
    return x < -87.f ? 0.f : y;
  }
#endif
  return std::exp(x);
}

/// The normal distribution at -|x|: its mass below, and e^(-x^2 / 2).
template <class T> struct NormalTail { T mass, bell; };
template <class T> CONTRASTIVE_HD_INLINE NormalTail<T> normal_tail(T x) {
  const T bell = exp_plain(T(-0.5) * x * x);
  if constexpr (std::is_same_v<T, float>) {
    // mass / bell as a polynomial in t = 1 / (1 + 0.4 |x| / sqrt(2)), fitted to 6e-8 of its value on |x| < 14.
    const float t = 1.f / (1.f + 0.282842712f * (x < 0.f ? -x : x));
    float p = 0.020625032484531403f;
    p = p * t - 0.07015278935432434f;
    p = p * t + 0.0419803261756897f;
    p = p * t + 0.043996550142765045f;
    p = p * t + 0.03986886143684387f;
    p = p * t + 0.09670038521289825f;
    p = p * t + 0.10094287991523743f;
    p = p * t + 0.113221675157547f;
    p = p * t + 0.11281710863113403f;
    return {p * t * bell, bell};
  } else {
    return {T(0.5) * std::erfc((x < T(0) ? -x : x) * T(0.70710678118654752)), bell};
  }
}

// df(x, y, a) is dy/dx at x, where y = f(x, a).

struct Scale {
  template <class T> CONTRASTIVE_HD static T f(T x, T a) { return x * a; }
  template <class T> CONTRASTIVE_HD static T df(T, T, T a) { return a; }
};
struct Shift {
  template <class T> CONTRASTIVE_HD static T f(T x, T a) { return x + a; }
  template <class T> CONTRASTIVE_HD static T df(T, T, T) { return T(1); }
};
struct Relu {
  template <class T> CONTRASTIVE_HD static T f(T x, T) { return larger(x, T(0)); }
  template <class T> CONTRASTIVE_HD static T df(T, T y, T) { return y > T(0) ? T(1) : T(0); }
};
struct Exp {
  template <class T> CONTRASTIVE_HD static T f(T x, T) { return std::exp(x); }
  template <class T> CONTRASTIVE_HD static T df(T, T y, T) { return y; }
};
struct Log {
  template <class T> CONTRASTIVE_HD static T f(T x, T) { return std::log(x); }
  template <class T> CONTRASTIVE_HD static T df(T x, T, T) { return T(1) / x; }
};
struct Sqrt {
  template <class T> CONTRASTIVE_HD static T f(T x, T) { return std::sqrt(x); }
  template <class T> CONTRASTIVE_HD static T df(T, T y, T) { return T(0.5) / y; }
};
struct Square {
  template <class T> CONTRASTIVE_HD static T f(T x, T) { return x * x; }
  template <class T> CONTRASTIVE_HD static T df(T x, T, T) { return T(2) * x; }
};
struct Abs {
  template <class T> CONTRASTIVE_HD static T f(T x, T) { return x < T(0) ? -x : x; }
  template <class T> CONTRASTIVE_HD static T df(T x, T, T) { return x > T(0) ? T(1) : x < T(0) ? T(-1) : T(0); }
};
struct Pow {  // x^a
  template <class T> CONTRASTIVE_HD static T f(T x, T a) { return std::pow(x, a); }
  template <class T> CONTRASTIVE_HD static T df(T x, T, T a) { return a * std::pow(x, a - T(1)); }
};
struct Tanh {
  template <class T> CONTRASTIVE_HD static T f(T x, T) { return std::tanh(x); }
  template <class T> CONTRASTIVE_HD static T df(T, T y, T) { return T(1) - y * y; }
};
struct Sigmoid {
  template <class T> CONTRASTIVE_HD static T f(T x, T) { return T(1) / (T(1) + std::exp(-x)); }
  template <class T> CONTRASTIVE_HD static T df(T, T y, T) { return y * (T(1) - y); }
};
struct LogSigmoid {  // min(x, 0) - log(1 + exp(-|x|)): no overflow on either side
  template <class T> CONTRASTIVE_HD static T f(T x, T) {
    return smaller(x, T(0)) - std::log1p(std::exp(x < T(0) ? x : -x));
  }
  template <class T> CONTRASTIVE_HD static T df(T, T y, T) { return T(1) - std::exp(y); }
};
struct Gelu {  // exact: x Phi(x)
  template <class T> CONTRASTIVE_HD_INLINE static T f(T x, T) {
    const T below = normal_tail(x).mass;
    return x * (x < T(0) ? below : T(1) - below);
  }
  template <class T> CONTRASTIVE_HD_INLINE static T df(T x, T, T) {
    const NormalTail<T> at = normal_tail(x);
    return (x < T(0) ? at.mass : T(1) - at.mass) + x * T(0.39894228040143268) * at.bell;
  }
};
struct QuickGelu {  // x sigmoid(1.702 x)
  template <class T> CONTRASTIVE_HD_INLINE static T f(T x, T) { return x / (T(1) + exp_plain(T(-1.702) * x)); }
  template <class T> CONTRASTIVE_HD_INLINE static T df(T x, T, T) {
    const T s = T(1) / (T(1) + exp_plain(T(-1.702) * x));
    return s + T(1.702) * x * s * (T(1) - s);
  }
};
struct ClampMin {
  template <class T> CONTRASTIVE_HD static T f(T x, T a) { return larger(x, a); }
  template <class T> CONTRASTIVE_HD static T df(T x, T, T a) { return x >= a ? T(1) : T(0); }
};

// Binary functors; their gradients are put together from other ops in ops/elementwise.hpp.

struct Add { template <class T> CONTRASTIVE_HD static T f(T x, T y) { return x + y; } };
struct Sub { template <class T> CONTRASTIVE_HD static T f(T x, T y) { return x - y; } };
struct Mul { template <class T> CONTRASTIVE_HD static T f(T x, T y) { return x * y; } };
struct Div { template <class T> CONTRASTIVE_HD static T f(T x, T y) { return x / y; } };
struct Max { template <class T> CONTRASTIVE_HD static T f(T x, T y) { return larger(x, y); } };
struct Min { template <class T> CONTRASTIVE_HD static T f(T x, T y) { return smaller(x, y); } };
struct Equal { template <class T> CONTRASTIVE_HD static T f(T x, T y) { return x == y ? T(1) : T(0); } };
struct Greater { template <class T> CONTRASTIVE_HD static T f(T x, T y) { return x > y ? T(1) : T(0); } };
// clang-format on

template <class... F>
struct List {
  static constexpr std::size_t size = sizeof...(F);

  template <class Wanted>
  static constexpr std::size_t index_of() {
    std::size_t place = 0;
    bool found = false;
    ((found = found || std::is_same_v<F, Wanted>, place += found ? 0 : 1), ...);
    return place;
  }
};

using Unary =
    List<Scale, Shift, Relu, Exp, Log, Sqrt, Square, Abs, Pow, Tanh, Sigmoid, LogSigmoid, Gelu, QuickGelu, ClampMin>;
using Binary = List<Add, Sub, Mul, Div, Max, Min, Equal, Greater>;

}  // namespace contrastive::functors
