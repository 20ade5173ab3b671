// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/memory.hpp"
#include "contrastive/kernels/cpu/reduce.hpp"
#include "contrastive/kernels/cpu/simd.hpp"

/// What a batch norm does with some rows, and how its data is cut into them.
namespace contrastive::cpu::detail {

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
CONTRASTIVE_INLINE V batch_normed(const V& x, const V& mean, const A* scale, const A* bias) {
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
  CONTRASTIVE_INLINE V operator()(const V& dy, const V& x, const V& mean, std::int64_t at, std::int64_t c) const {
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

/// Sums of dz and dz * (x - mean) per channel, where dz is dy after the ReLU. Writes dz where wanted, also over dy.
template <class T>
struct BatchNormGradSums {
  using A = compute_t<T>;
  struct Add {
    const T *x, *dy;
    BatchNormGate<T> gate;
    const A* mean;
    bool past_cache;
    T* dz;
    template <class V>
    CONTRASTIVE_INLINE void operator()(std::int64_t at, std::int64_t c, V (&sums)[2]) const {
      const V value = simd::load<V>(x + at), m = simd::load<V>(mean + c);
      const V g = gate(simd::load<V>(dy + at), value, m, at, c);
      sums[0] += g;
      sums[1] += g * (value - m);
      if (dz) simd::store(dz + at, g, past_cache);
    }
    CONTRASTIVE_INLINE void one(std::int64_t at, std::int64_t c, A (&sums)[2]) const {
      const A value = A(x[at]), g = gate.one(A(dy[at]), value, mean[c], at, c);
      sums[0] += g;
      sums[1] += g * (value - mean[c]);
      if (dz) dz[at] = T(g);
    }
  };
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* x, const T* dy, BatchNormGate<T> gate, const A* mean, std::int64_t rows,
                                     std::int64_t C, double* sum, double* product, bool past_cache, T* dz) {
    column_sums<2, T, simd::native<Isa, T>>(rows, C, {sum, product}, Add{x, dy, gate, mean, past_cache, dz},
                                            short_rows<T>(C) && !dz);
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
/// sums to join, and a pass that goes backwards starts anew at each; fewer than eight in all would leave cores idle.
struct BatchNormShape {
  std::int64_t G, C, rows, chunk, chunks;
  BatchNormShape(const View& x, std::int64_t groups) : G(groups), C(x.shape[-1]), rows(C ? x.count() / C / groups : 0) {
    const auto in_parts = [](std::int64_t n, std::int64_t size) {
      return std::max<std::int64_t>(1, (n + size - 1) / size);
    };
    chunks = in_parts(rows, std::clamp((G * rows + 7) / 8, grain_for(C, 1 << 13), grain_for(C, 1 << 17)));
    chunk = in_parts(rows, chunks);
  }

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

}  // namespace contrastive::cpu::detail
