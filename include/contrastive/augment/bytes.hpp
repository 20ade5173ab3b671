// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "contrastive/kernels/cpu/simd.hpp"

/// Moving 8-bit pixels in and out of wide vectors. g++ turns the general conversions between 8 and 32 bits into
/// element-by-element code on x86, so the instructions are named there; elsewhere `__builtin_convertvector` is right.
namespace contrastive::detail {

template <class Isa>
inline constexpr int pixel_lanes = simd::lanes<Isa, float>;
template <class Isa>
using Ints = simd::vec<std::int32_t, pixel_lanes<Isa>>;
template <class Isa>
using Floats = simd::vec<float, pixel_lanes<Isa>>;

#if defined(__x86_64__) && !defined(__clang__)
#define CONTRASTIVE_NAMED_X86 1
#else
#define CONTRASTIVE_NAMED_X86 0
#endif

/// One vector of neighbouring bytes as 32-bit integers.
template <class Isa>
CONTRASTIVE_INLINE Ints<Isa> load_bytes(const std::uint8_t* from) {
#if CONTRASTIVE_NAMED_X86
  using Bytes = simd::vec<char, 16>;
  if constexpr (pixel_lanes<Isa> == 16) {
    Bytes bytes;
    std::memcpy(&bytes, from, 16);
    return __builtin_ia32_pmovzxbd512_mask(bytes, Ints<Isa>{}, static_cast<unsigned short>(-1));
  } else if constexpr (pixel_lanes<Isa> == 8) {
    long long bits;
    std::memcpy(&bits, from, 8);
    return __builtin_ia32_pmovzxbd256(simd::bit_cast<Bytes>(simd::vec<long long, 2>{bits, 0}));
  } else {
    int bits;
    std::memcpy(&bits, from, 4);
    const auto pairs = __builtin_ia32_punpcklbw128(simd::bit_cast<Bytes>(simd::vec<int, 4>{bits, 0, 0, 0}), Bytes{});
    return simd::bit_cast<Ints<Isa>>(
        __builtin_ia32_punpcklwd128(simd::bit_cast<simd::vec<short, 8>>(pairs), simd::vec<short, 8>{}));
  }
#else
  return simd::load<Ints<Isa>>(from);
#endif
}

/// The low bytes of 32-bit integers, which must be within 0..255.
template <class Isa>
CONTRASTIVE_INLINE void store_bytes(std::uint8_t* to, const Ints<Isa>& value) {
#if CONTRASTIVE_NAMED_X86
  if constexpr (pixel_lanes<Isa> == 16) {
    const auto bytes = __builtin_ia32_pmovdb512_mask(value, simd::vec<char, 16>{}, static_cast<unsigned short>(-1));
    std::memcpy(to, &bytes, 16);
    return;
  } else if constexpr (pixel_lanes<Isa> == 8) {
    const auto low = __builtin_shufflevector(value, value, 0, 1, 2, 3);
    const auto high = __builtin_shufflevector(value, value, 4, 5, 6, 7);
    const auto words = __builtin_ia32_packssdw128(low, high);
    const auto bytes = __builtin_ia32_packuswb128(words, words);
    std::memcpy(to, &bytes, 8);
    return;
  } else if constexpr (pixel_lanes<Isa> == 4) {
    const auto words = __builtin_ia32_packssdw128(value, value);
    const auto bytes = __builtin_ia32_packuswb128(words, words);
    std::memcpy(to, &bytes, 4);
    return;
  }
#endif
  const auto bytes = __builtin_convertvector(value, simd::vec<std::uint8_t, pixel_lanes<Isa>>);
  std::memcpy(to, &bytes, sizeof bytes);
}

template <class Isa>
CONTRASTIVE_INLINE Floats<Isa> to_floats(const Ints<Isa>& value) {
  return __builtin_convertvector(value, Floats<Isa>);
}
/// Toward zero.
template <class Isa>
CONTRASTIVE_INLINE Ints<Isa> to_ints(const Floats<Isa>& value) {
  return __builtin_convertvector(value, Ints<Isa>);
}
template <class Isa>
CONTRASTIVE_INLINE Floats<Isa> truncate(const Floats<Isa>& value) {
  return to_floats<Isa>(to_ints<Isa>(value));
}

/// Keeps the compiler from joining a product with the sum that follows into one fused multiply-add, which rounds once
/// instead of twice: Pillow's results, and equal bits on every instruction set, need both roundings.
template <class V>
CONTRASTIVE_INLINE V rounded(const V& exact) {
  V product = exact;
#if defined(__clang__)
  // Fuses within one expression only, never across this call.
#elif defined(__x86_64__)
  asm("" : "+v"(product));
#elif defined(__aarch64__)
  asm("" : "+w"(product));
#else
  volatile V held = product;
  product = held;
#endif
  return product;
}

/// Interleaves the lower (`half` = 0) or upper (1) halves of two vectors of 16 bytes.
template <int half, class V>
CONTRASTIVE_INLINE V zip(const V& a, const V& b) {
  constexpr int h = 8 * half;
  return __builtin_shufflevector(a, b, h, h + 16, h + 1, h + 17, h + 2, h + 18, h + 3, h + 19, h + 4, h + 20, h + 5,
                                 h + 21, h + 6, h + 22, h + 7, h + 23);
}

/// Transposes 16 x 16 bytes held in 16 vectors: four rounds of interleaving row i with row i + 8.
CONTRASTIVE_INLINE void transpose16(simd::vec<std::uint8_t, 16>* rows) {
  simd::vec<std::uint8_t, 16> other[16];
  for (int round = 0; round < 2; ++round) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      other[2 * i] = zip<0>(rows[i], rows[i + 8]);
      other[2 * i + 1] = zip<1>(rows[i], rows[i + 8]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      rows[2 * i] = zip<0>(other[i], other[i + 8]);
      rows[2 * i + 1] = zip<1>(other[i], other[i + 8]);
    }
  }
}

}  // namespace contrastive::detail
