// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>

#include "contrastive/core/dtype.hpp"
#include "contrastive/kernels/cpu/simd.hpp"

/// Dot products of many short rows with one query: as fast as the rows come from memory.
namespace contrastive::detail {

/// Rows are padded with zeros to a multiple of this many numbers: no kernel has a rest to see to.
inline constexpr std::int64_t row_step = 64;
constexpr std::int64_t padded_width(std::int64_t dimension) { return (dimension + row_step - 1) / row_step * row_step; }

/// Halves to floats. Infinity and NaN are no numbers of a unit row and may come out as any others.
template <class V>
CONTRASTIVE_INLINE V load_halves(const f16* from) {
  constexpr int N = simd::size_v<V>;
#if defined(__x86_64__) && !defined(__clang__)  // which holds asm to the file's instruction set, not the caller's
  if constexpr (N >= 8) {
    V value;
    asm("vcvtph2ps %1, %0" : "=v"(value) : "m"(*reinterpret_cast<const char(*)[2 * N]>(from)));
    return value;
  }
#endif
  simd::vec<std::uint16_t, N> halves;
  std::memcpy(&halves, static_cast<const void*>(from), sizeof halves);
  const auto bits = __builtin_convertvector(halves, simd::vec<std::uint32_t, N>);
  // Multiplying by 2^112 moves the exponent and renormalises subnormals exactly.
  const V magnitude = simd::bit_cast<V>((bits & 0x7fffu) << 13) * simd::splat<V>(5.192296858534828e33f);
  return simd::bit_cast<V>(simd::bit_cast<simd::vec<std::uint32_t, N>>(magnitude) | (bits & 0x8000u) << 16);
}

template <class V>
CONTRASTIVE_INLINE V load_row(const f16* from) {
  return load_halves<V>(from);
}
template <class V>
CONTRASTIVE_INLINE V load_row(const std::int8_t* from) {
  return simd::load<V>(from);
}

/// scores[n] = rows[n] . query, for rows (count, width) of f16 or int8 and a query (width) of f32.
struct RowDots {
  template <class Isa, class T>
  CONTRASTIVE_INLINE static void run(const T* rows, const float* query, float* scores, std::int64_t count,
                                     std::int64_t width) {
    using V = simd::native<Isa, float>;
    constexpr int N = simd::size_v<V>;
    for (std::int64_t n = 0; n < count; ++n) {
      const T* const row = rows + n * width;
      __builtin_prefetch(row + 4 * width);
      V a{}, b{}, c{}, d{};
      for (std::int64_t i = 0; i < width; i += 4 * N) {
        a += load_row<V>(row + i) * simd::load<V>(query + i);
        b += load_row<V>(row + i + N) * simd::load<V>(query + i + N);
        c += load_row<V>(row + i + 2 * N) * simd::load<V>(query + i + 2 * N);
        d += load_row<V>(row + i + 3 * N) * simd::load<V>(query + i + 3 * N);
      }
      scores[n] = simd::sum((a + b) + (c + d));
    }
  }
};

/// dot = a . b, of two rows of f16.
struct HalvesDot {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const f16* a, const f16* b, float* dot, std::int64_t width) {
    using V = simd::native<Isa, float>;
    constexpr int N = simd::size_v<V>;
    V even{}, odd{};
    for (std::int64_t i = 0; i < width; i += 2 * N) {
      even += load_halves<V>(a + i) * load_halves<V>(b + i);
      odd += load_halves<V>(a + i + N) * load_halves<V>(b + i + N);
    }
    *dot = simd::sum(even + odd);
  }
};

/// Halves to floats, for products of many queries.
struct WidenRows {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const f16* from, float* to, std::int64_t count) {
    using V = simd::native<Isa, float>;
    for (std::int64_t i = 0; i < count; i += simd::size_v<V>) simd::store(to + i, load_halves<V>(from + i));
  }
};

}  // namespace contrastive::detail
