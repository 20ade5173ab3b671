// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/simd.hpp"
#include "contrastive/kernels/table.hpp"

/// Our own matrix product: packed panels and a register-blocked micro-kernel, the classical scheme (Goto and van de
/// Geijn 2008) in one source for every instruction set. It stands in where oneDNN is absent, serves f64, and is the
/// product of deterministic mode: each output tile is one chunk's work, summed in a fixed order. Any mix of f32, f64
/// and bf16 operands is widened while packing.
namespace contrastive::cpu {

namespace detail {

/// A matrix operand: element (i, j) at data[i * row + j * column], of type dtype.
struct Operand {
  const void* data;
  DType dtype;
  std::int64_t row, column;
};

template <class C>
C element(const Operand& m, std::int64_t i, std::int64_t j) {
  const std::int64_t at = i * m.row + j * m.column;
  switch (m.dtype) {
    case DType::f32: return static_cast<C>(static_cast<const float*>(m.data)[at]);
    case DType::f64: return static_cast<C>(static_cast<const double*>(m.data)[at]);
    default: return static_cast<C>(static_cast<float>(static_cast<const bf16*>(m.data)[at]));
  }
}

/// Packs `count` lines (rows of A or columns of B) over K terms into panels of `panel` lines, K-major inside a panel,
/// zero-filled at the end. `line` and `term` are the operand's strides.
template <class C, class T>
void pack(const T* data, std::int64_t line, std::int64_t term, std::int64_t count, std::int64_t K, int panel, C* out) {
  for (std::int64_t p = 0; p < count; p += panel) {
    const int live = static_cast<int>(std::min<std::int64_t>(panel, count - p));
    const T* from = data + p * line;
    if (live < panel) std::fill(out, out + K * panel, C(0));
    if (line == 1) {
      for (std::int64_t k = 0; k < K; ++k) {
        if constexpr (std::is_same_v<T, C>)
          std::memcpy(out + k * panel, from + k * term, static_cast<std::size_t>(live) * sizeof(C));
        else
          for (int i = 0; i < live; ++i) out[k * panel + i] = static_cast<C>(compute_t<T>(from[k * term + i]));
      }
    } else {
      // Blocks of 16 terms keep both sides in cache lines that are used whole.
      for (std::int64_t k0 = 0; k0 < K; k0 += 16)
        for (int i = 0; i < live; ++i) {
          const T* at = from + i * line;
          for (std::int64_t k = k0; k < std::min(K, k0 + 16); ++k)
            out[k * panel + i] = static_cast<C>(compute_t<T>(at[k * term]));
        }
    }
    out += K * panel;
  }
}

template <class C>
void pack(const Operand& m, std::int64_t first_line, std::int64_t first_term, bool lines_are_rows, std::int64_t count,
          std::int64_t K, int panel, C* out) {
  const std::int64_t line = lines_are_rows ? m.row : m.column, term = lines_are_rows ? m.column : m.row;
  const std::int64_t at = first_line * line + first_term * term;
  switch (m.dtype) {
    case DType::f32: return pack(static_cast<const float*>(m.data) + at, line, term, count, K, panel, out);
    case DType::f64: return pack(static_cast<const double*>(m.data) + at, line, term, count, K, panel, out);
    default: return pack(static_cast<const bf16*>(m.data) + at, line, term, count, K, panel, out);
  }
}

/// Rows and columns of the register tile.
template <class Isa, class C>
struct Tile {
  static constexpr int vectors = 2;
  static constexpr int rows = Isa::registers == 32 ? 12 : (Isa::bytes == 32 ? 6 : 4);
  static constexpr int columns = vectors * simd::lanes<Isa, C>;
};

/// What a micro-kernel call needs; tile (MR, NR) += or = alpha * a b, then stored to y.
template <class C>
struct TileTask {
  const C *a, *b;  // packed panels
  std::int64_t K;
  C alpha;
  C* y;  // (MR, NR) scratch or the output itself, rows `stride` apart
  std::int64_t stride;
  bool add;
};

template <class C>
struct MicroKernel {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const TileTask<C>* tasks, int count) {
    constexpr int MR = Tile<Isa, C>::rows, NV = Tile<Isa, C>::vectors, L = simd::lanes<Isa, C>;
    using V = simd::vec<C, L>;
    for (int t = 0; t < count; ++t) {
      const TileTask<C>& task = tasks[t];
      V sum[MR][NV] = {};
      // The output rows are needed only at the end: prefetched here, they have come by then.
      for (int i = 0; i < MR; ++i)
        for (int v = 0; v < NV; ++v) __builtin_prefetch(task.y + i * task.stride + v * L, 1);
      const C *a = task.a, *b = task.b;
      for (std::int64_t k = 0; k < task.K; ++k, a += MR, b += NV * L) {
        V bv[NV];
#pragma GCC unroll 2
        for (int v = 0; v < NV; ++v) bv[v] = simd::load<V>(b + v * L);
#pragma GCC unroll 12
        for (int i = 0; i < MR; ++i)
#pragma GCC unroll 2
          for (int v = 0; v < NV; ++v)
            sum[i][v] += a[i] * bv[v];  // one broadcast from memory, not splat's two operations
      }
#pragma GCC unroll 12
      for (int i = 0; i < MR; ++i)
#pragma GCC unroll 2
        for (int v = 0; v < NV; ++v) {
          C* at = task.y + i * task.stride + v * L;
          const V value = sum[i][v] * task.alpha;
          simd::store(at, task.add ? simd::load<V>(at) + value : value);
        }
    }
  }
};

struct TileSize {
  int rows, columns;
};
template <class C>
TileSize tile_size() {
  switch (simd::isa()) {
    case simd::IsaLevel::avx512: return {Tile<simd::Avx512, C>::rows, Tile<simd::Avx512, C>::columns};
    case simd::IsaLevel::avx2: return {Tile<simd::Avx2, C>::rows, Tile<simd::Avx2, C>::columns};
    default: return {Tile<simd::Base, C>::rows, Tile<simd::Base, C>::columns};
  }
}

/// Y (M, N; rows `y_stride` apart) = alpha A B + beta Y in the compute type C.
template <class C>
void gemm(std::int64_t M, std::int64_t N, std::int64_t K, C alpha, const Operand& a, const Operand& b, C beta, C* y,
          std::int64_t y_stride) {
  const TileSize tile = tile_size<C>();
  // A panel of B (KC x 32 floats) and one of A stay in 48 KiB of first-level cache, a block of A in the second level.
  const std::int64_t MC = tile.rows * std::max<std::int64_t>(1, 192 / tile.rows), KC = 256;
  const std::int64_t NC = tile.columns * std::max<std::int64_t>(1, 1024 / tile.columns);
  if ((beta != C(0) && beta != C(1)) || K == 0)
    for (std::int64_t i = 0; i < M; ++i)
      for (std::int64_t j = 0; j < N; ++j) y[i * y_stride + j] = beta == C(0) ? C(0) : y[i * y_stride + j] * beta;
  const auto round_up = [](std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; };
  thread_local std::vector<C> packed_b;
  for (std::int64_t j0 = 0; j0 < N; j0 += NC) {
    const std::int64_t columns = std::min(NC, N - j0);
    for (std::int64_t k0 = 0; k0 < K; k0 += KC) {
      const std::int64_t depth = std::min(KC, K - k0);
      const bool add = k0 > 0 || beta != C(0);
      packed_b.resize(static_cast<std::size_t>(round_up(columns, tile.columns) * depth));
      C* const pb = packed_b.data();
      const std::int64_t panels = (columns + tile.columns - 1) / tile.columns;
      parallel_for(panels, grain_for(tile.columns * depth), [&](std::int64_t begin, std::int64_t end) {
        const std::int64_t first = begin * tile.columns;
        pack(b, j0 + first, k0, false, std::min(columns, end * tile.columns) - first, depth, tile.columns,
             pb + first * depth);
      });
      // Short products are cut along the columns too, so that there is work for every thread.
      const std::int64_t row_blocks = (M + MC - 1) / MC;
      const std::int64_t splits = std::min(panels, std::max<std::int64_t>(1, 8 / row_blocks));
      parallel_for(row_blocks * splits, 1, [&](std::int64_t begin, std::int64_t end) {
        thread_local std::vector<C> packed_a, edge;
        std::vector<TileTask<C>> tasks;
        for (std::int64_t block = begin; block < end; ++block) {
          const std::int64_t i0 = block / splits * MC, rows = std::min(MC, M - i0);
          const std::int64_t split = block % splits;
          const std::int64_t first = panels * split / splits * tile.columns;
          const std::int64_t last = std::min(columns, panels * (split + 1) / splits * tile.columns);
          packed_a.resize(static_cast<std::size_t>(round_up(rows, tile.rows) * depth));
          edge.resize(static_cast<std::size_t>(tile.rows) * tile.columns);
          pack(a, i0, k0, true, rows, depth, tile.rows, packed_a.data());
          for (std::int64_t j = first; j < last; j += tile.columns) {
            const std::int64_t live_columns = std::min<std::int64_t>(tile.columns, columns - j);
            tasks.clear();
            for (std::int64_t i = 0; i < rows; i += tile.rows) {
              TileTask<C> task{packed_a.data() + i * depth,      pb + j * depth, depth, alpha,
                               y + (i0 + i) * y_stride + j0 + j, y_stride,       add};
              if (live_columns == tile.columns && rows - i >= tile.rows) {
                tasks.push_back(task);
                continue;
              }
              C* const target = task.y;
              task.y = edge.data();
              task.stride = tile.columns;
              task.add = false;
              simd::dispatch<MicroKernel<C>>(static_cast<const TileTask<C>*>(&task), 1);
              for (std::int64_t r = 0; r < std::min<std::int64_t>(tile.rows, rows - i); ++r)
                for (std::int64_t c = 0; c < live_columns; ++c)
                  target[r * y_stride + c] = edge[r * tile.columns + c] + (add ? target[r * y_stride + c] : C(0));
            }
            simd::dispatch<MicroKernel<C>>(static_cast<const TileTask<C>*>(tasks.data()),
                                           static_cast<int>(tasks.size()));
          }
        }
      });
    }
  }
}

}  // namespace detail

/// The product of views, without the bias, for any mix of floating dtypes; computed in f64 when the output is f64, else
/// in f32.
inline void own_matmul(View a, View b, View y, MatmulSpec spec) {
  const int rank = y.shape.rank;
  const std::int64_t batch = rank == 3 ? y.shape[0] : 1, M = y.shape[-2], N = y.shape[-1];
  const std::int64_t K = spec.transpose_a ? a.shape[-2] : a.shape[-1];
  const auto operand = [&](const View& m, bool transposed, std::int64_t index) {
    const std::int64_t rows = m.shape[-2], columns = m.shape[-1];
    const std::size_t skip =
        m.shape.rank == 3 ? static_cast<std::size_t>(index * rows * columns) * size_of(m.dtype) : 0;
    return transposed ? detail::Operand{m.as<char>() + skip, m.dtype, 1, columns}
                      : detail::Operand{m.as<char>() + skip, m.dtype, columns, 1};
  };
  const auto product = [&]<class C>(C* out, std::int64_t index, C beta) {
    detail::gemm<C>(M, N, K, static_cast<C>(spec.alpha), operand(a, spec.transpose_a, index),
                    operand(b, spec.transpose_b, index), beta, out, N);
  };
  for (std::int64_t index = 0; index < batch; ++index) {
    if (y.dtype == DType::f64) {
      product(y.as<double>() + index * M * N, index, spec.beta);
    } else if (y.dtype == DType::f32) {
      product(y.as<float>() + index * M * N, index, static_cast<float>(spec.beta));
    } else {
      bf16* out = y.as<bf16>() + index * M * N;
      std::vector<float> wide(static_cast<std::size_t>(M * N));
      if (spec.beta != 0) std::copy(out, out + M * N, wide.begin());
      product(wide.data(), index, static_cast<float>(spec.beta));
      for (std::int64_t i = 0; i < M * N; ++i) out[i] = bf16(wide[i]);
    }
  }
}

}  // namespace contrastive::cpu
