// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/objectives/similarity/tile.hpp"

/// Rows against drawn rows of a large table. The work is fetching them: all queries go through a stretch of the table that
/// stays in cache before any goes on, each row is asked for ahead of its use, and nothing is gathered into memory of its
/// own.
namespace contrastive::similarity {

/// The drawn rows of some queries, in the order of a walk through the table.
class DrawnRows {
 public:
  /// `drawn` (queries, count), each query's own row first, of a table of `rows` rows of `row_bytes`.
  void sort(const std::int64_t* drawn, std::int64_t queries, std::int64_t count, std::int64_t rows,
            std::int64_t row_bytes) {
    constexpr std::int64_t cache = 1 << 18, calls = 16;  // bytes at a time; rows that make a call worth it
    queries_ = queries, count_ = count, rows_ = rows, row_bytes_ = row_bytes;
    for (shift_ = 0; (row_bytes << shift_) < cache || (rows >> shift_) > count / calls + 1;) ++shift_;
    stretches_ = (rows >> shift_) + 1;
    order_.resize(static_cast<std::size_t>(queries * count));
    ends_.resize(static_cast<std::size_t>(queries * (stretches_ + 1)));
    for (std::int64_t i = 0; i < queries; ++i, drawn += count) {
      std::int32_t *const order = order_.data() + i * count, *const ends = ends_.data() + i * (stretches_ + 1);
      std::fill(ends, ends + stretches_ + 1, 0);
      for (std::int64_t k = 1; k < count; ++k) ++ends[(drawn[k] >> shift_) + 1];
      ends[0] = 1;
      for (std::int64_t s = 0; s < stretches_; ++s) ends[s + 1] += ends[s];
      order[0] = static_cast<std::int32_t>(drawn[0]);
      for (std::int64_t k = 1; k < count; ++k) order[ends[drawn[k] >> shift_]++] = static_cast<std::int32_t>(drawn[k]);
    }
  }

  /// f(query, first, rows, count): the rows at places `first` on of the query's, one stretch of `table` after the other.
  /// Where most of a stretch is drawn, the next one is on its way meanwhile.
  template <class F>
  void walk(const void* table, F&& f) const {
    for (std::int64_t i = 0; i < queries_; ++i) f(i, std::int64_t{0}, order_.data() + i * count_, std::int64_t{1});
    const char* next = static_cast<const char*>(table);
    const char* const end = next + rows_ * row_bytes_;
    const bool dense = queries_ * count_ > rows_;
    const std::int64_t part = ((row_bytes_ << shift_) + queries_ - 1) / queries_;
    const auto ahead = [&](std::int64_t bytes) {
      for (const char* const stop = std::min(end, next + bytes); next < stop; next += 64)
        __builtin_prefetch(next, 0, 2);
    };
    if (dense) ahead(row_bytes_ << shift_);
    for (std::int64_t s = 0; s < stretches_; ++s)
      for (std::int64_t i = 0; i < queries_; ++i) {
        if (dense) ahead(part);
        // Filling moved each end to the next stretch's place.
        const std::int32_t* const ends = ends_.data() + i * (stretches_ + 1);
        const std::int64_t first = s == 0 ? 1 : ends[s - 1], last = ends[s];
        if (last > first) f(i, first, order_.data() + i * count_ + first, last - first);
      }
  }

 private:
  std::int64_t queries_ = 0, count_ = 0, stretches_ = 0, rows_ = 0, row_bytes_ = 0;
  int shift_ = 0;
  std::vector<std::int32_t> order_;  // (queries, count): a query's own row, then the others stretch by stretch
  std::vector<std::int32_t> ends_;   // (queries, stretches + 1)
};

/// Four drawn rows of a table, those eight further asked for. Past the last row, the first once more.
template <class C>
struct FourRows {
  const C* row[4];

  CONTRASTIVE_INLINE FourRows(const C* table, const std::int32_t* drawn, std::int64_t k, std::int64_t count,
                              std::int64_t D) {
    for (std::int64_t ahead = k + 8; ahead < k + 12 && ahead < count; ++ahead)
      for (std::int64_t d = 0; d < D; d += 64 / static_cast<int>(sizeof(C)))
        __builtin_prefetch(table + drawn[ahead] * D + d);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) row[j] = table + drawn[k + j < count ? k + j : k] * D;
  }
};

/// scores[k] = f . table[drawn[k]]
template <class C>
struct ScoreDrawn {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const C* f, const C* table, const std::int32_t* drawn, std::int64_t count,
                                     std::int64_t D, C* scores) {
    using V = typename Tiling<Isa, C>::V;
    constexpr int L = Tiling<Isa, C>::lanes;
    for (std::int64_t k = 0; k < count; k += 4) {
      const auto [row] = FourRows<C>(table, drawn, k, count, D);
      V sum[4] = {};
      std::int64_t d = 0;
      for (; d + L <= D; d += L) {
        const V left = simd::load<V>(f + d);
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) sum[j] += left * simd::load<V>(row[j] + d);
      }
      C total[4];
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) total[j] = simd::sum(sum[j]);
      for (; d < D; ++d)
        for (int j = 0; j < 4; ++j) total[j] += f[d] * row[j][d];
      for (int j = 0; j < 4 && k + j < count; ++j) scores[k + j] = total[j];
    }
  }
};

/// to[k] = 2^(rate scores[k] - shift), in double whatever the scores are; infinite above 2^1023.
template <class C>
struct ExpScores {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const C* scores, std::int64_t count, double rate, double shift, double* to) {
    using V = typename Tiling<Isa, double>::V;
    constexpr int L = Tiling<Isa, double>::lanes;
    std::int64_t k = 0;
    for (; k + L <= count; k += L) simd::store(to + k, two_to(simd::load<V>(scores + k) * rate - shift));
    if (const int left = static_cast<int>(count - k); left > 0)
      simd::store_first(to + k, two_to(simd::load_first<V>(scores + k, left) * rate - shift), left);
  }
  template <class V>
  CONTRASTIVE_INLINE static V two_to(const V& t) {
    return t > 1023. ? simd::splat<V>(HUGE_VAL) : exp2(t);
  }
};

/// df += sum_k slopes[k] table[drawn[k]]
template <class C>
struct AddDrawn {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const C* slopes, const C* table, const std::int32_t* drawn, std::int64_t count,
                                     std::int64_t D, C* df) {
    using V = typename Tiling<Isa, C>::V;
    constexpr int L = Tiling<Isa, C>::lanes;
    for (std::int64_t k = 0; k < count; k += 4) {
      const auto [row] = FourRows<C>(table, drawn, k, count, D);
      C slope[4];
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) slope[j] = k + j < count ? slopes[k + j] : C(0);
      std::int64_t d = 0;
      for (; d + L <= D; d += L)
        simd::store(df + d, simd::load<V>(df + d) +
                                (simd::load<V>(row[0] + d) * slope[0] + simd::load<V>(row[1] + d) * slope[1]) +
                                (simd::load<V>(row[2] + d) * slope[2] + simd::load<V>(row[3] + d) * slope[3]));
      for (; d < D; ++d)
        df[d] += (row[0][d] * slope[0] + row[1][d] * slope[1]) + (row[2][d] * slope[2] + row[3][d] * slope[3]);
    }
  }
};

}  // namespace contrastive::similarity
