// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/kernels/cuda/group.cuh"
#include "contrastive/kernels/table.hpp"

/// Kernels over the rows of (rows, n): softmax and its relatives, L2 normalisation.
namespace contrastive::cuda {

namespace detail {

/// Largest element and sum of exp(x - largest) of a row, known to every thread of its group.
template <class A>
struct LogSumExp {
  A largest, total;

  template <int Threads, class T>
  __device__ static LogSumExp of(const T* x, std::int64_t n, int place) {
    const A lowest = -static_cast<A>(INFINITY);
    A m = lowest, s = 0;
    for (std::int64_t i = place; i < n; i += Threads) m = A(x[i]) > m ? A(x[i]) : m;
    m = group_max<Threads>(m);
    if (m == lowest) m = 0;  // all -inf: the sum is 0, not NaN
    for (std::int64_t i = place; i < n; i += Threads) s += std::exp(A(x[i]) - m);
    return {m, group_sum<Threads>(s)};
  }
};

template <int Threads, class T>
__device__ compute_t<T> row_dot(const T* a, const T* b, std::int64_t n, int place) {
  compute_t<T> total = 0;
  for (std::int64_t i = place; i < n; i += Threads) total += compute_t<T>(a[i]) * compute_t<T>(b[i]);
  return group_sum<Threads>(total);
}

template <class T>
struct SoftmaxRow {
  const T* x;
  T* y;
  template <int Threads>
  __device__ void run(std::int64_t row, std::int64_t n, int place) const {
    using A = compute_t<T>;
    const T* from = x + row * n;
    const auto lse = LogSumExp<A>::template of<Threads>(from, n, place);
    const A scale = A(1) / lse.total;
    for (std::int64_t i = place; i < n; i += Threads) y[row * n + i] = T(std::exp(A(from[i]) - lse.largest) * scale);
  }
};

template <class T>
struct SoftmaxGradRow {
  const T *y, *dy;
  T* dx;
  template <int Threads>
  __device__ void run(std::int64_t row, std::int64_t n, int place) const {
    using A = compute_t<T>;
    const T *p = y + row * n, *g = dy + row * n;
    const A inner = row_dot<Threads>(p, g, n, place);
    for (std::int64_t i = place; i < n; i += Threads) dx[row * n + i] = T(A(p[i]) * (A(g[i]) - inner));
  }
};

template <class T>
struct LogSoftmaxRow {
  const T* x;
  T* y;
  template <int Threads>
  __device__ void run(std::int64_t row, std::int64_t n, int place) const {
    using A = compute_t<T>;
    const T* from = x + row * n;
    const auto lse = LogSumExp<A>::template of<Threads>(from, n, place);
    const A shift = lse.largest + std::log(lse.total);
    for (std::int64_t i = place; i < n; i += Threads) y[row * n + i] = T(A(from[i]) - shift);
  }
};

template <class T>
struct LogSoftmaxGradRow {
  const T *y, *dy;
  T* dx;
  template <int Threads>
  __device__ void run(std::int64_t row, std::int64_t n, int place) const {
    using A = compute_t<T>;
    const T *p = y + row * n, *g = dy + row * n;
    A total = 0;
    for (std::int64_t i = place; i < n; i += Threads) total += A(g[i]);
    total = group_sum<Threads>(total);
    for (std::int64_t i = place; i < n; i += Threads) dx[row * n + i] = T(A(g[i]) - std::exp(A(p[i])) * total);
  }
};

template <class T>
struct CrossEntropyRow {
  using A = compute_t<T>;
  const T* logits;
  const std::int64_t* targets;
  A *loss, *lse;
  template <int Threads>
  __device__ void run(std::int64_t row, std::int64_t n, int place) const {
    const T* from = logits + row * n;
    const auto sums = LogSumExp<A>::template of<Threads>(from, n, place);
    if (place != 0) return;
    const A value = sums.largest + std::log(sums.total);
    const std::int64_t target = targets[row];
    lse[row] = value;
    loss[row] = target >= 0 && target < n ? value - A(from[target]) : static_cast<A>(NAN);
  }
};

template <class T>
struct CrossEntropyGradRow {
  using A = compute_t<T>;
  const T* logits;
  const std::int64_t* targets;
  const A *lse, *dloss;
  T* dlogits;
  template <int Threads>
  __device__ void run(std::int64_t row, std::int64_t n, int place) const {
    const A shift = lse[row], g = dloss[row];
    const std::int64_t target = targets[row];
    for (std::int64_t i = place; i < n; i += Threads) {
      const A value = std::exp(A(logits[row * n + i]) - shift) * g;
      dlogits[row * n + i] = T(i == target ? value - g : value);
    }
  }
};

template <class T>
struct NormalizeRow {
  using A = compute_t<T>;
  const T* x;
  A eps;
  T* y;
  A* norm;
  template <int Threads>
  __device__ void run(std::int64_t row, std::int64_t n, int place) const {
    const T* from = x + row * n;
    const A length = std::sqrt(row_dot<Threads>(from, from, n, place));
    const A divisor = length > eps ? length : eps;
    if (place == 0) norm[row] = length;
    for (std::int64_t i = place; i < n; i += Threads) y[row * n + i] = T(A(from[i]) / divisor);
  }
};

template <class T>
struct NormalizeGradRow {
  using A = compute_t<T>;
  const T* y;
  const A* norm;
  const T* dy;
  A eps;
  T* dx;
  template <int Threads>
  __device__ void run(std::int64_t row, std::int64_t n, int place) const {
    const T *p = y + row * n, *g = dy + row * n;
    const A length = norm[row];
    const bool floored = length <= eps;
    const A inner = floored ? A(0) : row_dot<Threads>(p, g, n, place);  // `floored` is the same for the whole group
    const A divisor = floored ? eps : length;
    for (std::int64_t i = place; i < n; i += Threads) dx[row * n + i] = T((A(g[i]) - A(p[i]) * inner) / divisor);
  }
};

/// Runs the row functor that `make` gives for the dtype over the rows of x, along its last axis.
template <class Make>
void rows_of(Call call, const View& x, const Make& make) {
  const std::int64_t n = x.shape.rank ? x.shape[-1] : 1;
  if (x.count() == 0) return;
  dispatch_compute(call.name, x.dtype, [&](auto tag) { each_row(call, make(tag), x.count() / n, n); });
}

}  // namespace detail

inline void softmax(View x, View y) {
  detail::rows_of("softmax", x, [&]<class T>(T) {
    using V = typename T::type;
    return detail::SoftmaxRow<V>{x.as<const V>(), y.as<V>()};
  });
}

/// dx = y * (dy - sum(y dy))
inline void softmax_grad(View y, View dy, View dx) {
  detail::rows_of("softmax_grad", y, [&]<class T>(T) {
    using V = typename T::type;
    return detail::SoftmaxGradRow<V>{y.as<const V>(), dy.as<const V>(), dx.as<V>()};
  });
}

inline void log_softmax(View x, View y) {
  detail::rows_of("log_softmax", x, [&]<class T>(T) {
    using V = typename T::type;
    return detail::LogSoftmaxRow<V>{x.as<const V>(), y.as<V>()};
  });
}

/// dx = dy - exp(y) * sum(dy)
inline void log_softmax_grad(View y, View dy, View dx) {
  detail::rows_of("log_softmax_grad", y, [&]<class T>(T) {
    using V = typename T::type;
    return detail::LogSoftmaxGradRow<V>{y.as<const V>(), dy.as<const V>(), dx.as<V>()};
  });
}

/// loss = lse - logit of the target, lse = log sum exp, a row each; a target outside the classes gives NaN, because
/// the device cannot throw.
inline void cross_entropy(View logits, View targets, View loss, View lse) {
  detail::rows_of("cross_entropy", logits, [&]<class T>(T) {
    using V = typename T::type;
    using A = compute_t<V>;
    return detail::CrossEntropyRow<V>{logits.as<const V>(), targets.as<const std::int64_t>(), loss.as<A>(),
                                      lse.as<A>()};
  });
}

/// dlogits = dloss * (softmax - onehot)
inline void cross_entropy_grad(View logits, View targets, View lse, View dloss, View dlogits) {
  detail::rows_of("cross_entropy_grad", logits, [&]<class T>(T) {
    using V = typename T::type;
    using A = compute_t<V>;
    return detail::CrossEntropyGradRow<V>{logits.as<const V>(), targets.as<const std::int64_t>(), lse.as<const A>(),
                                          dloss.as<const A>(), dlogits.as<V>()};
  });
}

/// y = x / max(|x|, eps). The norm kept is |x| itself.
inline void normalize(View x, double eps, View y, View norm) {
  detail::rows_of("normalize", x, [&]<class T>(T) {
    using V = typename T::type;
    using A = compute_t<V>;
    return detail::NormalizeRow<V>{x.as<const V>(), static_cast<A>(eps), y.as<V>(), norm.as<A>()};
  });
}

/// dx = (dy - y (y . dy)) / |x|; below eps the divisor is a constant, so dx = dy / eps.
inline void normalize_grad(View y, View norm, View dy, double eps, View dx) {
  detail::rows_of("normalize_grad", y, [&]<class T>(T) {
    using V = typename T::type;
    using A = compute_t<V>;
    return detail::NormalizeGradRow<V>{y.as<const V>(), norm.as<const A>(), dy.as<const V>(), static_cast<A>(eps),
                                       dx.as<V>()};
  });
}

}  // namespace contrastive::cuda
