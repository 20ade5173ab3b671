// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <tuple>
#include <type_traits>

#include "contrastive/core/host_device.hpp"
#include "contrastive/core/lanes.hpp"

/// Elementwise maths, written once for every backend: `f` and, for unary functors, their name and derivative: `df` of x,
/// or `df_at_y` where y = f(x) says it better (`from_y`); only that one of the two is kept for the gradient. T is float,
/// double, or on the CPU a vector of floats (unless the functor is `OneByOne`); `a` is the functor's one parameter where
/// it has one. To add a functor, write it here and name it in a list below; every backend then instantiates it.
namespace contrastive::functors {

using simd::element_t, simd::splat;

// clang-format off

// NaN in x stays, NaN in y is passed over.
template <class T> CONTRASTIVE_HD_INLINE constexpr T larger(const T& x, const T& y) { return x < y ? y : x; }
template <class T> CONTRASTIVE_HD_INLINE constexpr T smaller(const T& x, const T& y) { return x > y ? y : x; }
template <class T> CONTRASTIVE_HD_INLINE constexpr T magnitude(const T& x) { return x < T{} ? -x : x; }

/// e^(x - n log 2) of floats, n the integer nearest to x / log 2 (Cephes, expf.c).
template <class T> CONTRASTIVE_HD_INLINE T exp_near(const T& x, const T& n) {
  const T r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  T p = splat<T>(1.9875691500e-4);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return p * r * r + r + 1.f;
}

/// e^x; of floats on the host without a call or a branch, within 2.4e-7 of its value: 0 below -87.3, infinity above 88.7,
/// NaN stays.
template <class T> CONTRASTIVE_HD_INLINE T exp_plain(const T& x) {
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<element_t<T>, float>) {
    using Bits = simd::bits_t<T>;
    const T low = splat<T>(-87.336544), high = splat<T>(88.722839);
    const T z = smaller(larger(x, low), high);
    const T shifted = z * 1.44269504f + 12582912.f;  // + 1.5 * 2^23 rounds to the nearest integer, n
    const T p = exp_near(z, shifted - 12582912.f);
    T y = simd::bit_cast<T>(simd::bit_cast<Bits>(p) + (simd::bit_cast<Bits>(shifted) << 23));  // times 2^n
    y = x > high ? splat<T>(__builtin_inff()) : y;
    y = x < low ? T{} : y;
    return x != x ? x : y;
  } else
#endif
  if constexpr (std::is_same_v<element_t<T>, T>) {
    return std::exp(x);
  } else {
    T y;
    for (std::size_t lane = 0; lane < sizeof(T) / sizeof(x[0]); ++lane) y[lane] = std::exp(x[lane]);
    return y;
  }
}

/// e^(-x^2 / 2), of floats on the host: as `exp_plain`, without its ends: 1e-38 at the least, NaN stays.
template <class T> CONTRASTIVE_HD_INLINE T bell_curve(const T& x) {
  const T z = splat<T>(-0.5) * x * x;
#if !defined(__CUDA_ARCH__)
  if constexpr (std::is_same_v<element_t<T>, float>) {
    const T shifted = larger(z, splat<T>(-87.)) * 1.44269504f + 12582912.f;
    return exp_near(larger(z, splat<T>(-87.)), shifted - 12582912.f) *
           simd::bit_cast<T>((simd::bit_cast<simd::bits_t<T>>(shifted) << 23) + 0x3f800000);
  } else
#endif
  return exp_plain(z);
}

/// The normal distribution at -|x|: its mass below, and e^(-x^2 / 2).
template <class T> struct NormalTail { T mass, bell; };
template <class T> CONTRASTIVE_HD_INLINE NormalTail<T> normal_tail(const T& x) {
  const T bell = bell_curve(x);
  if constexpr (std::is_same_v<element_t<T>, float>) {
    // mass / bell as a polynomial in t = 1 / (1 + 0.4 |x| / sqrt(2)), fitted to 6e-8 of its value on |x| < 14.
    const T t = 1.f / (1.f + 0.282842712f * magnitude(x));
    T p = splat<T>(0.020625032484531403);
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
    return {T(0.5) * std::erfc(magnitude(x) * T(0.70710678118654752)), bell};
  }
}

/// Whether the derivative is a function of y.
template <class F>
concept from_y = requires(float y) { F::df_at_y(y, y); };

/// Functors of functions that vectors do not have: the CPU takes them a number at a time.
struct OneByOne {};
/// Functors whose derivative is the same everywhere: x is not kept.
struct Linear {};
template <class F>
concept linear = std::derived_from<F, Linear>;

struct Scale : Linear {
  static constexpr const char* name = "scale";
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T& a) { return x * a; }
  template <class T> CONTRASTIVE_HD_INLINE static T df(const T&, const T& a) { return a; }
};
struct Shift : Linear {
  static constexpr const char* name = "shift";
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T& a) { return x + a; }
  template <class T> CONTRASTIVE_HD_INLINE static T df(const T&, const T&) { return splat<T>(1); }
};
struct Relu {
  static constexpr const char* name = "relu";
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T&) { return larger(x, T{}); }
  template <class T> CONTRASTIVE_HD_INLINE static T df_at_y(const T& y, const T&) {
    return y > T{} ? splat<T>(1) : T{};
  }
};
struct Exp {
  static constexpr const char* name = "exp";
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T&) { return exp_plain(x); }
  template <class T> CONTRASTIVE_HD_INLINE static T df_at_y(const T& y, const T&) { return y; }
};
struct Log : OneByOne {
  static constexpr const char* name = "log";
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T&) { return std::log(x); }
  template <class T> CONTRASTIVE_HD_INLINE static T df(const T& x, const T&) { return T(1) / x; }
};
struct Sqrt : OneByOne {
  static constexpr const char* name = "sqrt";
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T&) { return std::sqrt(x); }
  template <class T> CONTRASTIVE_HD_INLINE static T df_at_y(const T& y, const T&) { return T(0.5) / y; }
};
struct Square {
  static constexpr const char* name = "square";
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T&) { return x * x; }
  template <class T> CONTRASTIVE_HD_INLINE static T df(const T& x, const T&) { return x + x; }
};
struct Abs {
  static constexpr const char* name = "abs";
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T&) { return magnitude(x); }
  template <class T> CONTRASTIVE_HD_INLINE static T df(const T& x, const T&) {
    const T below = x < T{} ? splat<T>(-1) : T{};
    return x > T{} ? splat<T>(1) : below;
  }
};
struct Pow : OneByOne {  // x^a
  static constexpr const char* name = "pow";
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T& a) { return std::pow(x, a); }
  template <class T> CONTRASTIVE_HD_INLINE static T df(const T& x, const T& a) { return a * std::pow(x, a - T(1)); }
};
struct Tanh {
  static constexpr const char* name = "tanh";
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T&) {
#if !defined(__CUDA_ARCH__)
    if constexpr (std::is_same_v<element_t<T>, float>) {
      const T z = x * x, size = magnitude(x);  // Cephes, tanhf.c
      T p = splat<T>(-5.70498872745e-3);
      p = p * z + 2.06390887954e-2f;
      p = p * z - 5.37397155531e-2f;
      p = p * z + 1.33314422036e-1f;
      p = p * z - 3.33332819422e-1f;
      p = p * z * x + x;
      const T far = 1.f - 2.f / (exp_plain(size + size) + 1.f), with_sign = x < T{} ? -far : far;
      return size < splat<T>(0.625) ? p : with_sign;
    } else
#endif
    return std::tanh(x);
  }
  template <class T> CONTRASTIVE_HD_INLINE static T df_at_y(const T& y, const T&) { return splat<T>(1) - y * y; }
};
struct Sigmoid {
  static constexpr const char* name = "sigmoid";
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T&) {
    return splat<T>(1) / (splat<T>(1) + exp_plain(-x));
  }
  template <class T> CONTRASTIVE_HD_INLINE static T df_at_y(const T& y, const T&) { return y * (splat<T>(1) - y); }
};
struct LogSigmoid : OneByOne {  // min(x, 0) - log(1 + exp(-|x|)): no overflow on either side
  static constexpr const char* name = "log_sigmoid";
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T&) {
    return smaller(x, T(0)) - std::log1p(std::exp(-magnitude(x)));
  }
  template <class T> CONTRASTIVE_HD_INLINE static T df_at_y(const T& y, const T&) { return T(1) - std::exp(y); }
};
struct Gelu {  // exact: x Phi(x)
  static constexpr const char* name = "gelu";
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T&) {
    const T below = normal_tail(x).mass, above = splat<T>(1) - below;
    return x * (x < T{} ? below : above);
  }
  template <class T> CONTRASTIVE_HD_INLINE static T df(const T& x, const T&) {
    const NormalTail<T> at = normal_tail(x);
    const T above = splat<T>(1) - at.mass, phi = x < T{} ? at.mass : above;
    return phi + x * splat<T>(0.39894228040143268) * at.bell;
  }
};
struct QuickGelu {  // x sigmoid(1.702 x)
  static constexpr const char* name = "quick_gelu";
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T&) {
    return x / (splat<T>(1) + exp_plain(splat<T>(-1.702) * x));
  }
  template <class T> CONTRASTIVE_HD_INLINE static T df(const T& x, const T&) {
    const T s = splat<T>(1) / (splat<T>(1) + exp_plain(splat<T>(-1.702) * x));
    return s + splat<T>(1.702) * x * s * (splat<T>(1) - s);
  }
};
struct GeluTanh {  // x (1 + tanh u) / 2 = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3)
  static constexpr const char* name = "gelu_tanh";
  template <class T> CONTRASTIVE_HD_INLINE static T within(const T& x) {  // beyond +-10 the sigmoid is 0 or 1
    return smaller(larger(x, splat<T>(-10)), splat<T>(10));
  }
  template <class T> CONTRASTIVE_HD_INLINE static T gate(const T& at) {
    return splat<T>(1) / (splat<T>(1) + exp_plain(splat<T>(-1.5957691216057308) * (at + splat<T>(0.044715) * at * at * at)));
  }
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T&) { return x * gate(within(x)); }
  template <class T> CONTRASTIVE_HD_INLINE static T df(const T& x, const T&) {
    const T at = within(x), s = gate(at);
    const T du = splat<T>(1.5957691216057308) * (splat<T>(1) + splat<T>(0.134145) * at * at);
    return s + x * s * (splat<T>(1) - s) * du;
  }
};
struct ClampMin {
  static constexpr const char* name = "clamp_min";
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T& a) { return larger(x, a); }
  template <class T> CONTRASTIVE_HD_INLINE static T df(const T& x, const T& a) { return x >= a ? splat<T>(1) : T{}; }
};
struct ClampMax {
  static constexpr const char* name = "clamp_max";
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T& a) { return smaller(x, a); }
  template <class T> CONTRASTIVE_HD_INLINE static T df(const T& x, const T& a) { return x <= a ? splat<T>(1) : T{}; }
};

// Binary functors; their gradients are put together from other ops in ops/elementwise.hpp.

struct Add { template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T& y) { return x + y; } };
struct Sub { template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T& y) { return x - y; } };
struct Mul { template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T& y) { return x * y; } };
struct Div { template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T& y) { return x / y; } };
struct Max {
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T& y) {
    return y != y ? y : larger(x, y);
  }
};
struct Min {
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T& y) {
    return y != y ? y : smaller(x, y);
  }
};
struct Equal {
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T& y) {
    return x == y ? splat<T>(1) : T{};
  }
};
struct Greater {
  template <class T> CONTRASTIVE_HD_INLINE static T f(const T& x, const T& y) {
    return x > y ? splat<T>(1) : T{};
  }
};
// clang-format on

template <class... F>
struct List {
  static constexpr std::size_t size = sizeof...(F);
  using First = std::tuple_element_t<0, std::tuple<F...>>;

  template <class Wanted>
  static constexpr std::size_t index_of() {
    std::size_t place = 0;
    bool found = false;
    ((found = found || std::is_same_v<F, Wanted>, place += found ? 0 : 1), ...);
    return place;
  }
};

using Unary = List<Scale, Shift, Relu, Exp, Log, Sqrt, Square, Abs, Pow, Tanh, Sigmoid, LogSigmoid, Gelu, QuickGelu,
                   GeluTanh, ClampMin, ClampMax>;
using Binary = List<Add, Sub, Mul, Div, Max, Min, Equal, Greater>;

}  // namespace contrastive::functors
