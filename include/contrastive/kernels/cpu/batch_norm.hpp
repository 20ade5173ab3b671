// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/memory.hpp"
#include "contrastive/kernels/cpu/simd.hpp"
#include "contrastive/kernels/table.hpp"

/// Batch norm over (rows, C) in G groups of consecutive rows, with the ReLU and the residual sum that follow it in a
/// residual network done in the same pass. One forward is two reads and one write of the data; so is one backward.
namespace contrastive::cpu {

namespace detail {

/// Per channel: sum of (x - pivot) and of its square over some rows. The pivot, the group's first row, keeps the
/// squares from cancelling when the mean is large beside the spread.
template <class T>
struct BatchNormSums {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* x, const T* pivot, std::int64_t rows, std::int64_t C, double* sum,
                                     double* square) {
    using V = simd::native<Isa, T>;
    constexpr int L = simd::size_v<V>;
    std::int64_t c = 0;
    for (; c + L <= C; c += L) {
      const V p = simd::load<V>(pivot + c);
      V s{}, q{};
      for (std::int64_t r = 0; r < rows; ++r) {
        const V d = simd::load<V>(x + r * C + c) - p;
        s += d;
        q += d * d;
      }
      for (int j = 0; j < L; ++j) {
        sum[c + j] = s[j];
        square[c + j] = q[j];
      }
    }
    for (; c < C; ++c) {
      compute_t<T> s = 0, q = 0;
      for (std::int64_t r = 0; r < rows; ++r) {
        const compute_t<T> d = compute_t<T>(x[r * C + c]) - compute_t<T>(pivot[c]);
        s += d;
        q += d * d;
      }
      sum[c] = s;
      square[c] = q;
    }
  }
};

/// Whether the passes write `y`, rows of C, past the caches.
template <class T>
bool writes_past_cache(const T* y, std::int64_t count, std::int64_t C) {
  if constexpr (std::is_same_v<T, float>) return C % 16 == 0 && streams(y, count);
  return false;
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
        V v = (simd::load<V>(x + c) - simd::load<V>(mean + c)) * simd::load<V>(scale + c);
        if (bias) v += simd::load<V>(bias + c);
        if (residual) v += simd::load<V>(residual + c);
        if (relu) v = v < 0 ? V{} : v;  // written so that NaN stays NaN
        simd::store(y + c, v, past_cache);
      }
      for (; c < C; ++c) {
        const A v = (A(x[c]) - mean[c]) * scale[c] + (bias ? bias[c] : A(0)) + (residual ? A(residual[c]) : A(0));
        y[c] = T(v < floor ? floor : v);
      }
    }
    if (past_cache) simd::finish_streams();
  }
};

/// Sums of dz and dz * (x - mean) per channel, where dz is dy after the ReLU; writes dz to dresidual where wanted.
template <class T>
struct BatchNormGradSums {
  using A = compute_t<T>;
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* x, const T* y, const T* dy, const A* mean, std::int64_t rows,
                                     std::int64_t C, double* sum, double* product, T* dresidual) {
    using V = simd::native<Isa, T>;
    constexpr int L = simd::size_v<V>;
    std::int64_t c = 0;
    for (; c + L <= C; c += L) {
      const V m = simd::load<V>(mean + c);
      V s{}, p{};
      for (std::int64_t r = 0; r < rows; ++r) {
        const std::int64_t at = r * C + c;
        V g = simd::load<V>(dy + at);
        if (y) g = simd::load<V>(y + at) > 0 ? g : V{};
        s += g;
        p += g * (simd::load<V>(x + at) - m);
        if (dresidual) simd::store(dresidual + at, g);
      }
      for (int j = 0; j < L; ++j) {
        sum[c + j] = s[j];
        product[c + j] = p[j];
      }
    }
    for (; c < C; ++c) {
      A s = 0, p = 0;
      for (std::int64_t r = 0; r < rows; ++r) {
        const std::int64_t at = r * C + c;
        const A g = y && !(A(y[at]) > 0) ? A(0) : A(dy[at]);
        s += g;
        p += g * (A(x[at]) - mean[c]);
        if (dresidual) dresidual[at] = T(g);
      }
      sum[c] = s;
      product[c] = p;
    }
  }
};

/// dx = a dz + b (x - mean) + c, with the coefficients per channel.
template <class T>
struct BatchNormGradInput {
  using A = compute_t<T>;
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* x, const T* y, const T* dy, const A* mean, const A* a, const A* b,
                                     const A* k, std::int64_t rows, std::int64_t C, bool past_cache, T* dx) {
    using V = simd::native<Isa, T>;
    constexpr int L = simd::size_v<V>;
    for (std::int64_t r = 0; r < rows; ++r) {
      std::int64_t c = 0;
      for (; c + L <= C; c += L) {
        const std::int64_t at = r * C + c;
        V g = simd::load<V>(dy + at);
        if (y) g = simd::load<V>(y + at) > 0 ? g : V{};
        const V centred = simd::load<V>(x + at) - simd::load<V>(mean + c);
        simd::store(dx + at, g * simd::load<V>(a + c) + centred * simd::load<V>(b + c) + simd::load<V>(k + c),
                    past_cache);
      }
      for (; c < C; ++c) {
        const std::int64_t at = r * C + c;
        const A g = y && !(A(y[at]) > 0) ? A(0) : A(dy[at]);
        dx[at] = T(g * a[c] + (A(x[at]) - mean[c]) * b[c] + k[c]);
      }
    }
    if (past_cache) simd::finish_streams();
  }
};

/// The data as (G groups, rows, C), cut into chunks of rows that depend on C alone.
struct BatchNormShape {
  std::int64_t G, C, rows, chunk, chunks;
  BatchNormShape(const View& x, std::int64_t groups)
      : G(groups),
        C(x.shape[-1]),
        rows(C ? x.count() / C / groups : 0),
        chunk(std::min<std::int64_t>(256, grain_for(C, 1 << 14))),
        chunks((rows + chunk - 1) / chunk) {}

  /// f(group, chunk, first row over all groups, rows)
  template <class F>
  void each_chunk(F&& f) const {
    parallel_for(G * chunks, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t first = i % chunks * chunk;
        f(i / chunks, i, i / chunks * rows + first, std::min(chunk, rows - first));
      }
    });
  }
};

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
    for (std::int64_t g = 0; g < shape.G; ++g)
      for (std::int64_t c = 0; c < C; ++c) {
        double s = 0, q = 0;
        for (std::int64_t i = g * shape.chunks; i < (g + 1) * shape.chunks; ++i) {
          s += sums[i * C + c];
          q += squares[i * C + c];
        }
        const double n = static_cast<double>(shape.rows), offset = s / n;
        const double spread = q / n - offset * offset;
        mean.as<A>()[g * C + c] = static_cast<A>(compute_t<T>(data[g * shape.rows * C + c]) + offset);
        var.as<A>()[g * C + c] = static_cast<A>(spread < 0 ? 0 : spread);
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
    std::vector<A> scale(static_cast<std::size_t>(shape.G * C));
    for (std::int64_t i = 0; i < shape.G * C; ++i)
      scale[i] = static_cast<A>((weight.data ? weight.as<A>()[i % C] : A(1)) / std::sqrt(var.as<A>()[i] + eps));
    shape.each_chunk([&](std::int64_t g, std::int64_t, std::int64_t first, std::int64_t rows) {
      simd::dispatch<detail::BatchNormApply<T>>(
          static_cast<const T*>(x.as<T>() + first * C), static_cast<const A*>(mean.as<A>() + g * C),
          static_cast<const A*>(&scale[g * C]), static_cast<const A*>(bias.as<A>()),
          static_cast<const T*>(residual.data ? residual.as<T>() + first * C : nullptr), relu, rows, C, past_cache,
          y.as<T>() + first * C);
    });
  });
}

inline void batch_norm_grad(View x, View y, View mean, View var, double eps, View weight, bool relu, bool frozen,
                            View dy, View dx, View dweight, View dbias, View dresidual) {
  dispatch_compute("batch_norm", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const detail::BatchNormShape shape(x, mean.shape[0]);
    const std::int64_t C = shape.C;
    const T *xs = x.as<T>(), *ys = relu ? y.as<T>() : nullptr, *dys = dy.as<T>();
    const A* means = mean.as<A>();
    thread_local Buffer<double> partial;
    double* const sums = partial.resize(2 * shape.G * shape.chunks * C);
    double* const products = sums + shape.G * shape.chunks * C;
    shape.each_chunk([&](std::int64_t g, std::int64_t i, std::int64_t first, std::int64_t rows) {
      simd::dispatch<detail::BatchNormGradSums<T>>(xs + first * C, ys ? ys + first * C : nullptr, dys + first * C,
                                                   means + g * C, rows, C, &sums[i * C], &products[i * C],
                                                   dresidual.data ? dresidual.as<T>() + first * C : nullptr);
    });
    std::vector<A> a(static_cast<std::size_t>(shape.G * C)), b(a.size()), k(a.size());
    std::vector<double> total_weight(static_cast<std::size_t>(C)), total_bias(static_cast<std::size_t>(C));
    for (std::int64_t g = 0; g < shape.G; ++g)
      for (std::int64_t c = 0; c < C; ++c) {
        double s = 0, p = 0;
        for (std::int64_t i = g * shape.chunks; i < (g + 1) * shape.chunks; ++i) {
          s += sums[i * C + c];
          p += products[i * C + c];
        }
        const double inverse = 1 / std::sqrt(var.as<A>()[g * C + c] + eps), n = static_cast<double>(shape.rows);
        const double gain = (weight.data ? weight.as<A>()[c] : A(1)) * inverse;
        a[g * C + c] = static_cast<A>(gain);
        b[g * C + c] = static_cast<A>(frozen ? 0 : -gain * inverse * inverse * p / n);
        k[g * C + c] = static_cast<A>(frozen ? 0 : -gain * s / n);
        total_weight[c] += p * inverse;
        total_bias[c] += s;
      }
    for (std::int64_t c = 0; c < C; ++c) {
      if (dweight.data) dweight.as<A>()[c] = static_cast<A>(total_weight[c]);
      if (dbias.data) dbias.as<A>()[c] = static_cast<A>(total_bias[c]);
    }
    if (!dx.data) return;
    const bool past_cache = detail::writes_past_cache(dx.as<T>(), dx.count(), C);
    shape.each_chunk([&](std::int64_t g, std::int64_t, std::int64_t first, std::int64_t rows) {
      simd::dispatch<detail::BatchNormGradInput<T>>(xs + first * C, ys ? ys + first * C : nullptr, dys + first * C,
                                                    means + g * C, static_cast<const A*>(&a[g * C]),
                                                    static_cast<const A*>(&b[g * C]), static_cast<const A*>(&k[g * C]),
                                                    rows, C, past_cache, dx.as<T>() + first * C);
    });
  });
}

}  // namespace contrastive::cpu
