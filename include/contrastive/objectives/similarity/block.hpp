// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "contrastive/objectives/similarity/tile.hpp"

namespace contrastive::similarity {

/// Pairs that take no part: those on the diagonals column - row = `offset`, and those of equal ids.
struct Exclude {
  int count = 0;
  std::int64_t offset[3] = {};
  const std::int32_t *row_ids = nullptr, *column_ids = nullptr;
};

/// What is computed for a block of logits. In units of log 2, t_ij = x_i . y_j (the scale is in x already).
enum class Pass {
  sums,           // sum_j 2^(t - m) by row and column, for one m: no maxima, one exponential
  sums_safe,      // the same with a running maximum for each row and column
  gradient,       // G = 2^(t - m) (a_i + b_j), and its products
  gradient_safe,  // G = a_i 2^(t - A_i) + b_j 2^(t - B_j), and its products
  weighted,       // row sums, and the products of E = 2^(t - m): a softmax without a second look
  sigmoid,        // G = sigmoid(z), softplus(z) by row, for z = ln 2 (t + c), and its products
};

constexpr bool is_sums(Pass p) { return p == Pass::sums || p == Pass::sums_safe; }
constexpr bool is_safe(Pass p) { return p == Pass::sums_safe || p == Pass::gradient_safe; }

/// Terms of a logit that are summed in one turn: 128 columns of a panel are 16 KiB.
template <class S>
constexpr std::int64_t logit_turn = 128 * terms<S>;

/// A block of logits and what it meets. Null pointers stand for what is not wanted. Elements are S, sums C.
template <class S>
struct Block {
  using C = compute_t<S>;
  std::int64_t first_row = 0, rows = 0, live_rows = 0;  // rows: in whole tiles
  std::int64_t first_column = 0, panels = 0, D = 0;
  const S *x = nullptr, *xt = nullptr;  // natural and transposed, at the first row
  const S *y = nullptr, *yt = nullptr;
  std::int64_t x_block = 0, xt_panel = 0, y_block = 0, yt_panel = 0;
  S* tiles = nullptr;       // (panels, rows, W): G, or the exponentials that `sums` keeps
  bool past_cache = false;  // all that `sums` keeps is more than the caches hold
  S* turned = nullptr;      // G as a right factor, where that is another form
  C* partial = nullptr;     // (panels, rows, W): logits over the first terms, where D takes several turns
  const S* kept = nullptr;  // exponentials kept earlier: the logits are not computed again
  const C *row_factor = nullptr, *column_factor = nullptr;  // bf16: by which rows and columns are yet to be multiplied
  const C* column_start = nullptr;                          // (columns) -m (or +c), and -inf-like in the padding
  C *row_sum = nullptr, *row_max = nullptr;                 // (rows, lanes)
  C *column_sum = nullptr, *column_max = nullptr;           // (columns)
  const C *row_weight = nullptr, *column_weight = nullptr, *row_lse = nullptr, *column_lse = nullptr;
  C *dx = nullptr, *dyt = nullptr;  // natural, at the first row; transposed, at the first column
  Exclude exclude;

  /// Terms that `FirstTerms` sums, all but the last turn's.
  std::int64_t first_terms() const { return kept ? 0 : (D - 1) / logit_turn<S> * logit_turn<S>; }
};

namespace detail {

/// Whether the tile has a pair to leave out.
template <class S>
CONTRASTIVE_INLINE bool touches(const Block<S>& b, std::int64_t i, std::int64_t j, int R, int W) {
  for (int k = 0; k < b.exclude.count; ++k) {
    const std::int64_t d = b.exclude.offset[k] - (j - i);
    if (d > -R && d < W) return true;
  }
  return b.exclude.row_ids != nullptr;
}

/// Writes `value` where a pair of the tile at (i, j) is left out.
template <class Isa, class S, int R, class V>
CONTRASTIVE_INLINE void leave_out(V (&s)[R][2], const Block<S>& b, std::int64_t i, std::int64_t j, compute_t<S> value) {
  using C = compute_t<S>;
  constexpr int L = Tiling<Isa, S>::lanes, W = 2 * L;
  C plain[R][W];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < 2; ++v) simd::store(plain[r] + v * L, s[r][v]);
  for (int r = 0; r < R; ++r) {
    for (int k = 0; k < b.exclude.count; ++k) {
      const std::int64_t c = i + r + b.exclude.offset[k] - j;
      if (c >= 0 && c < W) plain[r][c] = value;
    }
    if (b.exclude.row_ids)
      for (int c = 0; c < W; ++c)
        plain[r][c] = b.exclude.row_ids[i + r] == b.exclude.column_ids[j + c] ? value : plain[r][c];
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < 2; ++v) s[r][v] = simd::load<V>(plain[r] + v * L);
}

}  // namespace detail

/// Logits over all but the last turn's terms: a panel of y over one turn stays in the first-level cache while the rows
/// pass.
template <class S>
struct FirstTerms {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const Block<S>* block) {
    using T = Tiling<Isa, S>;
    const Block<S>& b = *block;
    const std::int64_t wide = T::wide_rows(b.rows);
    for (std::int64_t k = 0; k < b.first_terms(); k += logit_turn<S>)
      for (std::int64_t p = 0; p < b.panels; ++p) {
        for (std::int64_t i = 0; i < wide; i += T::wide) turn<Isa, T::wide>(b, k, p, i);
        for (std::int64_t i = wide; i < b.rows; i += T::narrow) turn<Isa, T::narrow>(b, k, p, i);
      }
  }

 private:
  /// Adds terms k to k + logit_turn to a tile of logits.
  template <class Isa, int R>
  CONTRASTIVE_INLINE static void turn(const Block<S>& b, std::int64_t k, std::int64_t p, std::int64_t i) {
    constexpr int W = Tiling<Isa, S>::W;
    typename Tiling<Isa, S>::V s[R][2];
    auto* const at = b.partial + (p * b.rows + i) * W;
    k > 0 ? load_tile<Isa>(s, at) : clear_tile(s);
    multiply<Isa, S>(s, b.x + i * W + k / W * b.x_block, b.x_block, b.yt + p * b.yt_panel + k * W, logit_turn<S>);
    store_tile<Isa>(at, s);
  }
};

/// dX += G Y and dY^T += X^T G.
template <class S>
struct Products {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const Block<S>* block) {
    const Block<S>& b = *block;
    using T = Tiling<Isa, S>;
    constexpr int W = T::W;
    if (b.dx)
      for (std::int64_t d = 0; d < b.D; d += W)
        accumulate<Isa, S>(b.dx + d / W * b.x_block, b.tiles, b.rows * W, b.y + d / W * b.y_block, b.panels * W,
                           b.rows);
    if (b.dyt)
      for (std::int64_t p = 0; p < b.panels; ++p)
        accumulate<Isa, S>(b.dyt + p * b.yt_panel, b.xt, b.xt_panel, b.turned + p * b.rows * W, b.rows,
                           (b.D + T::narrow - 1) / T::narrow * T::narrow);
  }
};

/// The tiles of a block: logits over the last terms, and what the pass makes of them while they are in registers.
template <class S, Pass P>
struct BlockKernel {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const Block<S>* block) {
    using T = Tiling<Isa, S>;
    const Block<S>& b = *block;
    const std::int64_t wide = T::wide_rows(b.rows);
    for (std::int64_t p = 0; p < b.panels; ++p) {
      for (std::int64_t i = 0; i < wide; i += T::wide) tile<Isa, T::wide>(b, p, i);
      for (std::int64_t i = wide; i < b.rows; i += T::narrow) tile<Isa, T::narrow>(b, p, i);
    }
    if (b.past_cache) simd::finish_streams();
  }

 private:
  using C = compute_t<S>;

  template <class Isa, int R>
  CONTRASTIVE_INLINE static void tile(const Block<S>& b, std::int64_t p, std::int64_t i) {
    using T = Tiling<Isa, S>;
    using V = typename T::V;
    constexpr int L = T::lanes, W = T::W;
    const C low = C(-1e30);
    const std::int64_t last = b.first_terms();
    const std::int64_t at = (p * b.rows + i) * W, column = p * W;
    const bool some_out = detail::touches(b, b.first_row + i, b.first_column + column, R, W);
    V s[R][2];
    if ((P == Pass::gradient) && b.kept) {
      load_tile<Isa>(s, b.kept + at);
    } else {
      last > 0 ? load_tile<Isa>(s, b.partial + at) : clear_tile(s);
      multiply<Isa, S>(s, b.x + i * W + last / W * b.x_block, b.x_block, b.yt + p * b.yt_panel + last * W, b.D - last);
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        const V start = simd::load<V>(b.column_start + column + v * L);
        if constexpr (terms < S >> 1) {
          const V factor = simd::load<V>(b.column_factor + column + v * L);
#pragma GCC unroll 12
          for (int r = 0; r < R; ++r) s[r][v] = s[r][v] * (factor * b.row_factor[i + r]) + start;
        } else {
#pragma GCC unroll 12
          for (int r = 0; r < R; ++r) s[r][v] += start;
        }
      }
      if constexpr (P == Pass::sums || P == Pass::gradient || P == Pass::weighted) {
#pragma GCC unroll 12
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
          for (int v = 0; v < 2; ++v) s[r][v] = exp2(s[r][v]);
      }
    }
    if constexpr (P == Pass::sums || P == Pass::weighted) {
      if (some_out) detail::leave_out<Isa, S>(s, b, b.first_row + i, b.first_column + column, C(0));
      add_to_rows<Isa>(b, i, s);
    }
    if constexpr (P == Pass::sums) {
      if (b.column_sum) add_to_columns<Isa>(b, i, column, s);
    }
    if constexpr (P == Pass::sums_safe) {
      if (some_out) detail::leave_out<Isa, S>(s, b, b.first_row + i, b.first_column + column, low);
      running_rows<Isa>(b, i, s);
      if (b.column_sum) running_columns<Isa>(b, i, column, s);
    }
    if constexpr (P == Pass::gradient) {
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        const V weight = simd::load<V>(b.column_weight + column + v * L);
#pragma GCC unroll 12
        for (int r = 0; r < R; ++r) s[r][v] *= b.row_weight[i + r] + weight;
      }
    }
    if constexpr (P == Pass::gradient_safe) {
      const V high = simd::splat<V>(C(126));  // only the padding's rows come near it, and they count for nothing
      for (int v = 0; v < 2; ++v) {
        const V weight = simd::load<V>(b.column_weight + column + v * L);
        const V lse = simd::load<V>(b.column_lse + column + v * L);
        for (int r = 0; r < R; ++r)
          s[r][v] = exp2(simd::min(s[r][v] - b.row_lse[i + r], high)) * b.row_weight[i + r] +
                    exp2(simd::min(s[r][v] - lse, high)) * weight;
      }
    }
    if constexpr (P == Pass::sigmoid) sigmoid<Isa>(b, i, column, s, some_out);
    if constexpr (P == Pass::gradient || P == Pass::gradient_safe)
      if (some_out) detail::leave_out<Isa, S>(s, b, b.first_row + i, b.first_column + column, C(0));
    if (terms < S >> 1 && !is_sums(P))
      round_tile<Isa>(b, i, column, at, s);
    else if (!is_sums(P) || b.tiles) {
      if constexpr (is_sums(P) && std::is_same_v<S, float>)
        if (b.past_cache) return stream_tile<Isa>(b.tiles + at, s);
      store_tile<Isa>(b.tiles + at, s);
    }
  }

  /// G in the two forms that the products of pairs take, each times what its other factor is yet to be multiplied by.
  template <class Isa, int R, class V>
  CONTRASTIVE_INLINE static void round_tile(const Block<S>& b, std::int64_t i, std::int64_t column, std::int64_t at,
                                            V (&s)[R][2]) {
    if constexpr (terms < S >> 1) {
      constexpr int L = Tiling<Isa, S>::lanes, W = 2 * L;
      const V factor0 = simd::load<V>(b.column_factor + column), factor1 = simd::load<V>(b.column_factor + column + L);
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r)
        simd::store(reinterpret_cast<std::uint16_t*>(b.tiles + at + r * W),
                    round_to_bf16(s[r][0] * factor0, s[r][1] * factor1));
      if (!b.dyt) return;
#pragma GCC unroll 6
      for (int r = 0; r < R; r += 2) {
        const C upper = b.row_factor[i + r], lower = b.row_factor[i + r + 1];
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v)
          simd::store(reinterpret_cast<std::uint16_t*>(b.turned + at + r * W + v * W),
                      round_to_pairs(s[r][v] * upper, s[r + 1][v] * lower));
      }
    }
  }

  template <class Isa, int R, class V>
  CONTRASTIVE_INLINE static void add_to_rows(const Block<S>& b, std::int64_t i, V (&s)[R][2]) {
    constexpr int L = Tiling<Isa, S>::lanes;
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      C* const to = b.row_sum + (i + r) * L;
      simd::store(to, simd::load<V>(to) + (s[r][0] + s[r][1]));
    }
  }

  template <class Isa, int R, class V>
  CONTRASTIVE_INLINE static void add_to_columns(const Block<S>& b, std::int64_t i, std::int64_t column, V (&s)[R][2]) {
    constexpr int L = Tiling<Isa, S>::lanes;
    const int live = static_cast<int>(b.live_rows - i < R ? b.live_rows - i : R);
    for (int v = 0; v < 2; ++v) {
      C* const to = b.column_sum + column + v * L;
      V sum = simd::load<V>(to);
      if (live == R) {
        V part = s[0][v];
#pragma GCC unroll 12
        for (int r = 1; r < R; ++r) part += s[r][v];
        sum += part;
      } else {
        for (int r = 0; r < live; ++r) sum += s[r][v];
      }
      simd::store(to, sum);
    }
  }

  /// Running maxima and sums, lane by lane.
  template <class Isa, int R, class V>
  CONTRASTIVE_INLINE static void running_rows(const Block<S>& b, std::int64_t i, V (&s)[R][2]) {
    constexpr int L = Tiling<Isa, S>::lanes;
    for (int r = 0; r < R; ++r) {
      C *const max = b.row_max + (i + r) * L, *const sum = b.row_sum + (i + r) * L;
      const V before = simd::load<V>(max), now = simd::max(simd::max(s[r][0], s[r][1]), before);
      simd::store(sum, simd::load<V>(sum) * exp2(before - now) + exp2(s[r][0] - now) + exp2(s[r][1] - now));
      simd::store(max, now);
    }
  }
  template <class Isa, int R, class V>
  CONTRASTIVE_INLINE static void running_columns(const Block<S>& b, std::int64_t i, std::int64_t column, V (&s)[R][2]) {
    constexpr int L = Tiling<Isa, S>::lanes;
    const int live = static_cast<int>(b.live_rows - i < R ? b.live_rows - i : R);
    for (int v = 0; v < 2; ++v) {
      C *const max = b.column_max + column + v * L, *const sum = b.column_sum + column + v * L;
      const V before = simd::load<V>(max);
      V now = before;
      for (int r = 0; r < live; ++r) now = simd::max(s[r][v], now);
      V total = simd::load<V>(sum) * exp2(before - now);
      for (int r = 0; r < live; ++r) total += exp2(s[r][v] - now);
      simd::store(sum, total);
      simd::store(max, now);
    }
  }

  /// s becomes sigmoid(z); the row's softplus(z) and sigmoid(z) are added up.
  template <class Isa, int R, class V>
  CONTRASTIVE_INLINE static void sigmoid(const Block<S>& b, std::int64_t i, std::int64_t column, V (&s)[R][2],
                                         bool some_out) {
    constexpr int L = Tiling<Isa, S>::lanes;
    if (some_out) detail::leave_out<Isa, S>(s, b, b.first_row + i, b.first_column + column, C(-1e30));
    const V none{};
    for (int r = 0; r < R; ++r) {
      V loss{}, total{};
      for (int v = 0; v < 2; ++v) {
        const V z = s[r][v], e = exp2(z < none ? z : -z), inverse = C(1) / (e + C(1));
        loss += log1p_unit(e) + simd::max(z, none) * C(0.69314718055994531);
        s[r][v] = z < none ? e * inverse : inverse;
        total += s[r][v];
      }
      C *const sum = b.row_sum + (i + r) * L, *const gradient = b.row_max + (i + r) * L;
      simd::store(sum, simd::load<V>(sum) + loss);
      simd::store(gradient, simd::load<V>(gradient) + total);
    }
  }
};

}  // namespace contrastive::similarity
