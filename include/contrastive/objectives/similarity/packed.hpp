// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "contrastive/core/dtype.hpp"
#include "contrastive/core/error.hpp"
#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/memory.hpp"
#include "contrastive/objectives/row_length.hpp"
#include "contrastive/objectives/similarity/rows.hpp"

namespace contrastive::similarity {

using cpu::Buffer;

/// What a loss throws whose input is not finite: a run that diverged, where its step and rate are known.
class NotFinite : public Error {
  using Error::Error;
};

/// A borrowed matrix: element (i, j) at data[i * row_stride + j * column_stride], f32, f64 or bf16.
struct Matrix {
  const void* data = nullptr;
  DType dtype = DType::f32;
  std::int64_t rows = 0, columns = 0, row_stride = 0, column_stride = 1;
};

/// The same, to be written.
struct MutableMatrix {
  void* data = nullptr;
  DType dtype = DType::f32;
  std::int64_t rows = 0, columns = 0, row_stride = 0, column_stride = 1;
};

/// Calls f(pointer) with the matrix's data in its own type.
template <class M, class F>
void visit(const M& m, F&& f) {
  constexpr bool writable = std::is_same_v<M, MutableMatrix>;
  const auto as = [&]<class T>(T*) { f(static_cast<std::conditional_t<writable, T, const T>*>(m.data)); };
  switch (m.dtype) {
    case DType::f32: return as(static_cast<float*>(nullptr));
    case DType::f64: return as(static_cast<double*>(nullptr));
    case DType::bf16: return as(static_cast<bf16*>(nullptr));
    default: fail("[similarity] matrices are f32, f64 or bf16, got ", to_string(m.dtype));
  }
}

/// Throws unless all rows are of unit length.
inline void require_unit_rows(const char* op, const char* name, const Matrix& m) {
  visit(m, [&](const auto* data) {
    using C = compute_t<std::remove_cvref_t<decltype(*data)>>;
    for (std::int64_t i = 0; i < m.rows; ++i) {
      double square = 0;
      for (std::int64_t d = 0; d < m.columns; ++d) {
        const auto x = static_cast<double>(C(data[i * m.row_stride + d * m.column_stride]));
        square += x * x;
      }
      if (!contrastive::detail::is_unit(square)) contrastive::detail::fail_not_unit(op, name, i, square);
    }
  });
}

constexpr std::int64_t round_up(std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; }

/// A matrix (rows, D), times a factor, in the two forms that the engine multiplies: `natural`, [D / W][rows][W], and
/// `transposed`, [rows / W][D][W]; zero-filled to whole blocks. `largest_norm` is that of its rows.
///
/// bf16 keeps the rows as they were given (times a power of 2 where they become unit rows): `row_factor` says what each
/// is yet to be multiplied by. Its right factors have forms of their own (tile.hpp).
template <class S>
struct Packed {
  using C = compute_t<S>;
  static constexpr bool pairs = terms<S> > 1;
  std::int64_t rows = 0, D = 0, padded_rows = 0, padded_D = 0;
  int W = 0;
  double largest_norm = 0;
  Buffer<S> natural_memory, transposed_memory, right_memory, transposed_right_memory;
  S *natural = nullptr, *transposed = nullptr;      // left factors
  S *right = nullptr, *transposed_right = nullptr;  // right factors: the same memory unless in pairs
  Buffer<double> inverse_norm;                      // 1 / |row| when packed to unit rows
  Buffer<C> row_factor;

  std::int64_t natural_block() const { return (padded_rows + skew_) * W; }  // between column blocks
  std::int64_t natural_size() const { return natural_block() * (padded_D / W); }
  std::int64_t panel() const { return padded_D * W; }  // between panels of W rows
  /// What row i of `natural` is multiplied by.
  C factor_of(std::int64_t i) const { return pairs ? row_factor.data()[i] : C(1); }
  double scale_of(std::int64_t i) const { return scaled_ ? row_scales_.data()[i] : 1; }
  std::int64_t bytes() const {
    return natural_memory.bytes() + transposed_memory.bytes() + right_memory.bytes() + transposed_right_memory.bytes() +
           inverse_norm.bytes() + row_factor.bytes();
  }

  void shape(std::int64_t count, std::int64_t depth, int width) {
    rows = count, D = depth, W = width;
    padded_rows = round_up(rows, W), padded_D = round_up(D, W);
    skew_ = padded_rows >= 1024 ? 100 : 0;
  }

  /// Shape and largest norm alone, for a matrix that is packed block by block as it is met.
  void measure(const Matrix& m, RowLength length, int width, const char* op, const char* name) {
    shape(m.rows, m.columns, width);
    const std::int64_t chunk = 256, chunks = (rows + chunk - 1) / chunk;
    double* const norm = norms_.resize(chunks);
    std::int64_t* const off = off_.resize(chunks);
    visit(m, [&](const auto* data) {
      using T = std::remove_cvref_t<decltype(*data)>;
      parallel_for(rows, chunk, [&](std::int64_t begin, std::int64_t end) {
        double largest = 0, poison = 0;
        off[begin / chunk] = 0;
        for (std::int64_t i = begin; i < end; ++i) {
          double square = 0;
          if (std::is_same_v<T, S> && m.column_stride == 1) {
            over_row<SquareRow, S>(reinterpret_cast<const S*>(data) + i * m.row_stride, D, &square);
          } else {
            for (std::int64_t d = 0; d < D; ++d) {
              const auto x = static_cast<double>(compute_t<T>(data[i * m.row_stride + d * m.column_stride]));
              square += x * x;
            }
          }
          poison += square * 0;
          largest = std::max(largest, length == RowLength::normalize ? std::min(square, 1.0) : square);
          if (length == RowLength::unit && !contrastive::detail::is_unit(square)) ++off[begin / chunk];
        }
        norm[begin / chunk] = std::sqrt(largest) + poison;
      });
    });
    take_largest(norm, chunks, chunk, op, name);
    if (std::count(off, off + chunks, 0) < chunks) require_unit_rows(op, name, m);
  }

  /// Takes `top` with `bottom` under it (no rows: none), all times `factor` and each times its scale, where given; each
  /// row divided by its norm first where `length` says so. Throws where an element is not finite, or a row not of unit
  /// length that should be: `op` and `name` say whose.
  void pack(const Matrix& top, const Matrix& bottom, double factor, RowLength length, int width, const char* op,
            const char* name, const double* row_scales = nullptr) {
    scaled_ = row_scales != nullptr;
    if (scaled_) std::copy(row_scales, row_scales + top.rows, row_scales_.resize(top.rows));
    shape(top.rows + bottom.rows, top.columns, width);
    right = natural = natural_memory.resize(natural_size());
    transposed_right = transposed = transposed_memory.resize(padded_rows * padded_D);
    if constexpr (pairs) {
      right = right_memory.resize(natural_size());
      transposed_right = transposed_right_memory.resize(padded_rows * padded_D);
      row_factor.resize(padded_rows);
    }
    const std::int64_t groups = padded_rows / W;
    double* const norm = norms_.resize(groups);
    std::int64_t* const off = off_.resize(groups);
    if (length == RowLength::normalize) inverse_norm.resize(padded_rows);
    parallel_for(groups, grain_for(8 * W * padded_D), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t g = begin; g < end; ++g) norm[g] = pack_group(top, bottom, factor, length, g, off[g]);
    });
    take_largest(norm, groups, W, op, name);
    if (std::count(off, off + groups, 0) == groups) return;
    require_unit_rows(op, name, top);
    require_unit_rows(op, name, bottom);
  }

 private:
  void take_largest(const double* norm, std::int64_t groups, std::int64_t size, const char* op, const char* name) {
    largest_norm = 0;
    for (std::int64_t g = 0; g < groups; ++g) {
      if (!std::isfinite(norm[g]))
        throw NotFinite(join("[", op, "] rows ", g * size, " to ", std::min(rows, (g + 1) * size) - 1, " of ", name,
                             " hold a value that is not finite"));
      largest_norm = std::max(largest_norm, norm[g]);
    }
  }

  /// Rows g W to (g + 1) W in both forms; the largest norm, or NaN. `off`: rows that should be of unit length and are
  /// not.
  double pack_group(const Matrix& top, const Matrix& bottom, double factor, RowLength length, std::int64_t g,
                    std::int64_t& off) {
    const bool unit = length == RowLength::normalize;
    const std::int64_t first = g * W, blocks = padded_D / W;
    double largest = 0, poison = 0;
    off = 0;
    for (std::int64_t i = first; i < first + W; ++i) {
      S* const to = natural + i * W;
      double square = 0;
      if (i < rows) {
        const bool below = i >= top.rows;
        square = take_row(below ? bottom : top, below ? i - top.rows : i, to);
      } else {
        for (std::int64_t n = 0; n < blocks; ++n) std::fill_n(to + n * natural_block(), W, S(0));
      }
      poison += square * 0;  // NaN for infinities and NaN
      if (length == RowLength::unit && !contrastive::detail::is_unit(square)) ++off;
      double scale = factor * (i < rows ? scale_of(i) : 1);
      if (unit) {
        inverse_norm.data()[i] = 1 / std::max(std::sqrt(square), 1e-12);  // torch.nn.functional.normalize's floor
        scale *= inverse_norm.data()[i];
      }
      if constexpr (pairs) {
        // A power of 2 changes no digit, and brings rows of any length to where their products are numbers.
        const double exact = unit && square > 0 ? std::exp2(-std::ilogb(std::sqrt(square))) : 1;
        row_factor.data()[i] = i < rows ? C(scale / exact) : C(0);
        if (exact != 1) over_row<ScaleRow, S>(to, natural_block(), blocks, C(exact));
      } else if (scale != 1) {
        over_row<ScaleRow, S>(to, natural_block(), blocks, C(scale));
      }
      largest = std::max(largest, square * scale * scale);
    }
    const std::int64_t size = static_cast<std::int64_t>(W) * W;
    const S* const from = natural + first * W;
    over_row<TransposeBlocks, S>(from, natural_block(), transposed + g * panel(), size, blocks);
    if constexpr (pairs) {
      const PairBlocks task{from, natural_block(), right + first * W, transposed_right + g * panel(), natural_block(),
                            size, blocks};
      run_kernel<PairBlocks, S>(&task);
    }
    return std::sqrt(largest) + poison;
  }

  /// Row i of m as S, in blocks from `to`; returns the sum of its squares.
  double take_row(const Matrix& m, std::int64_t i, S* to) {
    double square = 0;
    visit(m, [&](const auto* data) {
      using T = std::remove_cvref_t<decltype(*data)>;
      const T* const from = data + i * m.row_stride;
      if constexpr (std::is_same_v<T, S>)
        if (m.column_stride == 1) return over_row<TakeRow, S>(from, D, to, natural_block(), &square);
      S line[64];
      for (std::int64_t d0 = 0; d0 < D; d0 += W, to += natural_block()) {
        const std::int64_t count = std::min<std::int64_t>(W, D - d0);
        for (std::int64_t d = 0; d < count; ++d) line[d] = S(C(compute_t<T>(from[(d0 + d) * m.column_stride])));
        double part = 0;
        over_row<TakeRow, S>(static_cast<const S*>(line), count, to, std::int64_t{0}, &part);
        square += part;
      }
    });
    return square;
  }

  /// Rows between the column blocks: without them blocks of many rows lie a power of 2 apart, in the same cache sets.
  std::int64_t skew_ = 0;
  Buffer<double> norms_, row_scales_;
  Buffer<std::int64_t> off_;
  bool scaled_ = false;
};

}  // namespace contrastive::similarity
