// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <type_traits>

#include "contrastive/core/host_device.hpp"

/// Elementwise maths, written once for every backend: `f` and, for unary functors, `df` beside it. T is float or
/// double; `a` is the functor's one parameter where it has one. To add a functor, write it here and name it in a list
/// below; every backend then instantiates it.
namespace contrastive::functors {

// clang-format off

template <class T> CONTRASTIVE_HD constexpr T larger(T x, T y) { return x > y ? x : y; }
template <class T> CONTRASTIVE_HD constexpr T smaller(T x, T y) { return x < y ? x : y; }

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
  template <class T> CONTRASTIVE_HD static T f(T x, T) {
    return T(0.5) * x * (T(1) + std::erf(x * T(0.70710678118654752)));
  }
  template <class T> CONTRASTIVE_HD static T df(T x, T, T) {
    return T(0.5) * (T(1) + std::erf(x * T(0.70710678118654752))) +
           x * T(0.39894228040143268) * std::exp(T(-0.5) * x * x);
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

using Unary = List<Scale, Shift, Relu, Exp, Log, Sqrt, Square, Abs, Pow, Tanh, Sigmoid, LogSigmoid, Gelu, ClampMin>;
using Binary = List<Add, Sub, Mul, Div, Max, Min, Equal, Greater>;

}  // namespace contrastive::functors
