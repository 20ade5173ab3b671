// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "contrastive/core/parallel.hpp"
#include "contrastive/objectives/similarity/tile.hpp"

/// Rows against a few drawn rows of a large table: the work is fetching them, so each is asked for ahead of its use and
/// nothing is gathered into memory of its own.
namespace contrastive::similarity {

/// scores[k] = f . table[drawn[k]]
template <class C>
struct ScoreDrawn {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const C* f, const C* table, const std::int64_t* drawn, std::int64_t count,
                                     std::int64_t D, C* scores) {
    using V = typename Tiling<Isa, C>::V;
    constexpr int L = Tiling<Isa, C>::lanes;
    for (std::int64_t k = 0; k < count; ++k) {
      if (k + 8 < count)
        for (std::int64_t d = 0; d < D; d += 64 / static_cast<int>(sizeof(C)))
          __builtin_prefetch(table + drawn[k + 8] * D + d);
      const C* const row = table + drawn[k] * D;
      V sum[4] = {};
      std::int64_t d = 0;
      for (; d + 4 * L <= D; d += 4 * L)
        for (int v = 0; v < 4; ++v) sum[v] += simd::load<V>(f + d + v * L) * simd::load<V>(row + d + v * L);
      for (; d + L <= D; d += L) sum[0] += simd::load<V>(f + d) * simd::load<V>(row + d);
      C total = simd::sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
      for (; d < D; ++d) total += f[d] * row[d];
      scores[k] = total;
    }
  }
};

/// df = sum_k slopes[k] table[drawn[k]]
template <class C>
struct AddDrawn {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const C* slopes, const C* table, const std::int64_t* drawn, std::int64_t count,
                                     std::int64_t D, C* df) {
    using V = typename Tiling<Isa, C>::V;
    constexpr int L = Tiling<Isa, C>::lanes;
    for (std::int64_t d = 0; d < D; ++d) df[d] = 0;
    for (std::int64_t k = 0; k < count; ++k) {
      if (k + 8 < count)
        for (std::int64_t d = 0; d < D; d += 64 / static_cast<int>(sizeof(C)))
          __builtin_prefetch(table + drawn[k + 8] * D + d);
      const C* const row = table + drawn[k] * D;
      std::int64_t d = 0;
      for (; d + L <= D; d += L) simd::store(df + d, simd::load<V>(df + d) + simd::load<V>(row + d) * slopes[k]);
      for (; d < D; ++d) df[d] += row[d] * slopes[k];
    }
  }
};

}  // namespace contrastive::similarity
