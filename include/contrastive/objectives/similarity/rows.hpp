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

/// Blocks of bf16 as right factors of products of pairs: `right` has the rows in pairs, [r / 2][c][2], and
/// `transposed_right` the columns, [c / 2][r][2].
struct PairBlocks {
  const bf16* from;
  std::int64_t from_step;
  bf16 *right, *transposed_right;
  std::int64_t right_step, transposed_step, count;

  template <class Isa>
  CONTRASTIVE_INLINE static void run(const PairBlocks* task) {
    constexpr int W = Tiling<Isa, bf16>::W, L = W / 2;
    using Cells = simd::vec<std::uint32_t, L>;
    using Halves = simd::vec<std::uint16_t, L>;
    PairBlocks t = *task;
    for (std::int64_t n = 0; n < t.count; ++n) {
      for (int r = 0; r < W; r += 2)
        for (int c = 0; c < W; c += L) {
          Halves upper, lower;
          std::memcpy(&upper, static_cast<const void*>(t.from + r * W + c), sizeof upper);
          std::memcpy(&lower, static_cast<const void*>(t.from + (r + 1) * W + c), sizeof lower);
          const Cells pairs = __builtin_convertvector(upper, Cells) | (__builtin_convertvector(lower, Cells) << 16);
          std::memcpy(static_cast<void*>(t.right + r * W + 2 * c), &pairs, sizeof pairs);
        }
      for (int r = 0; r < W; ++r)
#pragma GCC unroll 8
        for (int c = 0; c < W; c += 2)
          std::memcpy(static_cast<void*>(t.transposed_right + c * W + 2 * r), t.from + r * W + c, 2 * sizeof(bf16));
      t.from += t.from_step, t.right += t.right_step, t.transposed_right += t.transposed_step;
    }
  }
};

/// A row of D elements, zero-filled to whole blocks of W, from a contiguous source: to = from. *square = sum of squares.
template <class S>
struct TakeRow {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const S* from, std::int64_t D, S* to, std::int64_t block, double* square) {
    using T = Tiling<Isa, S>;
    using V = typename T::V;
    V sum[2] = {};
    for (std::int64_t d = 0; d < D; d += T::W, to += block)
      for (int v = 0; v < 2; ++v) {
        const std::int64_t left = D - d - v * T::lanes;
        const S* const at = from + d + v * T::lanes;
        const V x = left >= T::lanes ? simd::load<V>(at)
                    : left > 0       ? simd::load_first<V>(at, static_cast<int>(left))
                                     : V{};
        sum[v] += x * x;
        simd::store(to + v * T::lanes, x);
      }
    *square = static_cast<double>(simd::sum(sum[0])) + static_cast<double>(simd::sum(sum[1]));
  }
};

/// *square = sum of squares of D elements.
template <class S>
struct SquareRow {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const S* row, std::int64_t D, double* square) {
    using T = Tiling<Isa, S>;
    using V = typename T::V;
    V sum[4] = {};
    std::int64_t d = 0;
    for (; d + 4 * T::lanes <= D; d += 4 * T::lanes)
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) {
        const V x = simd::load<V>(row + d + v * T::lanes);
        sum[v] += x * x;
      }
    for (; d < D; d += T::lanes) {
      const V x = D - d >= T::lanes ? simd::load<V>(row + d) : simd::load_first<V>(row + d, static_cast<int>(D - d));
      sum[0] += x * x;
    }
    *square = static_cast<double>(simd::sum((sum[0] + sum[1]) + (sum[2] + sum[3])));
  }
};

/// Rows in blocks, `block` elements apart, times a factor.
template <class S>
struct ScaleRow {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(S* row, std::int64_t block, std::int64_t blocks, compute_t<S> factor) {
    using T = Tiling<Isa, S>;
    using V = typename T::V;
    for (std::int64_t n = 0; n < blocks; ++n, row += block)
      for (int v = 0; v < 2; ++v) simd::store(row + v * T::lanes, simd::load<V>(row + v * T::lanes) * factor);
  }
};

/// *dot = a . b for rows in blocks.
template <class S>
struct DotRows {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const S* a, std::int64_t a_block, const S* b, std::int64_t b_block,
                                     std::int64_t blocks, double* dot) {
    using T = Tiling<Isa, S>;
    using V = typename T::V;
    V sum[2] = {};
    for (std::int64_t n = 0; n < blocks; ++n, a += a_block, b += b_block)
      for (int v = 0; v < 2; ++v) sum[v] += simd::load<V>(a + v * T::lanes) * simd::load<V>(b + v * T::lanes);
    *dot = static_cast<double>(simd::sum(sum[0])) + static_cast<double>(simd::sum(sum[1]));
  }
};

/// line = d + e + weight other, and *dot = u . line: a row's gradient with its positive's part. `e` may be null.
template <class S>
struct JoinRow {
  using C = compute_t<S>;
  const S *u, *other;
  const C *d, *e;
  std::int64_t u_block, other_block, d_block, blocks;
  C weight;
  C* line;  // in a row
  double* dot;

  template <class Isa>
  CONTRASTIVE_INLINE static void run(const JoinRow* task) {
    using T = Tiling<Isa, S>;
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
template <class S>
struct ProjectRow {
  using C = compute_t<S>;
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const C* line, const S* u, std::int64_t u_block, std::int64_t D, C along, C scale,
                                     C* to) {
    using T = Tiling<Isa, S>;
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
template <template <class> class Kernel, class S, class... Args>
void over_row(Args... args) {
  run_kernel<Kernel<S>, S>(args...);
}

}  // namespace contrastive::similarity
