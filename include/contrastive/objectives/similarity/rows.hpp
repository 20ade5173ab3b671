// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "contrastive/objectives/similarity/tile.hpp"

/// What is done row by row, beside the products: O(N D), but at small N as long as the products themselves.
namespace contrastive::similarity {

/// Copies a block (W, W) across: to[c][r] = from[r][c].
template <class C>
struct TransposeBlocks {
  /// `count` blocks, `from_step` and `to_step` elements apart.
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const C* from, std::int64_t from_step, C* to, std::int64_t to_step,
                                     std::int64_t count) {
    constexpr int W = Tiling<Isa, C>::W;
    for (std::int64_t n = 0; n < count; ++n, from += from_step, to += to_step)
      for (int r = 0; r < W; ++r)
#pragma GCC unroll 8
        for (int c = 0; c < W; ++c) to[c * W + r] = from[r * W + c];
  }
};

/// A row of D elements, zero-filled to whole blocks of W, from a contiguous source: to = from. *square = sum of squares.
template <class C>
struct TakeRow {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const C* from, std::int64_t D, C* to, std::int64_t block, double* square) {
    using T = Tiling<Isa, C>;
    using V = typename T::V;
    V sum[2] = {};
    for (std::int64_t d = 0; d < D; d += T::W, to += block)
      for (int v = 0; v < 2; ++v) {
        const std::int64_t left = D - d - v * T::lanes;
        const C* const at = from + d + v * T::lanes;
        const V x = left >= T::lanes ? simd::load<V>(at)
                    : left > 0       ? simd::load_first<V>(at, static_cast<int>(left))
                                     : V{};
        sum[v] += x * x;
        simd::store(to + v * T::lanes, x);
      }
    *square = static_cast<double>(simd::sum(sum[0])) + static_cast<double>(simd::sum(sum[1]));
  }
};

/// Rows in blocks, `block` elements apart, times a factor.
template <class C>
struct ScaleRow {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(C* row, std::int64_t block, std::int64_t blocks, C factor) {
    using T = Tiling<Isa, C>;
    using V = typename T::V;
    for (std::int64_t n = 0; n < blocks; ++n, row += block)
      for (int v = 0; v < 2; ++v) simd::store(row + v * T::lanes, simd::load<V>(row + v * T::lanes) * factor);
  }
};

/// *dot = a . b for rows in blocks.
template <class C>
struct DotRows {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const C* a, std::int64_t a_block, const C* b, std::int64_t b_block,
                                     std::int64_t blocks, double* dot) {
    using T = Tiling<Isa, C>;
    using V = typename T::V;
    V sum[2] = {};
    for (std::int64_t n = 0; n < blocks; ++n, a += a_block, b += b_block)
      for (int v = 0; v < 2; ++v) sum[v] += simd::load<V>(a + v * T::lanes) * simd::load<V>(b + v * T::lanes);
    *dot = static_cast<double>(simd::sum(sum[0])) + static_cast<double>(simd::sum(sum[1]));
  }
};

/// line = d + e + weight other, and *dot = u . line: a row's gradient with its positive's part. `e` may be null.
template <class C>
struct JoinRow {
  const C *u, *other, *d, *e;
  std::int64_t u_block, other_block, d_block, blocks;
  C weight;
  C* line;  // in a row
  double* dot;

  template <class Isa>
  CONTRASTIVE_INLINE static void run(const JoinRow* task) {
    using T = Tiling<Isa, C>;
    using V = typename T::V;
    JoinRow t = *task;
    V sum[2] = {};
    for (std::int64_t n = 0; n < t.blocks; ++n) {
      for (int v = 0; v < 2; ++v) {
        V x = simd::load<V>(t.d + v * T::lanes) + simd::load<V>(t.other + v * T::lanes) * t.weight;
        if (t.e) x += simd::load<V>(t.e + v * T::lanes);
        sum[v] += x * simd::load<V>(t.u + v * T::lanes);
        simd::store(t.line + v * T::lanes, x);
      }
      t.u += t.u_block, t.other += t.other_block, t.d += t.d_block, t.line += T::W;
      if (t.e) t.e += t.d_block;
    }
    *t.dot = static_cast<double>(simd::sum(sum[0])) + static_cast<double>(simd::sum(sum[1]));
  }
};

/// to = (line - along u) scale, D elements in a row.
template <class C>
struct ProjectRow {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const C* line, const C* u, std::int64_t u_block, std::int64_t D, C along, C scale,
                                     C* to) {
    using T = Tiling<Isa, C>;
    using V = typename T::V;
    for (std::int64_t d = 0; d < D; d += T::W, u += u_block)
      for (int v = 0; v < 2; ++v) {
        const std::int64_t at = d + v * T::lanes, left = D - at;
        if (left <= 0) break;
        const V y = (simd::load<V>(line + at) - simd::load<V>(u + v * T::lanes) * along) * scale;
        if (left >= T::lanes)
          simd::store(to + at, y);
        else
          simd::store_first(to + at, y, static_cast<int>(left));
      }
  }
};

/// `Kernel` for the instruction set of the tiles.
template <template <class> class Kernel, class C, class... Args>
void over_row(Args... args) {
  if constexpr (std::is_same_v<C, double>)
    simd::plain<Kernel<C>>(args...);
  else
    simd::dispatch<Kernel<C>>(args...);
}

}  // namespace contrastive::similarity
