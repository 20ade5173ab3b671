// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/memory.hpp"
#include "contrastive/kernels/cpu/moments.hpp"
#include "contrastive/kernels/cpu/reduce.hpp"
#include "contrastive/kernels/cpu/simd.hpp"
#include "contrastive/kernels/table.hpp"

/// Batch norm over (rows, C) in G groups of consecutive rows, with the ReLU and the residual sum that follow it in a
/// residual network done in the same pass. Large data is bound by memory: forward reads x twice and writes y once,
/// backward reads x and dy twice and writes dx once.
namespace contrastive::cpu {

namespace detail {

/// Of rows that come from memory, whether four at a time come as fast as one: they are at most four lines.
template <class T>
constexpr bool short_rows(std::int64_t C) {
  return C * static_cast<std::int64_t>(sizeof(T)) <= 256;
}

/// Per channel: sum of (x - pivot) and of its square over some rows. The pivot, the group's first row, keeps the
/// squares from cancelling when the mean is large beside the spread.
template <class T>
struct BatchNormSums {
  using A = compute_t<T>;
  struct Add {
    const T *x, *pivot;
    template <class V>
    CONTRASTIVE_INLINE void operator()(std::int64_t at, std::int64_t c, V (&sums)[2]) const {
      const V d = simd::load<V>(x + at) - simd::load<V>(pivot + c);
      sums[0] += d;
      sums[1] += d * d;
    }
    CONTRASTIVE_INLINE void one(std::int64_t at, std::int64_t c, A (&sums)[2]) const {
      const A d = A(x[at]) - A(pivot[c]);
      sums[0] += d;
      sums[1] += d * d;
    }
  };
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* x, const T* pivot, std::int64_t rows, std::int64_t C, double* sum,
                                     double* square) {
    column_sums<2, T, simd::native<Isa, T>>(rows, C, {sum, square}, Add{x, pivot}, short_rows<T>(C));
  }
};

/// Whether the passes write `y`, rows of C, past the caches.
template <class T>
bool writes_past_cache(const T* y, std::int64_t count, std::int64_t C) {
  if constexpr (std::is_same_v<T, float>) return C % 16 == 0 && streams(y, count);
  return false;
}

/// Before the residual and the ReLU, by the same operations wherever it is found again.
template <class V, class A>
CONTRASTIVE_INLINE V batch_normed(V x, V mean, const A* scale, const A* bias) {
  V v = (x - mean) * simd::load<V>(scale);
  if (bias) v += simd::load<V>(bias);
  return v;
}
template <class A>
CONTRASTIVE_INLINE A batch_normed_one(A x, A mean, A scale, const A* bias) {
  return (x - mean) * scale + (bias ? *bias : A(0));
}

template <class T>
struct BatchNormApply {
  using A = compute_t<T>;
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* x, const A* mean, const A* scale, const A* bias, const T* residual,
                                     bool relu, std::int64_t rows, std::int64_t C, bool past_cache, T* y) {
    using V = simd::native<Isa, T>;
    constexpr int L = simd::size_v<V>;
    const A floor = relu ? A(0) : -std::numeric_limits<A>::infinity();
    for (std::int64_t r = 0; r < rows; ++r, x += C, y += C, residual += residual ? C : 0) {
      std::int64_t c = 0;
      for (; c + L <= C; c += L) {
        V v = batch_normed(simd::load<V>(x + c), simd::load<V>(mean + c), scale + c, bias ? bias + c : nullptr);
        if (residual) v += simd::load<V>(residual + c);
        if (relu) v = v < 0 ? V{} : v;  // written so that NaN stays NaN
        simd::store(y + c, v, past_cache);
      }
      for (; c < C; ++c) {
        const A v = batch_normed_one(A(x[c]), mean[c], scale[c], bias ? bias + c : nullptr) +
                    (residual ? A(residual[c]) : A(0));
        y[c] = T(v < floor ? floor : v);
      }
    }
    if (past_cache) simd::finish_streams();
  }
};

/// dy after the ReLU. Which side a number was on, y tells; without y, x does, which is read anyway.
template <class T>
struct BatchNormGate {
  using A = compute_t<T>;
  const T* y = nullptr;
  const A *scale = nullptr, *bias = nullptr;  // of the channels; all empty where there is no ReLU

  /// For the data from `element` on, of a group whose channels begin at `channel` of the scales.
  BatchNormGate at(std::int64_t element, std::int64_t channel) const {
    return {y ? y + element : nullptr, scale ? scale + channel : nullptr, bias};
  }

  template <class V>
  CONTRASTIVE_INLINE V operator()(V dy, V x, V mean, std::int64_t at, std::int64_t c) const {
    if (y) return simd::load<V>(y + at) > 0 ? dy : V{};
    if (scale) return batch_normed(x, mean, scale + c, bias ? bias + c : nullptr) > 0 ? dy : V{};
    return dy;
  }
  CONTRASTIVE_INLINE A one(A dy, A x, A mean, std::int64_t at, std::int64_t c) const {
    if (y) return A(y[at]) > 0 ? dy : A(0);
    if (scale) return batch_normed_one(x, mean, scale[c], bias ? bias + c : nullptr) > 0 ? dy : A(0);
    return dy;
  }
};

/// Of a norm with `scale` a channel and, where it had a residual, its output y.
template <class T>
BatchNormGate<T> batch_norm_gate(const View& y, const compute_t<T>* scale, const View& bias, bool relu) {
  if (!relu) return {};
  if (y.data) return {y.as<T>()};
  return {nullptr, scale, bias.as<compute_t<T>>()};
}

/// Sums of dz and dz * (x - mean) per channel, where dz is dy after the ReLU; writes dz to dresidual where wanted.
template <class T>
struct BatchNormGradSums {
  using A = compute_t<T>;
  struct Add {
    const T *x, *dy;
    BatchNormGate<T> gate;
    const A* mean;
    bool past_cache;
    T* dresidual;
    template <class V>
    CONTRASTIVE_INLINE void operator()(std::int64_t at, std::int64_t c, V (&sums)[2]) const {
      const V value = simd::load<V>(x + at), m = simd::load<V>(mean + c);
      const V g = gate(simd::load<V>(dy + at), value, m, at, c);
      sums[0] += g;
      sums[1] += g * (value - m);
      if (dresidual) simd::store(dresidual + at, g, past_cache);
    }
    CONTRASTIVE_INLINE void one(std::int64_t at, std::int64_t c, A (&sums)[2]) const {
      const A value = A(x[at]), g = gate.one(A(dy[at]), value, mean[c], at, c);
      sums[0] += g;
      sums[1] += g * (value - mean[c]);
      if (dresidual) dresidual[at] = T(g);
    }
  };
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* x, const T* dy, BatchNormGate<T> gate, const A* mean, std::int64_t rows,
                                     std::int64_t C, double* sum, double* product, bool past_cache, T* dresidual) {
    column_sums<2, T, simd::native<Isa, T>>(rows, C, {sum, product}, Add{x, dy, gate, mean, past_cache, dresidual},
                                            short_rows<T>(C) && !dresidual);
    if (past_cache) simd::finish_streams();
  }
};

/// dx = a dz + b (x - mean) + c, with the coefficients per channel.
template <class T>
struct BatchNormGradInput {
  using A = compute_t<T>;
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* x, const T* dy, BatchNormGate<T> gate, const A* mean, const A* a,
                                     const A* b, const A* k, std::int64_t rows, std::int64_t C, bool past_cache,
                                     T* dx) {
    using V = simd::native<Isa, T>;
    constexpr int L = simd::size_v<V>;
    for (std::int64_t r = 0; r < rows; ++r) {
      std::int64_t c = 0;
      for (; c + L <= C; c += L) {
        const std::int64_t at = r * C + c;
        const V value = simd::load<V>(x + at), m = simd::load<V>(mean + c);
        const V g = gate(simd::load<V>(dy + at), value, m, at, c);
        simd::store(dx + at, g * simd::load<V>(a + c) + (value - m) * simd::load<V>(b + c) + simd::load<V>(k + c),
                    past_cache);
      }
      for (; c < C; ++c) {
        const std::int64_t at = r * C + c;
        const A g = gate.one(A(dy[at]), A(x[at]), mean[c], at, c);
        dx[at] = T(g * a[c] + (A(x[at]) - mean[c]) * b[c] + k[c]);
      }
    }
    if (past_cache) simd::finish_streams();
  }
};

/// The data as (G groups, rows, C), cut into chunks of rows that depend on its shape alone. Small chunks cost: each has
/// sums to join, and a pass that goes backwards starts anew at each; fewer than eight a group would leave cores idle.
struct BatchNormShape {
  std::int64_t G, C, rows, chunk, chunks;
  BatchNormShape(const View& x, std::int64_t groups)
      : G(groups),
        C(x.shape[-1]),
        rows(C ? x.count() / C / groups : 0),
        chunk(std::clamp((rows + 7) / 8, grain_for(C, 1 << 13), grain_for(C, 1 << 17))),
        chunks((rows + chunk - 1) / chunk) {}

  /// Adds a group's chunks of sums, (G, chunks, C), up in its first.
  void join(double* sums, std::int64_t g) const { add_chunks(sums + g * chunks * C, chunks, C, 0, C); }

  /// f(group, chunk, first row over all groups, rows)
  template <class F>
  void each_chunk(F&& f) const {
    visit(false, f);
  }
  /// The same from the end of each thread's share: a second pass begins with what the first left in its core's caches.
  template <class F>
  void each_chunk_backwards(F&& f) const {
    visit(true, f);
  }

 private:
  template <class F>
  void visit(bool backwards, const F& f) const {
    const std::int64_t all = G * chunks, shares = std::min<std::int64_t>(threads(), all);
    parallel_for(shares, 1, [&](std::int64_t share, std::int64_t) {
      const std::int64_t begin = all * share / shares, end = all * (share + 1) / shares;
      for (std::int64_t n = begin; n < end; ++n) {
        const std::int64_t i = backwards ? begin + end - 1 - n : n, first = i % chunks * chunk;
        f(i / chunks, i, i / chunks * rows + first, std::min(chunk, rows - first));
      }
    });
  }
};

/// weight / sqrt(var + eps), (G, C).
template <class A>
std::vector<A> batch_norm_scale(const View& var, const View& weight, double eps) {
  std::vector<A> scale(static_cast<std::size_t>(var.count()));
  const std::int64_t C = var.shape[-1];
  for (std::int64_t i = 0; i < var.count(); ++i)
    scale[i] = static_cast<A>((weight.data ? weight.as<A>()[i % C] : A(1)) / std::sqrt(var.as<A>()[i] + eps));
  return scale;
}

}  // namespace detail

inline void batch_norm_stats(View x, View mean, View var) {
  dispatch_compute("batch_norm", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const detail::BatchNormShape shape(x, mean.shape[0]);
    const std::int64_t C = shape.C;
    thread_local Buffer<double> partial;
    double* const sums = partial.resize(2 * shape.G * shape.chunks * C);
    double* const squares = sums + shape.G * shape.chunks * C;
    const T* data = x.as<T>();
    shape.each_chunk([&](std::int64_t g, std::int64_t i, std::int64_t first, std::int64_t rows) {
      simd::dispatch<detail::BatchNormSums<T>>(data + first * C, data + g * shape.rows * C, rows, C, &sums[i * C],
                                               &squares[i * C]);
    });
    for (std::int64_t g = 0; g < shape.G; ++g) {
      shape.join(sums, g);
      shape.join(squares, g);
      for (std::int64_t c = 0; c < C; ++c) {
        const std::int64_t i = g * shape.chunks * C + c;
        detail::moments(sums[i], squares[i], static_cast<double>(shape.rows), A(data[g * shape.rows * C + c]),
                        mean.as<A>()[g * C + c], var.as<A>()[g * C + c]);
      }
    }
  });
}

inline void batch_norm(View x, View mean, View var, double eps, View weight, View bias, View residual, bool relu,
                       View y) {
  dispatch_compute("batch_norm", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const detail::BatchNormShape shape(x, mean.shape[0]);
    const std::int64_t C = shape.C;
    const bool past_cache = detail::writes_past_cache(y.as<T>(), y.count(), C);
    const std::vector<A> scale = detail::batch_norm_scale<A>(var, weight, eps);
    shape.each_chunk([&](std::int64_t g, std::int64_t, std::int64_t first, std::int64_t rows) {
      simd::dispatch<detail::BatchNormApply<T>>(
          static_cast<const T*>(x.as<T>() + first * C), static_cast<const A*>(mean.as<A>() + g * C),
          static_cast<const A*>(&scale[g * C]), static_cast<const A*>(bias.as<A>()),
          static_cast<const T*>(residual.data ? residual.as<T>() + first * C : nullptr), relu, rows, C, past_cache,
          y.as<T>() + first * C);
    });
  });
}

inline void batch_norm_grad(View x, View y, View mean, View var, double eps, View weight, View bias, bool relu,
                            bool frozen, View dy, View known, View dx, View dweight, View dbias, View dresidual) {
  dispatch_compute("batch_norm", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const detail::BatchNormShape shape(x, mean.shape[0]);
    const std::int64_t C = shape.C;
    const T *xs = x.as<T>(), *dys = dy.as<T>();
    T* const dresiduals = dresidual.as<T>();
    const A* means = mean.as<A>();
    const std::vector<A> a = detail::batch_norm_scale<A>(var, weight, eps);
    const detail::BatchNormGate<T> gate = detail::batch_norm_gate<T>(y, a.data(), bias, relu && !known.data);
    thread_local Buffer<double> partial;
    double *sums = known.as<double>(), *products = sums + shape.G * C;  // (G, each, C)
    const std::int64_t each = known.data ? 1 : shape.chunks;
    if (!known.data) {
      sums = partial.resize(2 * shape.G * each * C), products = sums + shape.G * each * C;
      const bool past_cache = dresiduals && detail::writes_past_cache(dresiduals, x.count(), C);
      shape.each_chunk([&](std::int64_t g, std::int64_t i, std::int64_t first, std::int64_t rows) {
        simd::dispatch<detail::BatchNormGradSums<T>>(xs + first * C, dys + first * C, gate.at(first * C, g * C),
                                                     means + g * C, rows, C, &sums[i * C], &products[i * C], past_cache,
                                                     dresiduals ? dresiduals + first * C : nullptr);
      });
      for (std::int64_t g = 0; g < shape.G; ++g) shape.join(sums, g), shape.join(products, g);
    }
    std::vector<A> b(a.size()), k(a.size());
    std::vector<double> total_weight(static_cast<std::size_t>(C)), total_bias(static_cast<std::size_t>(C));
    for (std::int64_t g = 0; g < shape.G; ++g) {
      for (std::int64_t c = 0; c < C; ++c) {
        const double s = sums[g * each * C + c], p = products[g * each * C + c];
        const double inverse = 1 / std::sqrt(var.as<A>()[g * C + c] + eps), n = static_cast<double>(shape.rows);
        const double gain = (weight.data ? weight.as<A>()[c] : A(1)) * inverse;
        b[g * C + c] = static_cast<A>(frozen ? 0 : -gain * inverse * inverse * p / n);
        k[g * C + c] = static_cast<A>(frozen ? 0 : -gain * s / n);
        total_weight[c] += p * inverse;
        total_bias[c] += s;
      }
    }
    for (std::int64_t c = 0; c < C; ++c) {
      if (dweight.data) dweight.as<A>()[c] = static_cast<A>(total_weight[c]);
      if (dbias.data) dbias.as<A>()[c] = static_cast<A>(total_bias[c]);
    }
    if (!dx.data) return;
    // Over dy, lines that were just read change where they are.
    const bool past_cache = dx.data != dy.data && detail::writes_past_cache(dx.as<T>(), dx.count(), C);
    shape.each_chunk_backwards([&](std::int64_t g, std::int64_t, std::int64_t first, std::int64_t rows) {
      const T* const dz = dresiduals ? dresiduals : dys;  // what the residual got is gated already
      simd::dispatch<detail::BatchNormGradInput<T>>(
          xs + first * C, dz + first * C, dresiduals ? detail::BatchNormGate<T>{} : gate.at(first * C, g * C),
          means + g * C, &a[g * C], static_cast<const A*>(&b[g * C]), static_cast<const A*>(&k[g * C]), rows, C,
          past_cache, dx.as<T>() + first * C);
    });
  });
}

}  // namespace contrastive::cpu
