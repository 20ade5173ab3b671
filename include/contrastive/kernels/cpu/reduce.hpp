// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/simd.hpp"
#include "contrastive/kernels/odometer.hpp"
#include "contrastive/kernels/table.hpp"

/// Sums are taken in fixed chunks in the compute type and the chunks are joined in order in double, so that neither
/// the number of threads nor a long axis hurts.
namespace contrastive::cpu {

namespace detail {

template <class T>
struct RowSum {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* x, std::int64_t n, double* out) {
    using V = simd::native<Isa, T>;
    constexpr int L = simd::size_v<V>;
    double total = 0;
    std::int64_t i = 0;
    while (i + 4 * L <= n) {  // narrow sums of 64 terms a lane at most, so that four lanes are as exact as sixteen
      const std::int64_t stop = std::min(n, i + 64 * 4 * L);
      V s0{}, s1{}, s2{}, s3{};
      for (; i + 4 * L <= stop; i += 4 * L) {
        s0 += simd::load<V>(x + i);
        s1 += simd::load<V>(x + i + L);
        s2 += simd::load<V>(x + i + 2 * L);
        s3 += simd::load<V>(x + i + 3 * L);
      }
      total += static_cast<double>(simd::sum((s0 + s1) + (s2 + s3)));
    }
    for (; i < n; ++i) total += static_cast<compute_t<T>>(x[i]);
    *out = total;
  }
};

/// `count` sums a column over rows of C: `add(at, c, sums)` adds element `at` of column c, a vector of them, and `add.one`
/// a single one. Rows are read one after the other, as memory likes it (columns first take twice the time), or where
/// `four_rows` four at a time: twice as fast for rows in the caches, half as fast for rows of more than four lines in
/// memory, which wants one stream, and also where `add` writes. The sums of `column_tile` columns stay in the first-level
/// cache meanwhile: in T's compute type over `float_rows`, then in double. Neither choice changes a bit.
inline constexpr int column_tile = 1024, float_rows = 256;
template <int count, class T, class V, class Add>
CONTRASTIVE_INLINE void column_sums(std::int64_t rows, std::int64_t C, double* const (&out)[count], const Add& add,
                                    bool four_rows = true) {
  using A = compute_t<T>;
  constexpr int L = simd::size_v<V>;
  for (std::int64_t from = 0; from < C; from += column_tile) {
    const std::int64_t wide = C - from < column_tile ? C - from : column_tile;
    for (int k = 0; k < count; ++k) std::fill(out[k] + from, out[k] + from + wide, 0.0);
    for (std::int64_t first = 0; first < rows; first += float_rows) {
      A sums[count][column_tile];
      for (int k = 0; k < count; ++k) std::fill(sums[k], sums[k] + wide, A(0));
      const std::int64_t stop = rows - first < float_rows ? rows : first + float_rows;
      for (std::int64_t r = first, some; r < stop; r += some) {
        some = four_rows && stop - r >= 4 ? 4 : 1;
        std::int64_t c = 0, at = r * C + from;
        for (; c + L <= wide; c += L, at += L) {
          V s[count];
          for (int k = 0; k < count; ++k) s[k] = simd::load<V>(sums[k] + c);
          add(at, from + c, s);
          if (some == 4)
            for (int i = 1; i < 4; ++i) add(at + i * C, from + c, s);
          for (int k = 0; k < count; ++k) simd::store(sums[k] + c, s[k]);
        }
        for (; c < wide; ++c, ++at) {
          A s[count];
          for (int k = 0; k < count; ++k) s[k] = sums[k][c];
          for (int i = 0; i < some; ++i) add.one(at + i * C, from + c, s);
          for (int k = 0; k < count; ++k) sums[k][c] = s[k];
        }
      }
      for (int k = 0; k < count; ++k)
        for (std::int64_t c = 0; c < wide; ++c) out[k][from + c] += sums[k][c];
    }
  }
}

/// Adds chunks of C sums up in the first of them, for columns `from` to `to`.
inline void add_chunks(double* sums, std::int64_t chunks, std::int64_t C, std::int64_t from, std::int64_t to) {
  for (std::int64_t k = 1; k < chunks; ++k)
    for (std::int64_t c = from; c < to; ++c) sums[c] += sums[k * C + c];
}

/// Sums of `rows` rows of `columns` elements.
template <class T>
struct ColumnSum {
  struct Add {
    const T* x;
    template <class V>
    CONTRASTIVE_INLINE void operator()(std::int64_t at, std::int64_t, V (&sum)[1]) const {
      sum[0] += simd::load<V>(x + at);
    }
    CONTRASTIVE_INLINE void one(std::int64_t at, std::int64_t, compute_t<T> (&sum)[1]) const { sum[0] += x[at]; }
  };
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* x, std::int64_t rows, std::int64_t columns, double* out) {
    column_sums<1, T, simd::native<Isa, T>>(rows, columns, {out}, Add{x});
  }
};

template <class T>
void sum_three_axes(const T* x, const std::int64_t (&sizes)[3], double scale, T* y) {
  const std::int64_t outer = sizes[0], reduced = sizes[1], inner = sizes[2];
  // Chunks of rows so small that a few threads share them evenly.
  const std::int64_t chunk = inner == 1 ? 4096 : std::clamp<std::int64_t>((outer * reduced + 15) / 16, 64, float_rows);
  const std::int64_t chunks = (reduced + chunk - 1) / chunk;
  if (outer * inner == 0) return;
  if (chunks == 0) {
    for (std::int64_t i = 0; i < outer * inner; ++i) y[i] = T(compute_t<T>(0));
    return;
  }
  const auto partial = std::make_unique_for_overwrite<double[]>(static_cast<std::size_t>(outer * chunks * inner));
  parallel_for(outer * chunks, grain_for(std::min(chunk, reduced) * inner), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i % chunks * chunk, rows = std::min(chunk, reduced - first);
      const T* at = x + (i / chunks * reduced + first) * inner;
      if (inner == 1)
        simd::dispatch<RowSum<T>>(at, rows, &partial[i]);
      else
        simd::dispatch<ColumnSum<T>>(at, rows, inner, &partial[i * inner]);
    }
  });
  constexpr std::int64_t tile = 4096;
  const std::int64_t tiles = (inner + tile - 1) / tile;
  parallel_for(outer * tiles, grain_for(chunks * std::min(tile, inner)), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t o = i / tiles, from = i % tiles * tile, to = std::min(inner, from + tile);
      double* const total = &partial[o * chunks * inner];
      add_chunks(total, chunks, inner, from, to);
      for (std::int64_t c = from; c < to; ++c) y[o * inner + c] = T(static_cast<compute_t<T>>(total[c] * scale));
    }
  });
}

}  // namespace detail

inline void sum_to(View x, double scale, View y) {
  dispatch_compute("sum", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::int64_t sizes[3];
    if (as_three_axes(x.shape, y.shape, sizes)) return detail::sum_three_axes(x.as<T>(), sizes, scale, y.as<T>());
    // Scattered axes: an odometer over x, added up in double.
    std::vector<double> total(static_cast<std::size_t>(y.count()), 0.0);
    for (std::int64_t i = 0; i < x.count(); ++i) {
      std::int64_t rest = i, place = 0, step = 1;
      for (int back = 1; back <= x.shape.rank; ++back) {
        const std::int64_t at = rest % x.shape[-back];
        rest /= x.shape[-back];
        const std::int64_t size = back <= y.shape.rank ? y.shape[-back] : 1;
        if (size != 1) place += at * step;
        step *= size;
      }
      total[place] += static_cast<compute_t<T>>(x.as<T>()[i]);
    }
    for (std::size_t i = 0; i < total.size(); ++i) y.as<T>()[i] = T(static_cast<compute_t<T>>(total[i] * scale));
  });
}

inline void max_axis(View x, int axis, View y, View index) {
  const std::int64_t outer = x.shape.count(0, axis), n = x.shape[axis], inner = x.shape.count(axis + 1, x.shape.rank);
  dispatch_compute("max", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = x.as<T>();
    parallel_for(outer * inner, grain_for(n), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const T* at = from + i / inner * n * inner + i % inner;
        std::int64_t best = 0;
        for (std::int64_t j = 1; j < n; ++j)
          if (compute_t<T>(at[j * inner]) > compute_t<T>(at[best * inner])) best = j;
        y.as<T>()[i] = at[best * inner];
        index.as<std::int64_t>()[i] = best;
      }
    });
  });
}

}  // namespace contrastive::cpu
