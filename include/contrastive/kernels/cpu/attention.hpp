// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/simd.hpp"
#include "contrastive/kernels/functors.hpp"
#include "contrastive/kernels/table.hpp"

/// Self-attention in one pass over the data: a head of a sequence is one thread's work, done in tiles of queries whose
/// scores stay in cache, so that the (heads, L, L) scores never exist. Forward keeps log sum exp a query; backward makes
/// the probabilities again from it (Dao et al. 2022, arXiv:2205.14135, without their tiling over keys: a tile here has
/// all keys of its queries). Scores are held as (keys, queries), so that a vector runs over queries and the softmax needs
/// no sum across lanes.
namespace contrastive::cpu {

namespace detail {

/// Sizes of one head's scratch, all in elements. Rows are padded to what the register tile takes whole.
struct HeadShape {
  static constexpr std::int64_t rows = 12;  // a multiple of every instruction set's tile of rows
  static constexpr std::int64_t tile = 96;  // queries at a time

  std::int64_t L, D, width;             // width: of a head
  std::int64_t keys, columns, queries;  // L, width and the tile, padded
  std::int64_t lanes;

  HeadShape(const View& qkv, const AttentionSpec& spec, std::int64_t widest)
      : L(qkv.shape[1]), D(qkv.shape[2] / 3), width(D / spec.heads), lanes(widest) {
    const auto up = [](std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; };
    keys = up(up(L, rows), lanes);
    columns = up(width, lanes);
    queries = up(up(std::min(L, tile), rows), lanes);
  }
};

/// y (M, N) [+]= alpha a b with a's element (i, k) at a[i * row + k * term], one of the two being 1; b (K, N) and y in
/// rows. M is a multiple of the tile's rows, N of the vector.
template <class Isa, class C>
struct HeadProduct {
  using V = simd::vec<C, simd::lanes<Isa, C>>;
  static constexpr int lanes = simd::lanes<Isa, C>;
  static constexpr int rows = Isa::registers == 32 ? 12 : (Isa::bytes == 32 ? 6 : 4);

  template <int Vectors>
  CONTRASTIVE_INLINE static void block(const C* a, std::int64_t row, std::int64_t term, const C* b, std::int64_t b_row,
                                       std::int64_t K, C alpha, bool add, C* y, std::int64_t y_row) {
    V sum[rows][Vectors] = {};
    for (std::int64_t k = 0; k < K; ++k, b += b_row, a += term) {
      V bv[Vectors];
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) bv[v] = simd::load<V>(b + v * lanes);
#pragma GCC unroll 12
      for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) sum[i][v] += a[i * row] * bv[v];
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) {
        C* const at = y + i * y_row + v * lanes;
        const V value = sum[i][v] * alpha;
        simd::store(at, add ? simd::load<V>(at) + value : value);
      }
  }

  /// `Along`: a's rows are neighbours in memory (row = 1, term = stride); else its terms are.
  template <bool Along>
  CONTRASTIVE_INLINE static void run(const C* a, std::int64_t stride, const C* b, std::int64_t b_row, std::int64_t M,
                                     std::int64_t N, std::int64_t K, C alpha, bool add, C* y, std::int64_t y_row) {
    const std::int64_t row = Along ? 1 : stride, term = Along ? stride : 1;
    std::int64_t j = 0;
    for (; j + 2 * lanes <= N; j += 2 * lanes)
      for (std::int64_t i = 0; i < M; i += rows)
        block<2>(a + i * row, row, term, b + j, b_row, K, alpha, add, y + i * y_row + j, y_row);
    if (j < N)
      for (std::int64_t i = 0; i < M; i += rows)
        block<1>(a + i * row, row, term, b + j, b_row, K, alpha, add, y + i * y_row + j, y_row);
  }
};

/// One head of one sequence: where its rows lie and its scratch.
template <class T>
struct HeadTask {
  using C = compute_t<T>;
  HeadShape shape;
  AttentionSpec spec;
  std::int64_t length;  // keys from here on are hidden
  const T* qkv;         // the head's queries in the sequence's first row; keys D further, values 2 D
  T* y;                 // likewise in (L, D); read by backward
  C* lse;               // (L)
  const T* dy;
  T* dqkv;
  C* scratch;

  /// Keys that the tile of `live` queries from `first` on sees, some of them later than a query.
  std::int64_t seen(std::int64_t first, std::int64_t live) const {
    return spec.causal ? std::min(first + live, length) : length;
  }
};

/// (count, width) rows `stride` apart, widened: as rows `columns` long, and as columns `turned_row` apart; zeros beyond.
template <class T, class C>
CONTRASTIVE_INLINE void widen_rows(const T* from, std::int64_t stride, std::int64_t count, std::int64_t width,
                                   std::int64_t columns, C* rows) {
  for (std::int64_t r = 0; r < count; ++r) {
    for (std::int64_t c = 0; c < width; ++c) rows[r * columns + c] = C(compute_t<T>(from[r * stride + c]));
    for (std::int64_t c = width; c < columns; ++c) rows[r * columns + c] = 0;
  }
}
template <class T, class C>
CONTRASTIVE_INLINE void widen_turned(const T* from, std::int64_t stride, std::int64_t count, std::int64_t width,
                                     std::int64_t padded, C* turned) {
  for (std::int64_t r0 = 0; r0 < padded; r0 += 16)  // blocks keep both sides in lines that are used whole
    for (std::int64_t c = 0; c < width; ++c)
      for (std::int64_t r = r0; r < std::min(padded, r0 + 16); ++r)
        turned[c * padded + r] = r < count ? C(compute_t<T>(from[r * stride + c])) : C(0);
}

/// Scores of keys after their query become -inf: (keys, queries) of a tile that begins at query `first`.
template <class C>
CONTRASTIVE_INLINE void hide_later(C* scores, std::int64_t row, std::int64_t first, std::int64_t keys,
                                   std::int64_t live) {
  for (std::int64_t j = first + 1; j < keys; ++j)
    for (std::int64_t i = 0; i < std::min(live, j - first); ++i)
      scores[j * row + i] = -std::numeric_limits<C>::infinity();
}

template <class T>
struct AttentionForward {
  using C = compute_t<T>;
  static std::int64_t scratch(const HeadShape& s) {
    return s.width * s.keys + s.L * s.columns + s.width * s.queries + s.keys * s.queries + s.queries * s.columns +
           2 * s.queries;
  }

  template <class Isa>
  CONTRASTIVE_INLINE static void run(HeadTask<T> t) {
    using P = HeadProduct<Isa, C>;
    using V = typename P::V;
    const HeadShape& s = t.shape;
    C* const keys = t.scratch;                        // (width, keys)
    C* const values = keys + s.width * s.keys;        // (L, columns)
    C* const queries = values + s.L * s.columns;      // (width, queries)
    C* const scores = queries + s.width * s.queries;  // (keys, queries)
    C* const out = scores + s.keys * s.queries;       // (queries, columns)
    C* const largest = out + s.queries * s.columns;   // (queries)
    C* const total = largest + s.queries;             // (queries)
    const std::int64_t stride = 3 * s.D;
    widen_turned(t.qkv + s.D, stride, t.length, s.width, s.keys, keys);
    widen_rows(t.qkv + 2 * s.D, stride, t.length, s.width, s.columns, values);
    for (std::int64_t first = 0; first < s.L; first += HeadShape::tile) {
      const std::int64_t live = std::min(HeadShape::tile, s.L - first);
      const std::int64_t rows = (live + HeadShape::rows - 1) / HeadShape::rows * HeadShape::rows;
      const std::int64_t width = std::min(s.queries, (rows + s.lanes - 1) / s.lanes * s.lanes);
      const std::int64_t seen = t.seen(first, live);
      widen_turned(t.qkv + first * stride, stride, live, s.width, s.queries, queries);
      P::template run<true>(keys, s.keys, queries, s.queries,
                            (seen + HeadShape::rows - 1) / HeadShape::rows * HeadShape::rows, width, s.width,
                            static_cast<C>(t.spec.scale), false, scores, s.queries);
      if (t.spec.causal) hide_later(scores, s.queries, first, seen, live);
      for (std::int64_t q = 0; q < width; q += P::lanes) {
        V m = simd::load<V>(scores + q);
        for (std::int64_t j = 1; j < seen; ++j) m = simd::max(simd::load<V>(scores + j * s.queries + q), m);
        V sum{};
        for (std::int64_t j = 0; j < seen; ++j) {
          const V p = functors::exp_plain(simd::load<V>(scores + j * s.queries + q) - m);
          simd::store(scores + j * s.queries + q, p);
          sum += p;
        }
        simd::store(largest + q, m);
        simd::store(total + q, sum);
      }
      P::template run<true>(scores, s.queries, values, s.columns, rows, s.columns, seen, C(1), false, out, s.columns);
      for (std::int64_t i = 0; i < live; ++i) {
        t.lse[first + i] = largest[i] + std::log(total[i]);
        const C scale = C(1) / total[i];
        T* const to = t.y + (first + i) * s.D;
        for (std::int64_t c = 0; c < s.width; ++c) to[c] = T(out[i * s.columns + c] * scale);
      }
    }
  }
};

template <class T>
struct AttentionBackward {
  using C = compute_t<T>;
  static std::int64_t scratch(const HeadShape& s) {
    return 2 * s.width * s.keys + s.L * s.columns + 2 * s.keys * s.columns + 2 * s.width * s.queries +
           3 * s.queries * s.columns + 2 * s.keys * s.queries + 2 * s.queries;
  }

  template <class Isa>
  CONTRASTIVE_INLINE static void run(HeadTask<T> t) {
    using P = HeadProduct<Isa, C>;
    using V = typename P::V;
    const HeadShape& s = t.shape;
    C* at = t.scratch;
    const auto take = [&](std::int64_t count) {
      C* const part = at;
      at += count;
      return part;
    };
    C* const keys_turned = take(s.width * s.keys);
    C* const values_turned = take(s.width * s.keys);
    C* const keys = take(s.L * s.columns);
    C* const dkeys = take(s.keys * s.columns);
    C* const dvalues = take(s.keys * s.columns);
    C* const queries_turned = take(s.width * s.queries);
    C* const dy_turned = take(s.width * s.queries);
    C* const queries = take(s.queries * s.columns);
    C* const dy = take(s.queries * s.columns);
    C* const dqueries = take(s.queries * s.columns);
    C* const scores = take(s.keys * s.queries);
    C* const dscores = take(s.keys * s.queries);
    C* const lse = take(s.queries);
    C* const inner = take(s.queries);
    const std::int64_t stride = 3 * s.D;
    const C scale = static_cast<C>(t.spec.scale);
    // Hidden keys and values are zeros here. So are then their rows of scores and dscores, which the products below take
    // up to a whole tile of rows: `seen` is the length or a multiple of it.
    static_assert(HeadShape::tile % HeadShape::rows == 0);
    widen_turned(t.qkv + s.D, stride, t.length, s.width, s.keys, keys_turned);
    widen_turned(t.qkv + 2 * s.D, stride, t.length, s.width, s.keys, values_turned);
    widen_rows(t.qkv + s.D, stride, t.length, s.width, s.columns, keys);
    std::fill(dkeys, dkeys + s.keys * s.columns, C(0));
    std::fill(dvalues, dvalues + s.keys * s.columns, C(0));
    for (std::int64_t first = 0; first < s.L; first += HeadShape::tile) {
      const std::int64_t live = std::min(HeadShape::tile, s.L - first);
      const std::int64_t rows = (live + HeadShape::rows - 1) / HeadShape::rows * HeadShape::rows;
      const std::int64_t width = std::min(s.queries, (rows + s.lanes - 1) / s.lanes * s.lanes);
      const std::int64_t seen = t.seen(first, live);
      const std::int64_t key_rows = (seen + HeadShape::rows - 1) / HeadShape::rows * HeadShape::rows;
      widen_turned(t.qkv + first * stride, stride, live, s.width, s.queries, queries_turned);
      widen_rows(t.qkv + first * stride, stride, live, s.width, s.columns, queries);
      widen_turned(t.dy + first * s.D, s.D, live, s.width, s.queries, dy_turned);
      widen_rows(t.dy + first * s.D, s.D, live, s.width, s.columns, dy);
      for (std::int64_t i = 0; i < s.queries; ++i) {
        lse[i] = i < live ? t.lse[first + i] : C(0);
        C total = 0;  // sum over the keys of p dp, which is y . dy
        for (std::int64_t c = 0; i < live && c < s.width; ++c)
          total += dy[i * s.columns + c] * C(compute_t<T>(t.y[(first + i) * s.D + c]));
        inner[i] = total;
      }
      P::template run<true>(keys_turned, s.keys, queries_turned, s.queries, key_rows, width, s.width, scale, false,
                            scores, s.queries);
      if (t.spec.causal) hide_later(scores, s.queries, first, seen, live);
      P::template run<true>(values_turned, s.keys, dy_turned, s.queries, key_rows, width, s.width, C(1), false, dscores,
                            s.queries);
      for (std::int64_t q = 0; q < width; q += P::lanes) {
        const V shift = simd::load<V>(lse + q), centre = simd::load<V>(inner + q);
        for (std::int64_t j = 0; j < seen; ++j) {
          const std::int64_t place = j * s.queries + q;
          const V p = functors::exp_plain(simd::load<V>(scores + place) - shift);
          simd::store(scores + place, p);
          simd::store(dscores + place, p * (simd::load<V>(dscores + place) - centre) * scale);
        }
      }
      P::template run<false>(scores, s.queries, dy, s.columns, key_rows, s.columns, live, C(1), true, dvalues,
                             s.columns);
      P::template run<false>(dscores, s.queries, queries, s.columns, key_rows, s.columns, live, C(1), true, dkeys,
                             s.columns);
      P::template run<true>(dscores, s.queries, keys, s.columns, rows, s.columns, seen, C(1), false, dqueries,
                            s.columns);
      for (std::int64_t i = 0; i < live; ++i)
        for (std::int64_t c = 0; c < s.width; ++c) t.dqkv[(first + i) * stride + c] = T(dqueries[i * s.columns + c]);
    }
    for (std::int64_t i = 0; i < s.L; ++i)
      for (std::int64_t c = 0; c < s.width; ++c) {
        t.dqkv[i * stride + s.D + c] = T(dkeys[i * s.columns + c]);
        t.dqkv[i * stride + 2 * s.D + c] = T(dvalues[i * s.columns + c]);
      }
  }
};

/// Runs Kernel<T> on every head of every sequence; dy and dqkv are empty for the forward.
template <template <class> class Kernel>
void each_head(View qkv, View lengths, View y, View lse, View dy, View dqkv, const AttentionSpec& spec) {
  if (y.count() == 0) return;
  dispatch_compute("attention", qkv.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = compute_t<T>;
    constexpr std::int64_t line = 64 / sizeof(C);
    const HeadShape shape(qkv, spec, line);
    const std::int64_t rows = shape.L * shape.D;
    parallel_for(qkv.shape[0] * spec.heads, 1, [&](std::int64_t begin, std::int64_t end) {
      thread_local std::vector<C> memory;
      memory.resize(static_cast<std::size_t>(Kernel<T>::scratch(shape) + line));
      const std::uintptr_t past = reinterpret_cast<std::uintptr_t>(memory.data()) % 64;
      C* const scratch = memory.data() + (past ? (64 - past) / sizeof(C) : 0);
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t n = task / spec.heads, head = task % spec.heads * shape.width;
        const std::int64_t length = lengths.data ? lengths.as<std::int64_t>()[n] : shape.L;
        simd::dispatch<Kernel<T>>(HeadTask<T>{shape, spec, length, qkv.as<T>() + 3 * n * rows + head,
                                              y.as<T>() + n * rows + head, lse.as<C>() + task * shape.L,
                                              dy.data ? dy.as<T>() + n * rows + head : nullptr,
                                              dqkv.data ? dqkv.as<T>() + 3 * n * rows + head : nullptr, scratch});
      }
    });
  });
}

}  // namespace detail

inline void attention(View qkv, View lengths, View y, View lse, AttentionSpec spec) {
  detail::each_head<detail::AttentionForward>(qkv, lengths, y, lse, {}, {}, spec);
}

inline void attention_grad(View qkv, View lengths, View y, View lse, View dy, View dqkv, AttentionSpec spec) {
  detail::each_head<detail::AttentionBackward>(qkv, lengths, y, lse, dy, dqkv, spec);
}

}  // namespace contrastive::cpu
