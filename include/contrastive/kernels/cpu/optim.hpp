// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <vector>

#include "contrastive/kernels/cpu/elementwise.hpp"

/// Optimiser steps, one pass over the memory. The formulas stand in kernels/list.def.
namespace contrastive::cpu {

namespace detail {

template <class F>
decltype(auto) dispatch_parameter(const char* op, DType dtype, F&& f) {
  if (dtype == DType::f32) return f(contrastive::detail::TypeTag<float>{});
  if (dtype == DType::f64) return f(contrastive::detail::TypeTag<double>{});
  fail("[", op, "] parameters are f32 or f64, got ", to_string(dtype));
}

template <class T>
struct SgdStep {
  struct Values {
    T scale, decay, momentum, lr_inside, lr_outside;
    bool nesterov;
  };

  template <class Isa>
  CONTRASTIVE_INLINE static void run(T* p, const T* g, T* b, Values h, std::int64_t n) {
    T ps[block], us[block], bs[block];
    for (std::int64_t i = 0; i < n; i += block) {
      const int m = static_cast<int>(n - i < block ? n - i : block);
      load_block(p + i, m, ps);
      load_block(g + i, m, us);
      for (int j = 0; j < block; ++j) us[j] = h.lr_inside * (h.scale * (us[j] + h.decay * ps[j]));
      if (b) {
        load_block(b + i, m, bs);
        for (int j = 0; j < block; ++j) bs[j] = h.momentum * bs[j] + us[j];
        store_block(bs, m, b + i);
        if (h.nesterov) {
          for (int j = 0; j < block; ++j) us[j] += h.momentum * bs[j];
        } else {
          for (int j = 0; j < block; ++j) us[j] = bs[j];
        }
      }
      for (int j = 0; j < block; ++j) ps[j] -= h.lr_outside * us[j];
      store_block(ps, m, p + i);
    }
  }
};

template <class T>
struct AdamStep {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(T* p, const T* g, T* m, T* v, AdamHyper<T> h, std::int64_t n) {
    using V = simd::native<Isa, T>;
    constexpr int L = simd::size_v<V>;
    T ps[block], gs[block], ms[block], vs[block], roots[block];
    const T keep = h.decoupled != T(0) ? T(1) - h.lr * h.weight_decay : T(1);
    const T l2 = h.decoupled != T(0) ? T(0) : h.weight_decay;
    const T rate = h.lr / h.correction1, unbias = T(1) / std::sqrt(h.correction2);
    for (std::int64_t i = 0; i < n; i += block) {
      const int count = static_cast<int>(n - i < block ? n - i : block);
      load_block(p + i, count, ps);
      load_block(g + i, count, gs);
      load_block(m + i, count, ms);
      load_block(v + i, count, vs);
      for (int j = 0; j < block; ++j) gs[j] += l2 * ps[j];
      for (int j = 0; j < block; ++j) ms[j] = h.beta1 * ms[j] + h.gain1 * gs[j];
      for (int j = 0; j < block; ++j) vs[j] = h.beta2 * vs[j] + h.gain2 * gs[j] * gs[j];
      for (int j = 0; j < block; j += L) simd::store(roots + j, simd::sqrt(simd::load<V>(vs + j)));
      for (int j = 0; j < block; ++j) ps[j] = keep * ps[j] - rate * ms[j] / (roots[j] * unbias + h.eps);
      store_block(ms, count, m + i);
      store_block(vs, count, v + i);
      store_block(ps, count, p + i);
    }
  }
};

template <class T>
struct Lerp {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(T* target, const T* source, T keep, std::int64_t n) {
    T ts[block], ss[block];
    for (std::int64_t i = 0; i < n; i += block) {
      const int m = static_cast<int>(n - i < block ? n - i : block);
      load_block(target + i, m, ts);
      load_block(source + i, m, ss);
      for (int j = 0; j < block; ++j) ts[j] = keep * ts[j] + (T(1) - keep) * ss[j];
      store_block(ts, m, target + i);
    }
  }
};

/// Sum of (x + a y)^2 in `lanes` partial sums of doubles; y may be null.
template <class T>
struct SumSquares {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* x, const T* y, double a, std::int64_t n, double* out) {
    constexpr int lanes = 16;
    double sums[lanes] = {}, xs[lanes];
    std::int64_t i = 0;
    for (; i + lanes <= n; i += lanes) {
      for (int j = 0; j < lanes; ++j) xs[j] = static_cast<double>(static_cast<compute_t<T>>(x[i + j]));
      if (y)
        for (int j = 0; j < lanes; ++j) xs[j] += a * static_cast<double>(static_cast<compute_t<T>>(y[i + j]));
      for (int j = 0; j < lanes; ++j) sums[j] += xs[j] * xs[j];
    }
    for (; i < n; ++i) {
      const double value = static_cast<double>(static_cast<compute_t<T>>(x[i])) +
                           (y ? a * static_cast<double>(static_cast<compute_t<T>>(y[i])) : 0.0);
      sums[i % lanes] += value * value;
    }
    double total = 0;
    for (int j = 0; j < lanes; ++j) total += sums[j];
    *out = total;
  }
};

inline constexpr std::int64_t optim_chunk = 1 << 15;

/// Sum of (x + a y)^2 over n elements: fixed chunks joined in order.
template <class T>
double squared_norm(const T* x, const T* y, double a, std::int64_t n) {
  std::vector<double> partial(static_cast<std::size_t>((n + optim_chunk - 1) / optim_chunk));
  parallel_for(n, optim_chunk, [&](std::int64_t begin, std::int64_t end) {
    simd::dispatch<SumSquares<T>>(x + begin, y ? y + begin : nullptr, a, end - begin, &partial[begin / optim_chunk]);
  });
  double total = 0;
  for (double part : partial) total += part;
  return total;
}

}  // namespace detail

inline void sgd(View p, View g, View buffer, View trust, View hyper) {
  detail::dispatch_parameter("sgd", p.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using Step = detail::SgdStep<T>;
    const auto& h = *hyper.as<SgdHyper<T>>();
    const bool inside = h.lr_in_buffer != T(0);
    const typename Step::Values values{.scale = trust.data ? trust.as<T>()[0] : T(1),
                                       .decay = trust.data ? trust.as<T>()[1] : h.weight_decay,
                                       .momentum = h.momentum,
                                       .lr_inside = inside ? h.lr : T(1),
                                       .lr_outside = inside ? T(1) : h.lr,
                                       .nesterov = h.nesterov != T(0)};
    parallel_for(p.count(), detail::optim_chunk, [&](std::int64_t begin, std::int64_t end) {
      simd::dispatch<Step>(p.as<T>() + begin, static_cast<const T*>(g.as<T>() + begin),
                           buffer.data ? buffer.as<T>() + begin : nullptr, values, end - begin);
    });
  });
}

inline void trust_ratio(View p, View g, View hyper, View trust) {
  detail::dispatch_parameter("trust_ratio", p.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto& h = *hyper.as<SgdHyper<T>>();
    const T *ps = p.as<T>(), *gs = g.as<T>();
    const bool decayed = h.decayed_norm != T(0);
    const double p_norm = std::sqrt(detail::squared_norm<T>(ps, nullptr, 0, p.count()));
    const double g_norm = std::sqrt(detail::squared_norm<T>(gs, decayed ? ps : nullptr, h.weight_decay, p.count()));
    double ratio = 1, decay = h.weight_decay;
    if (p_norm > 0 && g_norm > 0) {
      ratio = h.trust * p_norm / (decayed ? g_norm : g_norm + p_norm * h.weight_decay + h.eps);
      if (h.clip != T(0)) ratio = ratio < h.lr ? ratio / h.lr : 1;
    } else if (!decayed) {
      decay = 0;
    }
    trust.as<T>()[0] = static_cast<T>(ratio);
    trust.as<T>()[1] = static_cast<T>(decay);
  });
}

inline void adamw(View p, View g, View m, View v, View hyper) {
  detail::dispatch_parameter("adamw", p.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const AdamHyper<T> h = *hyper.as<AdamHyper<T>>();
    parallel_for(p.count(), detail::optim_chunk, [&](std::int64_t begin, std::int64_t end) {
      simd::dispatch<detail::AdamStep<T>>(p.as<T>() + begin, static_cast<const T*>(g.as<T>() + begin),
                                          m.as<T>() + begin, v.as<T>() + begin, h, end - begin);
    });
  });
}

inline void lerp(View target, View source, View keep) {
  const double weight = keep.dtype == DType::f64 ? *keep.as<double>() : *keep.as<float>();
  detail::dispatch_parameter("lerp", target.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    parallel_for(target.count(), detail::optim_chunk, [&](std::int64_t begin, std::int64_t end) {
      simd::dispatch<detail::Lerp<T>>(target.as<T>() + begin, static_cast<const T*>(source.as<T>() + begin),
                                      static_cast<T>(weight), end - begin);
    });
  });
}

inline void sum_squares(View x, View y) {
  dispatch_compute("sum_squares", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const double total = detail::squared_norm<T>(x.as<T>(), nullptr, 0, x.count());
    if (y.dtype == DType::f64)
      *y.as<double>() = total;
    else
      *y.as<float>() = static_cast<float>(total);
  });
}

}  // namespace contrastive::cpu
