// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "contrastive/kernels/cpu/bf16_dots.hpp"
#include "contrastive/kernels/cpu/simd.hpp"

/// The register tile that every product of the similarity engine is made of.
///
/// All matrices are kept in column blocks W wide (two vectors): element (r, k) of a left factor lies at
/// [k / W][r][k % W], a row of a right factor is W columns at [k][W], and so is the result. The logits S = X Y^T, and
/// both gradients G Y and X^T G, are then one and the same loop, and G is used where the epilogue left it: nothing is
/// transposed or packed between the three products.
///
/// Elements are of type S: float or double, or bf16 where the machine multiplies pairs of them. Then a right factor has
/// two rows beside each other, [k / 2][W][2], and S is a pair of neighbours in a left one; sums are floats.
namespace contrastive::similarity {

using simd::add_product, simd::has_bf16_dots, simd::load_terms, simd::run_kernel, simd::terms;
#if defined(CONTRASTIVE_BF16_DOTS)
using simd::Avx512Bf16, simd::round_to_bf16, simd::round_to_pairs;
#endif

/// Columns W and rows of the register tile. `wide` rows x 2 accumulators, two columns and one broadcast fill the
/// registers; `narrow` ones take what is left, so that any multiple of `narrow` is covered.
template <class Isa, class S>
struct Tiling {
  using C = compute_t<S>;
  static constexpr int lanes = simd::lanes<Isa, C>, W = 2 * lanes;
  static constexpr int wide = Isa::registers == 32 ? 12 : 6, narrow = Isa::registers == 32 ? 8 : 4;
  using V = simd::vec<C, lanes>;

  /// How many of n rows (a multiple of `narrow`) wide tiles take.
  static constexpr std::int64_t wide_rows(std::int64_t n) { return n / wide / 2 * 2 * wide; }
};

/// W of the instruction set in use; f64 takes the plain path.
template <class S>
int tile_width() {
  using C = compute_t<S>;
  if constexpr (std::is_same_v<S, double>) return Tiling<simd::Base, double>::W;
  switch (simd::isa()) {
    case simd::IsaLevel::avx512: return Tiling<simd::Avx512, C>::W;
    case simd::IsaLevel::avx2: return Tiling<simd::Avx2, C>::W;
    default: return Tiling<simd::Base, C>::W;
  }
}

/// sum (R, W) += A (R, K) B (K, W). `a` points at row 0 of the first column block, blocks lie `a_block` apart. bf16: K in
/// pairs, the last filled with a zero.
template <class Isa, class S, int R, class V>
CONTRASTIVE_INLINE void multiply(V (&sum)[R][2], const S* a, std::int64_t a_block, const S* b, std::int64_t K) {
  constexpr int L = Tiling<Isa, S>::lanes, W = 2 * L, pair = terms<S>;
  V t[R][2];  // a copy of its own stays in registers whatever the caller does with `sum`
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) t[r][0] = sum[r][0], t[r][1] = sum[r][1];
  for (std::int64_t k0 = 0; k0 < K; k0 += W, a += a_block) {
    const int count = static_cast<int>(K - k0 < W ? K - k0 : W);
    for (int k = 0; k < count; k += pair, b += W * pair) {
      const auto b0 = load_terms<V>(b), b1 = load_terms<V>(b + L * pair);
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) {
        t[r][0] = add_product(t[r][0], a + r * W + k, b0);
        t[r][1] = add_product(t[r][1], a + r * W + k, b1);
      }
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) sum[r][0] = t[r][0], sum[r][1] = t[r][1];
}

/// Zeros, in registers: `= {}` fills memory first.
template <int R, class V>
CONTRASTIVE_INLINE void clear_tile(V (&s)[R][2]) {
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) s[r][0] = s[r][1] = V{};
}

template <class Isa, int R, class V, class T>
CONTRASTIVE_INLINE void load_tile(V (&s)[R][2], const T* from) {
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) s[r][v] = simd::load<V>(from + (r * 2 + v) * simd::size_v<V>);
}
template <class Isa, int R, class V, class T>
CONTRASTIVE_INLINE void store_tile(T* to, V (&s)[R][2]) {
  if constexpr (std::is_same_v<T, bf16>) {
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r)
      simd::store(reinterpret_cast<std::uint16_t*>(to + r * 2 * simd::size_v<V>), round_to_bf16(s[r][0], s[r][1]));
    return;
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) simd::store(to + (r * 2 + v) * simd::size_v<V>, s[r][v]);
}

/// The same past the caches (`simd::stream`).
template <class Isa, int R, class V>
CONTRASTIVE_INLINE void stream_tile(float* to, V (&s)[R][2]) {
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) simd::stream(to + (r * 2 + v) * simd::size_v<V>, s[r][v]);
}

/// to (R, W) += A (R, K) B (K, W).
template <class Isa, class S, int R>
CONTRASTIVE_INLINE void accumulate_tile(compute_t<S>* to, const S* a, std::int64_t a_block, const S* b,
                                        std::int64_t K) {
  typename Tiling<Isa, S>::V sum[R][2];
  load_tile<Isa>(sum, to);
  multiply<Isa, S>(sum, a, a_block, b, K);
  store_tile<Isa>(to, sum);
}

/// The same for `rows` rows, a multiple of `narrow`.
template <class Isa, class S>
CONTRASTIVE_INLINE void accumulate(compute_t<S>* to, const S* a, std::int64_t a_block, const S* b, std::int64_t K,
                                   std::int64_t rows) {
  using T = Tiling<Isa, S>;
  const std::int64_t wide = T::wide_rows(rows);
  for (std::int64_t r = 0; r < wide; r += T::wide)
    accumulate_tile<Isa, S, T::wide>(to + r * T::W, a + r * T::W, a_block, b, K);
  for (std::int64_t r = wide; r < rows; r += T::narrow)
    accumulate_tile<Isa, S, T::narrow>(to + r * T::W, a + r * T::W, a_block, b, K);
}

/// 2^t for t <= 127 (f64: 1023), 1 unit in the last place; below -126 (-1022) it stays there, which no sum here feels.
template <class V>
CONTRASTIVE_INLINE V exp2(const V& exponent) {
  if constexpr (std::is_same_v<std::remove_cvref_t<decltype(exponent[0])>, double>) {
    using I = simd::vec<std::int64_t, simd::size_v<V>>;
    const V low = simd::splat<V>(-1022.), shifter = simd::splat<V>(6755399441055744.);  // 1.5 * 2^52
    const V t = exponent < low ? low : exponent;
    const V n = t + shifter, r = (t - (n - shifter)) * 0.69314718055994531;
    V p = simd::splat<V>(1 / 6227020800.);  // Taylor's e^r to r^13 / 13!, 4e-18 at |r| = ln(2) / 2
    p = p * r + 1 / 479001600.;
    p = p * r + 1 / 39916800.;
    p = p * r + 1 / 3628800.;
    p = p * r + 1 / 362880.;
    p = p * r + 1 / 40320.;
    p = p * r + 1 / 5040.;
    p = p * r + 1 / 720.;
    p = p * r + 1 / 120.;
    p = p * r + 1 / 24.;
    p = p * r + 1 / 6.;
    p = p * r + 1 / 2.;
    p = p * r + 1.;
    p = p * r + 1.;
    return simd::bit_cast<V>(simd::bit_cast<I>(p) + (simd::bit_cast<I>(n) << 52));
  } else {
    using I = simd::vec<std::int32_t, simd::size_v<V>>;
    const V low = simd::splat<V>(-126.f), shifter = simd::splat<V>(12582912.f);  // 1.5 * 2^23 rounds to an integer
    const V t = exponent > low ? exponent : low;
    const V n = t + shifter, r = t - (n - shifter);
    V p = simd::splat<V>(1.3276471e-3f);  // minimax of 2^r over [-1/2, 1/2], 7.5e-8
    p = p * r + 9.6755419e-3f;
    p = p * r + 5.5507131e-2f;
    p = p * r + 2.4022120e-1f;
    p = p * r + 6.9314694e-1f;
    p = p * r + 1.0000001f;
    return simd::bit_cast<V>(simd::bit_cast<I>(p) + (simd::bit_cast<I>(n) << 23));
  }
}

/// log(1 + e) for e in [0, 1].
template <class V>
CONTRASTIVE_INLINE V log1p_unit(const V& e) {
  if constexpr (std::is_same_v<std::remove_cvref_t<decltype(e[0])>, double>) {
    V y{};
    for (int i = 0; i < simd::size_v<V>; ++i) y[i] = std::log1p(e[i]);
    return y;
  } else {
    V p = simd::splat<V>(-3.2440198e-3f);  // minimax of log(1 + e) / e, 5e-9
    p = p * e + 1.9851440e-2f;
    p = p * e - 5.6959502e-2f;
    p = p * e + 1.0603653e-1f;
    p = p * e - 1.5305592e-1f;
    p = p * e + 1.9675939e-1f;
    p = p * e - 2.4954134e-1f;
    p = p * e + 3.3329964e-1f;
    p = p * e - 4.9999902e-1f;
    p = p * e + 1.f;
    return p * e;
  }
}

}  // namespace contrastive::similarity
