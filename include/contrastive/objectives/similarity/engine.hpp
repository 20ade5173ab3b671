// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "contrastive/objectives/similarity/block.hpp"
#include "contrastive/objectives/similarity/packed.hpp"
#include "contrastive/objectives/similarity/wave.hpp"

namespace contrastive::similarity {

/// Whether the exponentials of the first look at the logits are kept for the second, or computed again.
enum class Memory { automatic, store, recompute };

/// Which pairs there are.
enum class Sides {
  rows,       // each row against all columns; columns have no sums of their own
  both,       // rows against columns and columns against rows, from the same tile
  symmetric,  // one matrix against itself: the upper triangle alone
};

/// All pairs of similarities of x (N, D) and y (M, D), never held at once:
///
///     t_ij = scale x_i . y_j / ln 2,   A_i = log2 sum_j 2^t_ij,   B_j = log2 sum_i 2^t_ij
///     G_ij = a_i 2^(t_ij - A_i) + b_j 2^(t_ij - B_j)
///
/// and the products G y and G^T x. Pairs can be left out; objectives leave out their positives and add them in full
/// precision themselves, in O(N D). Memory is O((N + M) D) beside the tiles when they are recomputed.
///
/// One exponential a pair serves rows and columns as long as no row or column lies so far below the largest logit that
/// its sum loses digits in `C`; where one does (temperatures under about 0.01), everything is done again with a running
/// maximum for each row and column. All sums run in an order of their own: the same bits for any number of threads.
///
/// S: float, double, or bf16 for bf16 rows on machines that multiply them in pairs (`has_bf16_dots`): logits, sums and
/// losses are then as exact as float's, from exact products; G is rounded to bf16 before its products, so that a gradient
/// is off by up to 2^-8 sum_j |G_ij| |y_j|, twice that where exponentials are kept.
///
/// An object keeps its memory: a second use of the same sizes allocates nothing.
template <class S>
class Engine {
  using C = compute_t<S>;

 public:
  /// Takes x and y in, their rows' lengths as `length` says; `symmetric`: the one matrix [x; y], and y may be empty. `tile`: rows and columns a block (0: by size). `op` begins the errors.
  /// `row_scales` (N), not for `symmetric`: by which row i's logits are multiplied beside `scale`; null: by nothing.
  void open(const char* op, const Matrix& x, const Matrix& y, double scale, Sides sides, RowLength length,
            const Exclude& exclude, Memory memory = Memory::automatic, std::int64_t tile = 0,
            const double* row_scales = nullptr);

  /// The sums. Afterwards row_lse()[i] = A_i, and column_lse()[j] = B_j unless sides are `rows`; symmetric: A alone, of
  /// whole rows. A row with nothing in it has -infinity.
  void sums();

  /// For `rows` whose columns need no gradient, instead of `open` and `sums`: sums and E y in one look, with y taken in
  /// block by block. Afterwards dx holds sum_j 2^(t_ij - A_i) y_j.
  void weighted(const char* op, const Matrix& x, const Matrix& y, double scale, RowLength length,
                std::int64_t tile = 0);

  /// The products with G for weights a (N) and b (M; ignored for `rows`; for `symmetric` b = a), relative to the sums
  /// `row_reference` and `column_reference` (log2): those found, or larger ones, where more took part than pairs.
  /// Either product may be switched off.
  void gradient(const double* a, const double* b, const double* row_reference, const double* column_reference,
                bool want_dx = true, bool want_dy = true);

  /// The sigmoid's pass, complete: losses softplus(z) a row, their slopes, and the products with sigmoid(z).
  void sigmoid(double bias);

  const double* row_lse() const { return row_lse_.data(); }
  const double* column_lse() const { return column_lse_.data(); }
  /// After `sigmoid`: by row, the sums of softplus(z) and of sigmoid(z).
  const double* row_loss() const { return row_lse_.data(); }
  const double* row_slope() const { return column_lse_.data(); }

  /// t_ij, in the precision of the tiles.
  double t(std::int64_t i, std::int64_t j) const;
  /// Rows as the engine has them (of unit length where asked for, without the scale), (D).
  void read_x(std::int64_t i, C* to) const;
  void read_y(std::int64_t j, C* to) const;

  /// Writes row `to_row` of `to`: scale (sum_j G_ij y_j + weight y_pair - less), with respect to row i as it was given;
  /// where rows have scales of their own, times that.
  /// `less` (D) may be null. Returns its product with x_i, without the scale.
  double write_dx(std::int64_t i, double weight, std::int64_t pair, const double* less, double scale,
                  const MutableMatrix& to, std::int64_t to_row) const;
  /// The same for a column: scale (sum_i G_ij x_i + weight x_pair - less).
  double write_dy(std::int64_t j, double weight, std::int64_t pair, const double* less, double scale,
                  const MutableMatrix& to, std::int64_t to_row) const;
  std::int64_t rows() const { return x_.rows; }
  std::int64_t columns() const { return y().rows; }
  std::int64_t depth() const { return x_.D; }

  bool safe() const { return safe_; }
  std::int64_t bytes() const;

 private:
  std::int64_t row_blocks() const { return (x_.rows + rows_ - 1) / rows_; }
  std::int64_t column_blocks() const { return (y().rows + columns_ - 1) / columns_; }
  const Packed<S>& y() const { return sides_ == Sides::symmetric ? x_ : y_; }
  std::int64_t kept_at(std::int64_t I, std::int64_t J) const;
  Block<S> block(std::int64_t I, std::int64_t J) const;
  void use_scratch(Block<S>& b, C* memory) const;
  void check(const char* op, const Matrix& x, const Matrix& y, double scale) const;
  void choose_blocks(Memory memory, std::int64_t tile, bool strips = false);
  double row_factor(std::int64_t i) const { return factor_ * x_.scale_of(i); }
  template <Pass P>
  void run(Block<S> b) const;
  template <Pass P>
  void over(bool kept, bool want_dx, bool want_dy);
  void start_columns(double with);
  void prepare_sums(bool safe);
  bool finish_sums(bool safe);
  void turn_dy();
  struct RowOf;
  double write(const RowOf& from, double weight, const double* less, double scale, const MutableMatrix& to,
               std::int64_t to_row) const;
  double total(const C* sums, const C* maxima, std::int64_t i, bool safe) const;

  Sides sides_ = Sides::rows;
  Exclude exclude_;
  Packed<S> x_, y_;
  double factor_ = 1, reference_ = 0;  // x is packed times factor_; t - reference_ is what is exponentiated
  std::int64_t rows_ = 0, columns_ = 0;
  bool keep_ = false, safe_ = false, kept_ = false, unit_ = false;
  int lanes_ = 1;
  Buffer<C> row_sum_, row_max_, column_sum_, column_max_, column_start_, row_weight_, column_weight_, row_c_, column_c_,
      dx_, dyt_, dy_;
  Buffer<S> kept_tiles_;
  Buffer<double> row_lse_, column_lse_, ones_;
  Buffer<std::int32_t> row_ids_, column_ids_;
  Buffer<std::int64_t> progress_;
};

}  // namespace contrastive::similarity

#if !defined(CONTRASTIVE_COMPILED)
#include "contrastive/objectives/similarity/engine_parts.hpp"  // IWYU pragma: export
#endif
