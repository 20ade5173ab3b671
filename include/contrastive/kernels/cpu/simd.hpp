// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <utility>

#include "contrastive/core/dtype.hpp"
#include "contrastive/core/lanes.hpp"

/// One vector source for every instruction set, chosen at run time. A kernel is a struct with
///
///     template <class Isa, ...> [[gnu::always_inline]] static void run(args...);
///
/// written with `vec<T, N>` (the compilers' vector extension); `simd::dispatch<Kernel>(args...)` runs it compiled for
/// the best instruction set of this machine. Only what is inlined into `run` gets that instruction set, so loops over
/// threads stay outside: call `dispatch` from inside the chunk.
namespace contrastive::simd {

#define CONTRASTIVE_INLINE [[gnu::always_inline]] inline

template <class T, int N>
struct VecOf {
  typedef T type __attribute__((vector_size(N * sizeof(T))));
};
template <class T, int N>
using vec = typename VecOf<T, N>::type;

struct Avx512 {
  static constexpr int bytes = 64, registers = 32;
};
struct Avx2 {
  static constexpr int bytes = 32, registers = 16;
};
struct Base {  // SSE2, NEON
  static constexpr int bytes = 16, registers = 16;
};

template <class Isa, class T>
inline constexpr int lanes = Isa::bytes / static_cast<int>(sizeof(T));
/// The native vector of T's compute type.
template <class Isa, class T>
using native = vec<compute_t<T>, lanes<Isa, compute_t<T>>>;

template <class V>
inline constexpr int size_v = sizeof(V) / sizeof(std::declval<V>()[0]);

/// Loads size_v<V> elements of T, widened to V's element type.
template <class V, class T>
CONTRASTIVE_INLINE V load(const T* from) {
  constexpr int N = size_v<V>;
  if constexpr (std::is_same_v<T, bf16>) {
    vec<std::uint16_t, N> half;
    std::memcpy(&half, static_cast<const void*>(from), sizeof half);
    return bit_cast<V>(__builtin_convertvector(half, vec<std::uint32_t, N>) << 16);
  } else if constexpr (std::is_same_v<T, std::remove_cvref_t<decltype(std::declval<V>()[0])>>) {
    V value;
    std::memcpy(&value, from, sizeof value);
    return value;
  } else {
    vec<T, N> value;
    std::memcpy(&value, from, sizeof value);
    return __builtin_convertvector(value, V);
  }
}

template <class V, class T>
CONTRASTIVE_INLINE void store(T* to, const V& value) {
  constexpr int N = size_v<V>;
  if constexpr (std::is_same_v<T, bf16>) {
    using U = vec<std::uint32_t, N>;
    const U u = bit_cast<U>(value);
    const U rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;  // nearest, ties to even
    const U nan = (u >> 16) | 0x40u;
    const U bits = (u & 0x7fffffffu) > 0x7f800000u ? nan : rounded;
    const auto half = __builtin_convertvector(bits, vec<std::uint16_t, N>);
    std::memcpy(static_cast<void*>(to), &half, sizeof half);
  } else {
    std::memcpy(to, &value, sizeof value);
  }
}

/// A store past the caches, for what is read again only when it would have left them: a plain store reads the line from
/// memory first. `to` is a multiple of the vector's size. `finish_streams` before another thread looks.
template <class V>
CONTRASTIVE_INLINE void stream(float* to, const V& value) {
  V* const at = reinterpret_cast<V*>(to);
#if defined(__clang__)  // holds asm to the file's instruction set, not the caller's
  __builtin_nontemporal_store(value, at);
#elif defined(__x86_64__)
  if constexpr (sizeof(V) >= 32)
    asm("vmovntps %1, %0" : "=m"(*at) : "v"(value));
  else
    *at = value;
#else
  *at = value;
#endif
}
/// Either store; only floats have the way past the caches.
template <class V, class T>
CONTRASTIVE_INLINE void store(T* to, const V& value, [[maybe_unused]] bool past_cache) {
  if constexpr (std::is_same_v<T, float>)
    if (past_cache) return stream(to, value);
  store(to, value);
}
inline void finish_streams() {
#if defined(__x86_64__)
  asm volatile("sfence" ::: "memory");
#endif
}

/// The first n < size_v<V> elements; the other lanes are `rest`.
template <class V, class T>
CONTRASTIVE_INLINE V load_first(const T* from, int n, T rest = T(0)) {
  T padded[size_v<V>];
  for (int i = 0; i < size_v<V>; ++i) padded[i] = rest;
  std::memcpy(static_cast<void*>(padded), from, static_cast<std::size_t>(n) * sizeof(T));
  return load<V>(padded);
}
template <class V, class T>
CONTRASTIVE_INLINE void store_first(T* to, const V& value, int n) {
  T padded[size_v<V>];
  store(padded, value);
  std::memcpy(static_cast<void*>(to), padded, static_cast<std::size_t>(n) * sizeof(T));
}

template <class V>
CONTRASTIVE_INLINE V max(const V& a, const V& b) {
  return a > b ? a : b;
}
template <class V>
CONTRASTIVE_INLINE V min(const V& a, const V& b) {
  return a < b ? a : b;
}

/// Each lane's square root, rounded correctly. Compilers take std::sqrt a number at a time, for errno's sake.
template <class V>
CONTRASTIVE_INLINE V sqrt(const V& v) {
#if defined(__x86_64__) && !defined(__clang__)  // which holds asm to the file's instruction set, not the caller's
  V root;
  if constexpr (sizeof(V) == 16 && sizeof(v[0]) == 4)
    asm("sqrtps %1, %0" : "=x"(root) : "x"(v));
  else if constexpr (sizeof(V) == 16)
    asm("sqrtpd %1, %0" : "=x"(root) : "x"(v));
  else if constexpr (sizeof(v[0]) == 4)
    asm("vsqrtps %1, %0" : "=v"(root) : "v"(v));
  else
    asm("vsqrtpd %1, %0" : "=v"(root) : "v"(v));
  return root;
#else
  V root;
  for (int i = 0; i < size_v<V>; ++i) root[i] = std::sqrt(v[i]);
  return root;
#endif
}

/// Sum and maximum over the lanes, in a fixed tree.
template <class V>
CONTRASTIVE_INLINE auto sum(const V& v) {
  constexpr int N = size_v<V>;
  if constexpr (N == 2) {
    return v[0] + v[1];
  } else {
    vec<element_t<V>, N / 2> low, high;
    std::memcpy(&low, &v, sizeof low);
    std::memcpy(&high, reinterpret_cast<const char*>(&v) + sizeof low, sizeof high);
    return sum(low + high);
  }
}
template <class V>
CONTRASTIVE_INLINE auto largest(const V& v) {
  constexpr int N = size_v<V>;
  std::remove_cvref_t<decltype(v[0])> lane[N];
  std::memcpy(lane, &v, sizeof v);
  auto best = lane[0];
  for (int i = 1; i < N; ++i) best = lane[i] > best ? lane[i] : best;
  return best;
}

enum class IsaLevel { base, avx2, avx512 };

/// The level in use: the machine's best, or what the environment variable CONTRASTIVE_ISA (base, avx2, avx512) asks
/// for where the machine has it.
inline IsaLevel isa() {
  static const IsaLevel level = [] {
#if defined(__x86_64__)
    __builtin_cpu_init();
    IsaLevel best = IsaLevel::base;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) best = IsaLevel::avx2;
    if (best == IsaLevel::avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
      best = IsaLevel::avx512;
    if (const char* wish = std::getenv("CONTRASTIVE_ISA")) {
      const std::string_view name = wish;
      const IsaLevel wanted = name == "base" ? IsaLevel::base : name == "avx2" ? IsaLevel::avx2 : IsaLevel::avx512;
      if (wanted < best) best = wanted;
    }
    return best;
#else
    return IsaLevel::base;
#endif
  }();
  return level;
}

inline const char* isa_name() {
  constexpr const char* names[] = {"base", "avx2", "avx512"};
  return names[static_cast<int>(isa())];
}

#if defined(__x86_64__)
template <class Kernel, class... Args>
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"), gnu::noinline]] void run_avx512(Args... args) {
  Kernel::template run<Avx512>(args...);
}
template <class Kernel, class... Args>
[[gnu::target("avx2,fma,f16c"), gnu::noinline]] void run_avx2(Args... args) {
  Kernel::template run<Avx2>(args...);
}
#endif
template <class Kernel, class... Args>
[[gnu::noinline]] void run_base(Args... args) {
  Kernel::template run<Base>(args...);
}

/// The baseline for kernels whose speed does not matter (f64 elementwise work): one instantiation instead of three.
template <class Kernel, class... Args>
void plain(Args... args) {
  run_base<Kernel, Args...>(args...);
}

template <class Kernel, class... Args>
void dispatch(Args... args) {
#if defined(__x86_64__)
  switch (isa()) {
    case IsaLevel::avx512: return run_avx512<Kernel, Args...>(args...);
    case IsaLevel::avx2: return run_avx2<Kernel, Args...>(args...);
    case IsaLevel::base: break;
  }
#endif
  run_base<Kernel, Args...>(args...);
}

}  // namespace contrastive::simd
