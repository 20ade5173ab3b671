// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/simd.hpp"
#include "contrastive/kernels/functors.hpp"
#include "contrastive/kernels/table.hpp"

/// Elementwise kernels work on blocks of a fixed number of elements held in local arrays, in vectors where the functor
/// takes them: what a compiler makes of a plain loop differs by instruction set.
namespace contrastive::cpu {

namespace detail {

inline constexpr int block = 64;

template <class T>
CONTRASTIVE_INLINE void load_block(const T* from, int n, compute_t<T>* to) {
  if (n == block) {
    for (int j = 0; j < block; ++j) to[j] = from[j];
  } else {
    for (int j = 0; j < n; ++j) to[j] = from[j];
    for (int j = n; j < block; ++j) to[j] = compute_t<T>(1);  // any value that no functor trips over
  }
}

template <class T>
CONTRASTIVE_INLINE void store_block(const compute_t<T>* from, int n, T* to) {
  if (n == block) {
    for (int j = 0; j < block; ++j) to[j] = T(from[j]);
  } else {
    for (int j = 0; j < n; ++j) to[j] = T(from[j]);
  }
}

/// Elements of the compute type C, or of bf16 where `half`: one kernel serves both.
template <class C>
struct Elements {
  char* data;
  bool half;

  Elements(const View& view, std::int64_t at)
      : data(view.as<char>() + static_cast<std::size_t>(at) * size_of(view.dtype)), half(view.dtype == DType::bf16) {}

  CONTRASTIVE_INLINE void load(std::int64_t i, int n, C* to) const {
    if (std::is_same_v<C, float> && half)
      load_block(reinterpret_cast<const bf16*>(data) + i, n, reinterpret_cast<float*>(to));
    else
      load_block(reinterpret_cast<const C*>(data) + i, n, to);
  }
  CONTRASTIVE_INLINE void store(const C* from, std::int64_t i, int n) const {
    if (std::is_same_v<C, float> && half)
      store_block(reinterpret_cast<const float*>(from), n, reinterpret_cast<bf16*>(data) + i);
    else
      store_block(from, n, reinterpret_cast<C*>(data) + i);
  }
  C first() const {
    if (std::is_same_v<C, float> && half) return static_cast<C>(float(*reinterpret_cast<const bf16*>(data)));
    return *reinterpret_cast<const C*>(data);
  }
};

CONTRASTIVE_INLINE int live(std::int64_t n, std::int64_t i) { return static_cast<int>(n - i < block ? n - i : block); }

/// out[j] = Kernel::at(a, in[j]...) for a block, in vectors where F takes them.
template <class Isa, class Kernel, class F, class C, class... In>
CONTRASTIVE_INLINE void over_block(C a, C* out, const In*... in) {
  if constexpr (std::is_same_v<C, float> && !std::is_base_of_v<functors::OneByOne, F>) {
    using V = simd::native<Isa, C>;
    for (int j = 0; j < block; j += simd::size_v<V>) simd::store(out + j, Kernel::at(a, simd::load<V>(in + j)...));
  } else {
    for (int j = 0; j < block; ++j) out[j] = Kernel::at(a, in[j]...);
  }
}

/// A bias (C) for rows that are read in blocks: several rows' worth of it, as long as `period`, then as much again as a
/// block may read beyond.
template <class C>
struct RowBias {
  std::int64_t period;
  std::vector<C> values;

  explicit RowBias(const View& bias) : period(bias.count() * std::max<std::int64_t>(1, 512 / bias.count())) {
    values.resize(static_cast<std::size_t>(period + block));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = bias.as<C>()[i % static_cast<std::size_t>(bias.count())];
  }

  /// f(begin, n, bias) for runs of whole rows out of `count` elements.
  template <class F>
  static void runs(const View& bias, std::int64_t count, F&& f) {
    if (!bias.data)
      return parallel_for(count, 1 << 15, [&](std::int64_t begin, std::int64_t end) {
        f(begin, end - begin, static_cast<const C*>(nullptr));
      });
    if (count == 0) return;
    const RowBias rows(bias);
    const std::int64_t period = rows.period;
    parallel_for((count + period - 1) / period, grain_for(period, 1 << 15), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        f(i * period, std::min(period, count - i * period), rows.values.data());
    });
  }
};

template <class F, class C>
struct Map {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(Elements<C> x, const C* bias, C a, Elements<C> y, std::int64_t n) {
    C in[block], out[block];
    for (std::int64_t i = 0; i < n; i += block) {
      x.load(i, live(n, i), in);
      if (bias)
        over_block<Isa, Map, F>(a, out, in, bias + i);
      else
        over_block<Isa, Map, F>(a, out, in);
      y.store(out, i, live(n, i));
    }
  }
  template <class V>
  CONTRASTIVE_INLINE static V at(C a, const V& x) {
    return F::f(x, simd::splat<V>(a));
  }
  template <class V>
  CONTRASTIVE_INLINE static V at(C a, const V& x, const V& bias) {
    return F::f(x + bias, simd::splat<V>(a));
  }
};

template <class F, class C>
struct MapGrad {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(Elements<C> kept, const C* bias, Elements<C> dy, C a, Elements<C> dx,
                                     std::int64_t n) {
    C ks[block], ds[block], out[block];
    for (std::int64_t i = 0; i < n; i += block) {
      kept.load(i, live(n, i), ks);
      dy.load(i, live(n, i), ds);
      if (bias)
        over_block<Isa, MapGrad, F>(a, out, ks, ds, bias + i);
      else
        over_block<Isa, MapGrad, F>(a, out, ks, ds);
      dx.store(out, i, live(n, i));
    }
  }
  template <class V>
  CONTRASTIVE_INLINE static V at(C a, const V& kept, const V& dy) {
    if constexpr (functors::from_y<F>)
      return dy * F::df_at_y(kept, simd::splat<V>(a));
    else
      return dy * F::df(kept, simd::splat<V>(a));
  }
  template <class V>
  CONTRASTIVE_INLINE static V at(C a, const V& kept, const V& dy, const V& bias) {
    return at<V>(a, kept + bias, dy);
  }
};

/// An operand that does not move is one value for the whole run.
template <class F, class C>
struct Zip {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(Elements<C> a, bool a_moves, Elements<C> b, bool b_moves, Elements<C> y,
                                     std::int64_t n) {
    C as[block], bs[block], out[block];
    if (!a_moves)
      for (int j = 0; j < block; ++j) as[j] = a.first();
    if (!b_moves)
      for (int j = 0; j < block; ++j) bs[j] = b.first();
    for (std::int64_t i = 0; i < n; i += block) {
      if (a_moves) a.load(i, live(n, i), as);
      if (b_moves) b.load(i, live(n, i), bs);
      over_block<Isa, Zip, F>(C(0), out, as, bs);
      y.store(out, i, live(n, i));
    }
  }
  template <class V>
  CONTRASTIVE_INLINE static V at(C, const V& a, const V& b) {
    return F::f(a, b);
  }
};

/// Runs f with a tag of the compute type: float for f32 and bf16, double for f64.
template <class F>
void by_compute_type(const char* op, DType dtype, F&& f) {
  if (dtype == DType::f64) return f(contrastive::detail::TypeTag<double>{});
  require(dtype == DType::f32 || dtype == DType::bf16, "[", op, "] computes in f32, f64 or bf16, got ",
          to_string(dtype));
  f(contrastive::detail::TypeTag<float>{});
}

template <class Kernel, class C, class... Args>
void dispatch_elementwise(Args... args) {
  if constexpr (std::is_same_v<C, double>)
    simd::plain<Kernel>(args...);
  else
    simd::dispatch<Kernel>(args...);
}

struct AddTo {
  template <class T>
  CONTRASTIVE_INLINE static T f(const T& x, const T& y) {
    return x + y;
  }
};

/// A broadcast as runs: the innermost axes over which both operands are contiguous or both constant form one run.
struct BroadcastPlan {
  Shape outer;                                  // one entry a run
  std::int64_t a_stride[Shape::max_rank] = {};  // in elements, 0 where stretched
  std::int64_t b_stride[Shape::max_rank] = {};
  std::int64_t run = 1;                   // length of a run
  bool a_moves = false, b_moves = false;  // along the run

  BroadcastPlan(const Shape& a, const Shape& b, const Shape& y) {
    std::int64_t a_step = 1, b_step = 1;
    std::int64_t as[Shape::max_rank], bs[Shape::max_rank];
    for (int back = 1; back <= y.rank; ++back) {
      const std::int64_t m = back <= a.rank ? a[-back] : 1, n = back <= b.rank ? b[-back] : 1;
      as[y.rank - back] = m == 1 ? 0 : a_step;
      bs[y.rank - back] = n == 1 ? 0 : b_step;
      a_step *= m;
      b_step *= n;
    }
    int axis = y.rank - 1;
    bool started = false;
    for (; axis >= 0; --axis) {
      if (y[axis] == 1) continue;
      const bool am = as[axis] != 0, bm = bs[axis] != 0;
      if (started && (am != a_moves || bm != b_moves)) break;
      a_moves = am;
      b_moves = bm;
      started = true;
      run *= y[axis];
    }
    for (int i = 0; i <= axis; ++i) {
      a_stride[i] = as[i];
      b_stride[i] = bs[i];
      outer.push_back(y[i]);
    }
  }

  void offsets(std::int64_t index, std::int64_t& a, std::int64_t& b) const {
    a = b = 0;
    for (int axis = outer.rank - 1; axis >= 0; --axis) {
      const std::int64_t place = index % outer.sizes[axis];
      index /= outer.sizes[axis];
      a += place * a_stride[axis];
      b += place * b_stride[axis];
    }
  }
};

}  // namespace detail

template <class F>
void map(View x, View bias, double a, View y) {
  detail::by_compute_type("map", x.dtype, [&](auto tag) {
    using C = typename decltype(tag)::type;
    using E = detail::Elements<C>;
    detail::RowBias<C>::runs(bias, x.count(), [&](std::int64_t begin, std::int64_t n, const C* rows) {
      detail::dispatch_elementwise<detail::Map<F, C>, C>(E(x, begin), rows, static_cast<C>(a), E(y, begin), n);
    });
  });
}

template <class F>
void map_grad(View kept, View bias, View dy, double a, View dx) {
  detail::by_compute_type("map_grad", kept.dtype, [&](auto tag) {
    using C = typename decltype(tag)::type;
    using E = detail::Elements<C>;
    detail::RowBias<C>::runs(bias, kept.count(), [&](std::int64_t begin, std::int64_t n, const C* rows) {
      detail::dispatch_elementwise<detail::MapGrad<F, C>, C>(E(kept, begin), rows, E(dy, begin), static_cast<C>(a),
                                                             E(dx, begin), n);
    });
  });
}

template <class F>
void zip(View a, View b, View y) {
  detail::by_compute_type("zip", y.dtype, [&](auto tag) {
    using C = typename decltype(tag)::type;
    using E = detail::Elements<C>;
    if (y.count() == 0) return;
    const detail::BroadcastPlan plan(a.shape, b.shape, y.shape);
    const auto one_run = [&](std::int64_t at_a, std::int64_t at_b, std::int64_t at_y, std::int64_t n) {
      detail::dispatch_elementwise<detail::Zip<F, C>, C>(E(a, at_a), plan.a_moves, E(b, at_b), plan.b_moves, E(y, at_y),
                                                         n);
    };
    if (plan.outer.rank == 0) {
      parallel_for(plan.run, 1 << 15, [&](std::int64_t begin, std::int64_t end) {
        one_run(plan.a_moves ? begin : 0, plan.b_moves ? begin : 0, begin, end - begin);
      });
      return;
    }
    parallel_for(plan.outer.count(), grain_for(plan.run), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        std::int64_t at_a, at_b;
        plan.offsets(i, at_a, at_b);
        one_run(at_a, at_b, i * plan.run, plan.run);
      }
    });
  });
}

inline void accumulate(View x, View y) { zip<detail::AddTo>(y, x, y); }

}  // namespace contrastive::cpu
