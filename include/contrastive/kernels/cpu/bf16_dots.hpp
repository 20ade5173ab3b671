// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "contrastive/kernels/cpu/simd.hpp"

/// Products of bf16 pairs, x += a0 b0 + a1 b1 in float (AVX512_BF16): twice the multiply-adds an instruction.
namespace contrastive::simd {

// clang checks the width of an asm's operands before `run` is inlined where wide registers are.
#if defined(__x86_64__) && !defined(__clang__)
#define CONTRASTIVE_BF16_DOTS
#endif

/// Neighbouring terms of a product that one instruction takes together.
template <class S>
inline constexpr int terms = std::is_same_v<S, bf16> ? 2 : 1;

#if defined(CONTRASTIVE_BF16_DOTS)
/// AVX-512 with the products of bf16 pairs.
struct Avx512Bf16 : Avx512 {};

template <class Kernel, class... Args>
[[gnu::target("avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"), gnu::noinline]] void run_bf16_dots(
    Args... args) {
  Kernel::template run<Avx512Bf16>(args...);
}
#endif

/// Whether this machine has them, and the compiler g++. CONTRASTIVE_ISA=avx512 does without, as any lower level does.
inline bool has_bf16_dots() {
#if defined(CONTRASTIVE_BF16_DOTS)
  static const bool has = [] {
    const char* const wish = std::getenv("CONTRASTIVE_ISA");
    return isa() == IsaLevel::avx512 && __builtin_cpu_supports("avx512bf16") &&
           !(wish && std::string_view(wish) == "avx512");
  }();
  return has;
#else
  return false;
#endif
}

/// `Kernel` for elements S: f64 on the plain path, bf16 with products of pairs.
template <class Kernel, class S, class... Args>
void run_kernel([[maybe_unused]] Args... args) {
  if constexpr (std::is_same_v<S, double>) {
    plain<Kernel>(args...);
  } else if constexpr (std::is_same_v<S, bf16>) {
#if defined(CONTRASTIVE_BF16_DOTS)
    run_bf16_dots<Kernel>(args...);
#endif
  } else {
    dispatch<Kernel>(args...);
  }
}

/// Vectors of a right factor: V of elements, or as many pairs of bf16.
template <class V, class S>
CONTRASTIVE_INLINE auto load_terms(const S* from) {
  if constexpr (std::is_same_v<S, bf16>) {
    vec<std::uint32_t, size_v<V>> pairs;
    std::memcpy(&pairs, static_cast<const void*>(from), sizeof pairs);
    return pairs;
  } else {
    return load<V>(from);
  }
}

template <class V, class S>
CONTRASTIVE_INLINE V add_product(const V& sum, const S* a, const V& b) {
  return sum + a[0] * b;
}
#if defined(CONTRASTIVE_BF16_DOTS)
CONTRASTIVE_INLINE vec<float, 16> add_product(const vec<float, 16>& to, const bf16* a,
                                              const vec<std::uint32_t, 16>& b) {
  vec<float, 16> sum = to;
  asm("vdpbf16ps %1%{1to16%}, %2, %0" : "+v"(sum) : "m"(*reinterpret_cast<const char(*)[4]>(a)), "v"(b));
  return sum;
}

/// 32 values rounded to the nearest bf16, `low` in the first half.
CONTRASTIVE_INLINE vec<std::uint16_t, 32> round_to_bf16(const vec<float, 16>& low, const vec<float, 16>& high) {
  vec<std::uint16_t, 32> rounded;
  asm("vcvtne2ps2bf16 %1, %2, %0" : "=v"(rounded) : "v"(low), "v"(high));
  return rounded;
}

/// Two rows as a right factor has them: (upper[c], lower[c]) beside each other.
CONTRASTIVE_INLINE vec<std::uint16_t, 32> round_to_pairs(const vec<float, 16>& upper, const vec<float, 16>& lower) {
  constexpr vec<std::uint16_t, 32> order = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                            8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  vec<std::uint16_t, 32> pairs;
  asm("vpermw %1, %2, %0" : "=v"(pairs) : "v"(round_to_bf16(upper, lower)), "v"(order));
  return pairs;
}
#endif

}  // namespace contrastive::simd
