// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/simd.hpp"
#include "contrastive/kernels/table.hpp"

/// Layer norm over the rows of (rows, D). Rows are taken in chunks whose size depends on D alone; the sums of the
/// weight's gradient are kept a chunk and joined in order.
namespace contrastive::cpu {

namespace detail {

template <class T>
struct LayerNormRows {
  using A = compute_t<T>;
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* x, const A* weight, const A* bias, std::int64_t rows, std::int64_t D,
                                     double eps, T* y, A* mean, A* spread) {
    using V = simd::native<Isa, T>;
    constexpr int L = simd::size_v<V>;
    const std::int64_t whole = D / L * L;
    for (std::int64_t r = 0; r < rows; ++r, x += D, y += D) {
      V s{};
      for (std::int64_t i = 0; i < whole; i += L) s += simd::load<V>(x + i);
      A total = simd::sum(s);
      for (std::int64_t i = whole; i < D; ++i) total += A(x[i]);
      const A m = total / static_cast<A>(D);
      V q{};
      for (std::int64_t i = 0; i < whole; i += L) {
        const V d = simd::load<V>(x + i) - m;
        q += d * d;
      }
      A square = simd::sum(q);
      for (std::int64_t i = whole; i < D; ++i) square += (A(x[i]) - m) * (A(x[i]) - m);
      const A scale = static_cast<A>(1 / std::sqrt(static_cast<double>(square) / static_cast<double>(D) + eps));
      mean[r] = m;
      spread[r] = scale;
      for (std::int64_t i = 0; i < whole; i += L) {
        V v = (simd::load<V>(x + i) - m) * scale;
        if (weight) v *= simd::load<V>(weight + i);
        if (bias) v += simd::load<V>(bias + i);
        simd::store(y + i, v);
      }
      for (std::int64_t i = whole; i < D; ++i)
        y[i] = T((A(x[i]) - m) * scale * (weight ? weight[i] : A(1)) + (bias ? bias[i] : A(0)));
    }
  }
};

/// With g = dy * weight and z the normalised row: dx = spread * (g - mean(g) - z mean(g z)). Adds dy z to dweight and
/// dy to dbias.
template <class T>
struct LayerNormGradRows {
  using A = compute_t<T>;
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* x, const A* mean, const A* spread, const A* weight, const T* dy,
                                     std::int64_t rows, std::int64_t D, T* dx, A* dweight, A* dbias) {
    using V = simd::native<Isa, T>;
    constexpr int L = simd::size_v<V>;
    const std::int64_t whole = D / L * L;
    for (std::int64_t r = 0; r < rows; ++r, x += D, dy += D, dx += dx ? D : 0) {
      const A m = mean[r], scale = spread[r];
      V s{}, p{};
      for (std::int64_t i = 0; i < whole; i += L) {
        V g = simd::load<V>(dy + i);
        const V z = (simd::load<V>(x + i) - m) * scale;
        if (dbias) simd::store(dbias + i, simd::load<V>(dbias + i) + g);
        if (dweight) simd::store(dweight + i, simd::load<V>(dweight + i) + g * z);
        if (weight) g *= simd::load<V>(weight + i);
        s += g;
        p += g * z;
      }
      A sum = simd::sum(s), product = simd::sum(p);
      for (std::int64_t i = whole; i < D; ++i) {
        A g = A(dy[i]);
        const A z = (A(x[i]) - m) * scale;
        if (dbias) dbias[i] += g;
        if (dweight) dweight[i] += g * z;
        if (weight) g *= weight[i];
        sum += g;
        product += g * z;
      }
      if (!dx) continue;
      sum /= static_cast<A>(D);
      product /= static_cast<A>(D);
      for (std::int64_t i = 0; i < whole; i += L) {
        V g = simd::load<V>(dy + i);
        if (weight) g *= simd::load<V>(weight + i);
        const V z = (simd::load<V>(x + i) - m) * scale;
        simd::store(dx + i, (g - sum - z * product) * scale);
      }
      for (std::int64_t i = whole; i < D; ++i) {
        const A g = A(dy[i]) * (weight ? weight[i] : A(1)), z = (A(x[i]) - m) * scale;
        dx[i] = T((g - sum - z * product) * scale);
      }
    }
  }
};

}  // namespace detail

inline void layer_norm(View x, View weight, View bias, double eps, View y, View mean, View spread) {
  dispatch_compute("layer_norm", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const std::int64_t D = x.shape[-1], rows = D ? x.count() / D : 0;
    parallel_for(rows, grain_for(D), [&](std::int64_t begin, std::int64_t end) {
      simd::dispatch<detail::LayerNormRows<T>>(static_cast<const T*>(x.as<T>() + begin * D),
                                               static_cast<const A*>(weight.as<A>()),
                                               static_cast<const A*>(bias.as<A>()), end - begin, D, eps,
                                               y.as<T>() + begin * D, mean.as<A>() + begin, spread.as<A>() + begin);
    });
  });
}

inline void layer_norm_grad(LayerNormGradCall call) {
  dispatch_compute("layer_norm", call.x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const std::int64_t D = call.x.shape[-1], rows = D ? call.x.count() / D : 0, grain = grain_for(D);
    const std::int64_t chunks = (rows + grain - 1) / grain;
    std::vector<A> weights(call.dweight.data ? static_cast<std::size_t>(chunks * D) : 0);
    std::vector<A> biases(call.dbias.data ? static_cast<std::size_t>(chunks * D) : 0);
    parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t at = begin / grain * D;
      simd::dispatch<detail::LayerNormGradRows<T>>(
          static_cast<const T*>(call.x.as<T>() + begin * D), static_cast<const A*>(call.mean.as<A>() + begin),
          static_cast<const A*>(call.spread.as<A>() + begin), static_cast<const A*>(call.weight.as<A>()),
          static_cast<const T*>(call.dy.as<T>() + begin * D), end - begin, D,
          call.dx.data ? call.dx.as<T>() + begin * D : static_cast<T*>(nullptr),
          weights.empty() ? static_cast<A*>(nullptr) : weights.data() + at,
          biases.empty() ? static_cast<A*>(nullptr) : biases.data() + at);
    });
    const auto join = [&](const std::vector<A>& parts, const View& out) {
      if (!out.data) return;
      for (std::int64_t i = 0; i < D; ++i) {
        double total = 0;
        for (std::int64_t c = 0; c < chunks; ++c) total += static_cast<double>(parts[c * D + i]);
        out.as<A>()[i] = static_cast<A>(total);
      }
    };
    join(weights, call.dweight);
    join(biases, call.dbias);
  });
}

}  // namespace contrastive::cpu
