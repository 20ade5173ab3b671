// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>

#include "contrastive/core/dtype.hpp"
#include "contrastive/core/error.hpp"
#include "contrastive/core/parallel.hpp"

namespace contrastive::similarity {

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

/// Memory in whole cache lines that only grows, so that a second call of the same size allocates nothing.
template <class C>
class Buffer {
 public:
  C* resize(std::int64_t count) {
    if (count > capacity_) {
      memory_.reset();
      memory_.reset(static_cast<C*>(::operator new(static_cast<std::size_t>(count) * sizeof(C), line)));
      capacity_ = count;
    }
    return memory_.get();
  }
  C* zeros(std::int64_t count) {
    C* const data = resize(count);
    parallel_for(count, 1 << 16,
                 [&](std::int64_t begin, std::int64_t end) { std::fill(data + begin, data + end, C(0)); });
    return data;
  }
  C* data() const { return memory_.get(); }
  std::int64_t bytes() const { return capacity_ * static_cast<std::int64_t>(sizeof(C)); }

 private:
  static constexpr std::align_val_t line{64};
  struct Free {
    void operator()(C* memory) const { ::operator delete(memory, line); }
  };
  std::unique_ptr<C, Free> memory_;
  std::int64_t capacity_ = 0;
};

constexpr std::int64_t round_up(std::int64_t n, std::int64_t step) { return (n + step - 1) / step * step; }

/// A matrix (rows, D), times a factor, in the two forms that the engine multiplies: `natural`, [D / W][rows][W], and
/// `transposed`, [rows / W][D][W]; zero-filled to whole blocks. `largest_norm` is that of its rows.
template <class C>
struct Packed {
  std::int64_t rows = 0, D = 0, padded_rows = 0, padded_D = 0;
  int W = 0;
  double largest_norm = 0;
  Buffer<C> natural_memory, transposed_memory;
  C *natural = nullptr, *transposed = nullptr;
  Buffer<double> inverse_norm;  // 1 / |row| when packed to unit rows

  std::int64_t natural_block() const { return padded_rows * W; }  // between column blocks
  std::int64_t panel() const { return padded_D * W; }             // between panels of W rows

  /// Takes `top` with `bottom` under it (no rows: none), all times `factor`; with `unit`, each row divided by its norm
  /// first. Throws where an element is not finite: `op` and `name` say whose.
  void pack(const Matrix& top, const Matrix& bottom, double factor, bool unit, int width, const char* op,
            const char* name) {
    rows = top.rows + bottom.rows, D = top.columns, W = width;
    padded_rows = round_up(rows, W), padded_D = round_up(D, W);
    natural = natural_memory.resize(padded_rows * padded_D);
    transposed = transposed_memory.resize(padded_rows * padded_D);
    const std::int64_t groups = padded_rows / W;
    double* const norm = norms_.resize(groups);
    if (unit) inverse_norm.resize(padded_rows);
    parallel_for(groups, grain_for(W * padded_D), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t g = begin; g < end; ++g) norm[g] = pack_group(top, bottom, factor, unit, g);
    });
    largest_norm = 0;
    for (std::int64_t g = 0; g < groups; ++g) {
      require(std::isfinite(norm[g]), "[", op, "] rows ", g * W, " to ", std::min(rows, (g + 1) * W) - 1, " of ", name,
              " hold a value that is not finite");
      largest_norm = std::max(largest_norm, norm[g]);
    }
  }

 private:
  /// Rows g W to (g + 1) W in both forms; the largest norm, or NaN.
  double pack_group(const Matrix& top, const Matrix& bottom, double factor, bool unit, std::int64_t g) {
    const std::int64_t first = g * W;
    double largest = 0, poison = 0;
    for (std::int64_t i = first; i < first + W; ++i) {
      const bool below = i >= top.rows;
      double square = 0;
      if (i < rows)
        visit(below ? bottom : top, [&](const auto* data) {
          const Matrix& m = below ? bottom : top;
          square = pack_row(data + (below ? i - top.rows : i) * m.row_stride, m.column_stride, i);
        });
      else
        for (std::int64_t d = 0; d < padded_D; d += W) std::fill_n(natural + (d / W * padded_rows + i) * W, W, C(0));
      poison += square * 0;  // NaN for infinities and NaN
      double scale = factor;
      if (unit) {
        inverse_norm.data()[i] = 1 / std::max(std::sqrt(square), 1e-12);  // torch.nn.functional.normalize's floor
        scale *= inverse_norm.data()[i];
      }
      for (std::int64_t d = 0; d < padded_D; d += W) {
        C* const at = natural + (d / W * padded_rows + i) * W;
        for (int w = 0; w < W; ++w) at[w] *= C(scale);
      }
      largest = std::max(largest, square * scale * scale);
    }
    for (std::int64_t d0 = 0; d0 < padded_D; d0 += W) {
      const C* const from = natural + (d0 / W * padded_rows + first) * W;
      C* const to = transposed + g * panel() + d0 * W;
      for (int d = 0; d < W; ++d)
        for (int r = 0; r < W; ++r) to[d * W + r] = from[r * W + d];
    }
    return std::sqrt(largest) + poison;
  }

  /// Row i as it is; returns the sum of squares.
  template <class T>
  double pack_row(const T* from, std::int64_t stride, std::int64_t i) {
    C squares[4] = {};
    for (std::int64_t d0 = 0; d0 < padded_D; d0 += W) {
      C* const to = natural + (d0 / W * padded_rows + i) * W;
      const int count = static_cast<int>(std::min<std::int64_t>(W, D - d0));
      if (stride == 1)
        for (int d = 0; d < count; ++d) to[d] = C(compute_t<T>(from[d0 + d]));
      else
        for (int d = 0; d < count; ++d) to[d] = C(compute_t<T>(from[(d0 + d) * stride]));
      for (int d = count; d < W; ++d) to[d] = 0;
      for (int d = 0; d < W; d += 4)
        for (int k = 0; k < 4; ++k) squares[k] += to[d + k] * to[d + k];
    }
    return static_cast<double>(squares[0]) + static_cast<double>(squares[1]) + static_cast<double>(squares[2]) +
           static_cast<double>(squares[3]);
  }

  Buffer<double> norms_;
};

}  // namespace contrastive::similarity
