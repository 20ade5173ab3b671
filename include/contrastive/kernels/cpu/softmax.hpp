// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <limits>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/reduce.hpp"
#include "contrastive/kernels/cpu/simd.hpp"
#include "contrastive/kernels/functors.hpp"
#include "contrastive/kernels/table.hpp"

/// Kernels over the rows of (rows, n): softmax and its relatives, L2 normalisation. A row is one chunk's work, so the
/// order of summation is fixed.
namespace contrastive::cpu {

namespace detail {

/// Largest element and sum of exp(x - largest) of a row.
template <class T>
struct RowLse {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* x, std::int64_t n, compute_t<T>* largest, compute_t<T>* total) {
    using C = compute_t<T>;
    C m = -std::numeric_limits<C>::infinity(), s = 0;
    if constexpr (std::is_same_v<C, float>) {
      using V = simd::native<Isa, T>;
      constexpr int L = simd::size_v<V>;
      const T lowest = T(-std::numeric_limits<C>::infinity());
      V vm = simd::splat<V>(m);
      std::int64_t i = 0;
      for (; i + L <= n; i += L) vm = simd::max(simd::load<V>(x + i), vm);
      if (i < n) vm = simd::max(simd::load_first<V>(x + i, static_cast<int>(n - i), lowest), vm);
      m = simd::largest(vm);
      if (m == -std::numeric_limits<C>::infinity()) m = 0;  // all -inf: the sum is 0, not NaN
      V vs{};
      for (i = 0; i + L <= n; i += L) vs += functors::exp_plain(simd::load<V>(x + i) - m);
      if (i < n) vs += functors::exp_plain(simd::load_first<V>(x + i, static_cast<int>(n - i), lowest) - m);
      s = simd::sum(vs);
    } else {
      for (std::int64_t i = 0; i < n; ++i) m = C(x[i]) > m ? C(x[i]) : m;
      for (std::int64_t i = 0; i < n; ++i) s += std::exp(C(x[i]) - m);
    }
    *largest = m;
    *total = s;
  }
};

/// y = scale * exp(x - shift), a row.
template <class T>
struct ExpRow {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* x, std::int64_t n, compute_t<T> shift, compute_t<T> scale, T* y) {
    using C = compute_t<T>;
    if constexpr (std::is_same_v<C, float>) {
      using V = simd::native<Isa, T>;
      constexpr int L = simd::size_v<V>;
      std::int64_t i = 0;
      for (; i + L <= n; i += L) simd::store(y + i, functors::exp_plain(simd::load<V>(x + i) - shift) * scale);
      if (i < n) {
        const int rest = static_cast<int>(n - i);
        simd::store_first(y + i, functors::exp_plain(simd::load_first<V>(x + i, rest) - shift) * scale, rest);
      }
    } else {
      for (std::int64_t i = 0; i < n; ++i) y[i] = std::exp(C(x[i]) - shift) * scale;
    }
  }
};

template <class T>
struct Dot {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* a, const T* b, std::int64_t n, compute_t<T>* out) {
    using V = simd::native<Isa, T>;
    constexpr int L = simd::size_v<V>;
    V s0{}, s1{};
    std::int64_t i = 0;
    for (; i + 2 * L <= n; i += 2 * L) {
      s0 += simd::load<V>(a + i) * simd::load<V>(b + i);
      s1 += simd::load<V>(a + i + L) * simd::load<V>(b + i + L);
    }
    compute_t<T> total = simd::sum(s0 + s1);
    for (; i < n; ++i) total += compute_t<T>(a[i]) * compute_t<T>(b[i]);
    *out = total;
  }
};

template <class T, class F>
void each_row(const View& x, F&& f) {
  const std::int64_t n = x.shape.rank ? x.shape[-1] : 1;
  const std::int64_t rows = n ? x.count() / n : 0;
  parallel_for(rows, grain_for(n), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) f(row, n);
  });
}

template <class T>
compute_t<T> dot(const T* a, const T* b, std::int64_t n) {
  compute_t<T> value;
  simd::dispatch<Dot<T>>(a, b, n, &value);
  return value;
}

}  // namespace detail

inline void softmax(View x, View y) {
  dispatch_compute("softmax", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    detail::each_row<T>(x, [&](std::int64_t row, std::int64_t n) {
      compute_t<T> m, s;
      const T* from = x.as<T>() + row * n;
      simd::dispatch<detail::RowLse<T>>(from, n, &m, &s);
      simd::dispatch<detail::ExpRow<T>>(from, n, m, compute_t<T>(1) / s, y.as<T>() + row * n);
    });
  });
}

/// dx = y * (dy - sum(y dy))
inline void softmax_grad(View y, View dy, View dx) {
  dispatch_compute("softmax", y.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = compute_t<T>;
    detail::each_row<T>(y, [&](std::int64_t row, std::int64_t n) {
      const T *p = y.as<T>() + row * n, *g = dy.as<T>() + row * n;
      T* out = dx.as<T>() + row * n;
      const C inner = detail::dot(p, g, n);
      for (std::int64_t i = 0; i < n; ++i) out[i] = T(C(p[i]) * (C(g[i]) - inner));
    });
  });
}

inline void log_softmax(View x, View y) {
  dispatch_compute("log_softmax", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = compute_t<T>;
    detail::each_row<T>(x, [&](std::int64_t row, std::int64_t n) {
      C m, s;
      const T* from = x.as<T>() + row * n;
      T* to = y.as<T>() + row * n;
      simd::dispatch<detail::RowLse<T>>(from, n, &m, &s);
      const C lse = m + std::log(s);
      for (std::int64_t i = 0; i < n; ++i) to[i] = T(C(from[i]) - lse);
    });
  });
}

/// dx = dy - exp(y) * sum(dy)
inline void log_softmax_grad(View y, View dy, View dx) {
  dispatch_compute("log_softmax", y.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = compute_t<T>;
    detail::each_row<T>(y, [&](std::int64_t row, std::int64_t n) {
      const T *p = y.as<T>() + row * n, *g = dy.as<T>() + row * n;
      T* out = dx.as<T>() + row * n;
      C total = 0;
      for (std::int64_t i = 0; i < n; ++i) total += C(g[i]);
      simd::dispatch<detail::ExpRow<T>>(p, n, C(0), -total, out);
      for (std::int64_t i = 0; i < n; ++i) out[i] = T(C(out[i]) + C(g[i]));
    });
  });
}

/// loss = lse - logit of the target, lse = log sum exp, a row each.
inline void cross_entropy(View logits, View targets, View loss, View lse) {
  dispatch_compute("cross_entropy", logits.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = compute_t<T>;
    detail::each_row<T>(logits, [&](std::int64_t row, std::int64_t n) {
      C m, s;
      const T* from = logits.as<T>() + row * n;
      simd::dispatch<detail::RowLse<T>>(from, n, &m, &s);
      const C tail = std::log(s);
      lse.as<C>()[row] = m + tail;
      // Not lse - logit: where the target leads, that would be the difference of two large numbers.
      loss.as<C>()[row] = (m - C(from[targets.as<std::int64_t>()[row]])) + tail;
    });
  });
}

/// dlogits = dloss * (softmax - onehot). The target's entry is minus the sum of the others, which keeps its digits where
/// its probability is close to 1.
inline void cross_entropy_grad(View logits, View targets, View lse, View dloss, View dlogits) {
  dispatch_compute("cross_entropy", logits.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = compute_t<T>;
    detail::each_row<T>(logits, [&](std::int64_t row, std::int64_t n) {
      const C g = dloss.as<C>()[row];
      T* out = dlogits.as<T>() + row * n;
      simd::dispatch<detail::ExpRow<T>>(static_cast<const T*>(logits.as<T>() + row * n), n, lse.as<C>()[row], g, out);
      T& hit = out[targets.as<std::int64_t>()[row]];
      hit = T(C(0));
      double others = 0;
      simd::dispatch<detail::RowSum<T>>(static_cast<const T*>(out), n, &others);
      hit = T(static_cast<C>(-others));
    });
  });
}

/// y = x / max(|x|, eps). The norm kept is |x| itself.
inline void normalize(View x, double eps, View y, View norm) {
  dispatch_compute("normalize", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = compute_t<T>;
    detail::each_row<T>(x, [&](std::int64_t row, std::int64_t n) {
      const T* from = x.as<T>() + row * n;
      T* to = y.as<T>() + row * n;
      const C length = std::sqrt(detail::dot(from, from, n));
      const C divisor = length > C(eps) ? length : C(eps);
      norm.as<C>()[row] = length;
      for (std::int64_t i = 0; i < n; ++i) to[i] = T(C(from[i]) / divisor);
    });
  });
}

/// dx = (dy - y (y . dy)) / |x|; below eps the divisor is a constant, so dx = dy / eps.
inline void normalize_grad(View y, View norm, View dy, double eps, View dx) {
  dispatch_compute("normalize", y.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = compute_t<T>;
    detail::each_row<T>(y, [&](std::int64_t row, std::int64_t n) {
      const T *p = y.as<T>() + row * n, *g = dy.as<T>() + row * n;
      T* out = dx.as<T>() + row * n;
      const C length = norm.as<C>()[row];
      const bool floored = length <= C(eps);
      const C inner = floored ? C(0) : detail::dot(p, g, n);
      const C divisor = floored ? C(eps) : length;
      for (std::int64_t i = 0; i < n; ++i) out[i] = T((C(g[i]) - C(p[i]) * inner) / divisor);
    });
  });
}

}  // namespace contrastive::cpu
