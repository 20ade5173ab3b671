// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/simd.hpp"

/// What this machine can do at most, measured by the program that reports shares of it.
namespace contrastive::bench {

/// A loop of multiply-adds that stays in registers: enough independent sums to hide the latency of each.
struct FmaLoop {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(std::int64_t rounds, float* out) {
    using V = simd::native<Isa, float>;
    constexpr int count = Isa::registers == 32 ? 24 : 12;
    V sum[count];
    const V scale = simd::splat<V>(out[0]), step = simd::splat<V>(out[1]);
#pragma GCC unroll 24
    for (int i = 0; i < count; ++i) sum[i] = simd::splat<V>(static_cast<float>(i));
    for (std::int64_t r = 0; r < rounds; ++r)
#pragma GCC unroll 24
      for (int i = 0; i < count; ++i) {
        sum[i] = sum[i] * scale + step;
        asm("" : "+v"(sum[i]));  // keeps the compiler from seeing through the loop
      }
    V total{};
#pragma GCC unroll 24
    for (int i = 0; i < count; ++i) total += sum[i];
    out[2] = simd::sum(total);
    out[3] = 2.f * count * simd::size_v<V>;  // operations a round
  }
};

/// f32 operations a second with `workers` threads, the best of several tries.
inline double fma_peak(int workers) {
  const int before = threads();
  set_threads(workers);
  double best = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    const std::int64_t rounds = 2'000'000;
    double operations = 0;
    const auto start = std::chrono::steady_clock::now();
    parallel_for(workers, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        float out[4] = {0.5f, 1.f, 0, 0};
        simd::dispatch<FmaLoop>(rounds, static_cast<float*>(out));
        if (i == 0) operations = static_cast<double>(out[3]) * static_cast<double>(rounds) * workers;
      }
    });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = operations / seconds > best ? operations / seconds : best;
  }
  set_threads(before);
  return best;
}

}  // namespace contrastive::bench
