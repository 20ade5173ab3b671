// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <vector>

#include "contrastive/kernels/cpu/batch_norm_passes.hpp"
#include "contrastive/kernels/cpu/moments.hpp"
#include "contrastive/kernels/table.hpp"

/// Batch norm over (rows, C) in G groups of consecutive rows, with the ReLU and the residual sum that follow it in a
/// residual network done in the same pass. Large data is bound by memory: forward reads x twice and writes y once,
/// backward reads x and dy twice and writes dx once.
namespace contrastive::cpu {

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

inline void batch_norm(BatchNormCall call) {
  dispatch_compute("batch_norm", call.x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const detail::BatchNormShape shape(call.x, call.mean.shape[0]);
    const std::int64_t C = shape.C;
    const bool past_cache = detail::writes_past_cache(call.y.as<T>(), call.y.count(), C);
    const std::vector<A> scale = detail::batch_norm_scale<A>(call.var, call.weight, call.eps);
    shape.each_chunk([&](std::int64_t g, std::int64_t, std::int64_t first, std::int64_t rows) {
      simd::dispatch<detail::BatchNormApply<T>>(
          static_cast<const T*>(call.x.as<T>() + first * C), static_cast<const A*>(call.mean.as<A>() + g * C),
          static_cast<const A*>(&scale[g * C]), static_cast<const A*>(call.bias.as<A>()),
          static_cast<const T*>(call.residual.data ? call.residual.as<T>() + first * C : nullptr), call.relu, rows, C,
          past_cache, call.y.as<T>() + first * C);
    });
  });
}

inline void batch_norm_grad(BatchNormGradCall call) {
  dispatch_compute("batch_norm", call.x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const detail::BatchNormShape shape(call.x, call.mean.shape[0]);
    const std::int64_t C = shape.C;
    const T *xs = call.x.as<T>(), *dys = call.dy.as<T>();
    T* const dresiduals = call.dresidual.as<T>();
    const A* means = call.mean.as<A>();
    const std::vector<A> a = detail::batch_norm_scale<A>(call.var, call.weight, call.eps);
    const detail::BatchNormGate<T> gate = detail::batch_norm_gate<T>(call.y, a.data(), call.bias, call.relu);
    thread_local Buffer<double> partial;
    double* const sums = partial.resize(2 * shape.G * shape.chunks * C);  // (G, chunks, C)
    double* const products = sums + shape.G * shape.chunks * C;
    const bool writes_past = dresiduals && detail::writes_past_cache(dresiduals, call.x.count(), C);
    shape.each_chunk([&](std::int64_t g, std::int64_t i, std::int64_t first, std::int64_t rows) {
      simd::dispatch<detail::BatchNormGradSums<T>>(xs + first * C, dys + first * C, gate.at(first * C, g * C),
                                                   means + g * C, rows, C, &sums[i * C], &products[i * C], writes_past,
                                                   dresiduals ? dresiduals + first * C : nullptr);
    });
    for (std::int64_t g = 0; g < shape.G; ++g) shape.join(sums, g), shape.join(products, g);
    std::vector<A> b(a.size()), k(a.size());
    std::vector<double> total_weight(static_cast<std::size_t>(C)), total_bias(static_cast<std::size_t>(C));
    for (std::int64_t g = 0; g < shape.G; ++g) {
      for (std::int64_t c = 0; c < C; ++c) {
        const std::int64_t first = g * shape.chunks * C + c;
        const double s = sums[first], p = products[first];
        const double inverse = 1 / std::sqrt(call.var.as<A>()[g * C + c] + call.eps),
                     n = static_cast<double>(shape.rows);
        const double gain = (call.weight.data ? call.weight.as<A>()[c] : A(1)) * inverse;
        b[g * C + c] = static_cast<A>(call.frozen ? 0 : -gain * inverse * inverse * p / n);
        k[g * C + c] = static_cast<A>(call.frozen ? 0 : -gain * s / n);
        total_weight[c] += p * inverse;
        total_bias[c] += s;
      }
    }
    for (std::int64_t c = 0; c < C; ++c) {
      if (call.dweight.data) call.dweight.as<A>()[c] = static_cast<A>(total_weight[c]);
      if (call.dbias.data) call.dbias.as<A>()[c] = static_cast<A>(total_bias[c]);
    }
    if (!call.dx.data) return;
    // Over dy, lines that were just read change where they are.
    const bool past_cache =
        call.dx.data != call.dy.data && detail::writes_past_cache(call.dx.as<T>(), call.dx.count(), C);
    shape.each_chunk_backwards([&](std::int64_t g, std::int64_t, std::int64_t first, std::int64_t rows) {
      const T* const dz = dresiduals ? dresiduals : dys;  // what the residual got is gated already
      simd::dispatch<detail::BatchNormGradInput<T>>(
          xs + first * C, dz + first * C, dresiduals ? detail::BatchNormGate<T>{} : gate.at(first * C, g * C),
          means + g * C, &a[g * C], static_cast<const A*>(&b[g * C]), static_cast<const A*>(&k[g * C]), rows, C,
          past_cache, call.dx.as<T>() + first * C);
    });
  });
}

}  // namespace contrastive::cpu
