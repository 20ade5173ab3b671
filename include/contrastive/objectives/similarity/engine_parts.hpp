// SPDX-License-Identifier: MIT
#pragma once

#include <initializer_list>

#include "contrastive/objectives/similarity/engine.hpp"

namespace contrastive::similarity {

namespace detail {

/// Logits further than this from the largest one are below the smallest normal number of C beside it.
template <class C>
constexpr double reach = std::is_same_v<C, float> ? 100 : 900;
/// A sum that small may have lost terms to the smallest number.
template <class C>
constexpr double smallest_sum = std::is_same_v<C, float> ? 0x1p-60 : 0x1p-500;

constexpr double nothing = -1e29;  // running maxima start below it: nothing was added

}  // namespace detail

template <class S>
void Engine<S>::check(const char* op, const Matrix& x, const Matrix& y, double scale) const {
  require(x.rows > 0 && x.columns > 0, "[", op, "] expected at least one row and one column, got (", x.rows, ", ",
          x.columns, ")");
  require(y.columns == x.columns, "[", op, "] expected two matrices of the same width, got (", x.rows, ", ", x.columns,
          ") and (", y.rows, ", ", y.columns, ")");
  require(std::isfinite(scale) && scale > 0, "[", op, "] the scale must be above 0 and finite, got ", scale);
  if constexpr (terms < S >> 1) {
    require(has_bf16_dots(), "[", op, "] this machine has no products of bf16 pairs");
    require(x.dtype == DType::bf16 && y.dtype == DType::bf16, "[", op, "] expected bf16 rows, got ", to_string(x.dtype),
            " and ", to_string(y.dtype));
  }
}

template <class S>
void Engine<S>::open(const char* op, const Matrix& x, const Matrix& y, double scale, Sides sides, RowLength length,
                     const Exclude& exclude, Memory memory, std::int64_t tile, const double* row_scales) {
  const int W = tile_width<S>();
  check(op, x, y.rows > 0 ? y : x, scale);
  require(y.rows > 0 || sides == Sides::symmetric, "[", op, "] expected at least one row and one column, got (", y.rows,
          ", ", y.columns, ")");
  require(!row_scales || sides != Sides::symmetric, "[", op, "] scales of rows are for pairs of two matrices");
  sides_ = sides;
  unit_ = length == RowLength::normalize;
  const double in_log2 = scale / std::log(2.0);
  factor_ = sides == Sides::symmetric ? std::sqrt(in_log2) : in_log2;
  if (sides == Sides::symmetric) {
    x_.pack(x, y, factor_, length, W, op, "the input");
  } else {
    x_.pack(x, {}, factor_, length, W, op, "the first input", row_scales);
    y_.pack(y, {}, 1, length, W, op, "the second input");
  }
  exclude_ = exclude;
  const auto ids = [](Buffer<std::int32_t>& to, const std::int32_t* from, std::int64_t live, std::int64_t padded) {
    std::copy(from, from + live, to.resize(padded));
    std::fill(to.data() + live, to.data() + padded, 0);
    return to.data();
  };
  if (exclude.row_ids) {
    exclude_.row_ids = ids(row_ids_, exclude.row_ids, x_.rows, x_.padded_rows);
    exclude_.column_ids = ids(column_ids_, exclude.column_ids, this->y().rows, this->y().padded_rows);
  }
  choose_blocks(memory, tile);
}

/// Blocks: what the rows need (x, its transpose, dx) stays in the second-level cache while columns pass. Small inputs are
/// cut so that all threads have some; with `strips` of columns they have.
template <class S>
void Engine<S>::choose_blocks(Memory memory, std::int64_t tile, bool strips) {
  const int W = x_.W;
  const std::int64_t row_bytes = x_.D * static_cast<std::int64_t>(2 * sizeof(S) + sizeof(C));
  const bool symmetric = sides_ == Sides::symmetric;
  const std::int64_t by_size = strips ? x_.rows + y().rows : x_.rows / 8;
  const auto block = [&](std::int64_t most, std::int64_t bytes) {
    return round_up(tile > 0 ? tile : std::max<std::int64_t>(32, std::min({most, bytes / row_bytes, by_size})), W);
  };
  rows_ = block(symmetric ? 128 : 256, (symmetric ? 400 : 600) << 10);
  columns_ = symmetric ? rows_ : block(128, 384 << 10);
  const double pairs = static_cast<double>(x_.padded_rows) * static_cast<double>(y().padded_rows);
  const double kept_bytes = pairs * sizeof(S) * (symmetric ? 0.5 : 1);
  keep_ = memory == Memory::store || (memory == Memory::automatic && kept_bytes <= 3e8);
  kept_ = safe_ = false;
  lanes_ = W / 2;
  reference_ = std::max(0.0, x_.largest_norm * y().largest_norm - detail::reach<C>);
}

template <class S>
Block<S> Engine<S>::block(std::int64_t I, std::int64_t J) const {
  const Packed<S>& y = this->y();
  const std::int64_t i = I * rows_, j = J * columns_;
  Block<S> b;
  b.first_row = i;
  b.rows = std::min(rows_, x_.padded_rows - i);
  b.live_rows = std::min(b.rows, x_.rows - i);
  b.first_column = j;
  b.panels = std::min(columns_, y.padded_rows - j) / y.W;
  b.D = x_.D;
  b.x = x_.natural + i * x_.W;
  if constexpr (terms < S >> 1) {
    b.row_factor = x_.row_factor.data() + i;
    b.column_factor = y.row_factor.data() + j;
  }
  b.x_block = x_.natural_block();
  b.xt = x_.transposed + i / x_.W * x_.panel();
  b.xt_panel = x_.panel();
  b.y = y.right + j * y.W;
  b.y_block = y.natural_block();
  b.yt = y.transposed_right + j / y.W * y.panel();
  b.yt_panel = y.panel();
  b.column_start = column_start_.data() + j;
  b.row_sum = row_sum_.data() + i * lanes_;
  b.row_max = row_max_.data() ? row_max_.data() + i * lanes_ : nullptr;
  if (sides_ != Sides::rows && !(sides_ == Sides::symmetric && I == J)) {
    b.column_sum = column_sum_.data() + j;
    b.column_max = column_max_.data() ? column_max_.data() + j : nullptr;
  }
  b.row_weight = row_weight_.data() ? row_weight_.data() + i : nullptr;
  b.column_weight = column_weight_.data() ? column_weight_.data() + j : nullptr;
  b.row_lse = row_c_.data() ? row_c_.data() + i : nullptr;
  b.column_lse = column_c_.data() ? column_c_.data() + j : nullptr;
  b.exclude = exclude_;
  return b;
}

/// G and the logits' first terms, in memory for two blocks of C.
template <class S>
void Engine<S>::use_scratch(Block<S>& b, C* memory) const {
  b.partial = memory + rows_ * columns_;
  b.tiles = reinterpret_cast<S*>(memory);
  b.turned = b.tiles + (terms<S> > 1 ? rows_ * columns_ : 0);
}

/// Where the kept tiles of a block start: rows of blocks one after the other, the upper triangle when symmetric.
template <class S>
std::int64_t Engine<S>::kept_at(std::int64_t I, std::int64_t J) const {
  const std::int64_t padded = y().padded_rows, rows = std::min(rows_, x_.padded_rows - I * rows_);
  if (sides_ != Sides::symmetric) return I * rows_ * padded + J * columns_ * rows;
  return rows_ * (I * padded - rows_ * (I * (I - 1) / 2)) + (J - I) * columns_ * rows;
}

template <class S>
template <Pass P>
void Engine<S>::run(Block<S> b) const {
  const Block<S>* const task = &b;
  if (b.first_terms() > 0) run_kernel<FirstTerms<S>, S>(task);
  run_kernel<BlockKernel<S, P>, S>(task);
  if constexpr (!is_sums(P)) run_kernel<Products<S>, S>(task);
}

template <class S>
template <Pass P>
void Engine<S>::over(bool kept, bool want_dx, bool want_dy) {
  const bool symmetric = sides_ == Sides::symmetric;
  wave(
      row_blocks(), column_blocks(), progress_.resize(row_blocks()), [&](std::int64_t I) { return symmetric ? I : 0; },
      [&](std::int64_t I, std::int64_t J) {
        thread_local Buffer<C> scratch;
        Block<S> b = block(I, J);
        C* const own = scratch.resize(2 * rows_ * columns_);
        use_scratch(b, own);
        if constexpr (is_sums(P)) {
          b.tiles = kept ? kept_tiles_.data() + kept_at(I, J) : nullptr;
          b.past_cache = kept && kept_tiles_.bytes() > (std::int64_t{64} << 20);
        } else {
          b.kept = kept ? kept_tiles_.data() + kept_at(I, J) : nullptr;
          if (want_dx) b.dx = dx_.data() + I * rows_ * x_.W;
          if (want_dy && !(symmetric && I == J)) b.dyt = dyt_.data() + b.first_column / x_.W * b.yt_panel;
        }
        run<P>(b);
      });
}

/// What is added to the logits of each column; in the padding, so much that nothing comes of them.
template <class S>
void Engine<S>::start_columns(double with) {
  C* const start = column_start_.resize(y().padded_rows);
  std::fill(start, start + y().rows, C(with));
  std::fill(start + y().rows, start + y().padded_rows, C(-1e30));
}

template <class S>
void Engine<S>::prepare_sums(bool safe) {
  const std::int64_t N = x_.padded_rows, M = y().padded_rows;
  start_columns(safe ? 0 : -reference_);
  row_sum_.zeros(N * lanes_);
  if (sides_ != Sides::rows) column_sum_.zeros(M);
  if (!safe) return;
  C* const row_max = row_max_.resize(N * lanes_);
  std::fill(row_max, row_max + N * lanes_, C(-1e30));
  if (sides_ == Sides::rows) return;
  C* const column_max = column_max_.resize(M);
  std::fill(column_max, column_max + M, C(-1e30));
}

/// log2 of the sum of `lanes_` parts from `at`, or -infinity.
template <class S>
double Engine<S>::total(const C* sums, const C* maxima, std::int64_t at, bool safe) const {
  constexpr double none = -std::numeric_limits<double>::infinity();
  double sum = 0, top = safe ? none : 0;
  if (safe)
    for (int l = 0; l < lanes_; ++l) top = std::max(top, static_cast<double>(maxima[at + l]));
  if (safe && top < detail::nothing) return none;
  for (int l = 0; l < lanes_; ++l)
    sum += static_cast<double>(sums[at + l]) * (safe ? std::exp2(static_cast<double>(maxima[at + l]) - top) : 1);
  return sum > 0 ? std::log2(sum) + (safe ? top : reference_) : sum == 0 ? none : sum;
}

/// Joins the lanes. False where a sum may have lost digits and the safe way is wanted.
template <class S>
bool Engine<S>::finish_sums(bool safe) {
  const std::int64_t N = x_.rows, M = y().rows;
  constexpr double none = -std::numeric_limits<double>::infinity();
  double* const rows = row_lse_.resize(N);
  double* columns = sides_ == Sides::rows ? nullptr : column_lse_.resize(M);
  parallel_for(columns ? M : 0, 512, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t j = begin; j < end; ++j) {
      const double sum = static_cast<double>(column_sum_.data()[j]);
      const bool empty = safe ? static_cast<double>(column_max_.data()[j]) < detail::nothing : sum == 0;
      columns[j] = empty ? none : std::log2(sum) + (safe ? static_cast<double>(column_max_.data()[j]) : reference_);
    }
  });
  parallel_for(N, 512, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      rows[i] = total(row_sum_.data(), row_max_.data(), i * lanes_, safe);
      if (sides_ != Sides::symmetric) continue;
      const double high = std::max(rows[i], columns[i]), low = std::min(rows[i], columns[i]);
      rows[i] = high == none ? none : high + std::log2(1 + std::exp2(low - high));
    }
  });
  if (sides_ == Sides::symmetric) columns = nullptr;
  if (safe) return true;
  const double least = std::log2(detail::smallest_sum<C>) + reference_;
  for (std::int64_t i = 0; i < N; ++i)
    if (!(rows[i] >= least && std::isfinite(rows[i]))) return false;
  for (std::int64_t j = 0; columns && j < M; ++j)
    if (!(columns[j] >= least && std::isfinite(columns[j]))) return false;
  return true;
}

template <class S>
void Engine<S>::sums() {
  if (keep_) kept_tiles_.resize(kept_at(row_blocks() - 1, column_blocks() - 1) + rows_ * columns_);
  prepare_sums(false);
  over<Pass::sums>(keep_, false, false);
  safe_ = !finish_sums(false);
  kept_ = keep_ && !safe_;
  if (!safe_) return;
  prepare_sums(true);
  over<Pass::sums_safe>(false, false, false);
  finish_sums(true);
}

template <class S>
void Engine<S>::gradient(const double* a, const double* b, const double* row_reference, const double* column_reference,
                         bool want_dx, bool want_dy) {
  const std::int64_t N = x_.padded_rows, M = y().padded_rows;
  if (sides_ == Sides::symmetric) b = a, column_reference = row_reference;
  if (sides_ == Sides::rows) b = nullptr;
  // References may come from an earlier pass: where one is out of the fast way's reach, take the safe one.
  const double least = std::log2(detail::smallest_sum<C>) + reference_;
  const auto low = [&](const double* reference, std::int64_t count) {
    return reference && std::any_of(reference, reference + count, [&](double r) { return r < least; });
  };
  if (low(a ? row_reference : nullptr, x_.rows) || low(b ? column_reference : nullptr, y().rows)) safe_ = true;
  start_columns(safe_ ? 0 : -reference_);
  const auto fill = [&](Buffer<C>& weight, Buffer<C>& lse, const double* w, const double* reference, std::int64_t live,
                        std::int64_t padded) {
    C *const to = weight.resize(padded), *const at = lse.resize(padded);
    std::fill(to, to + padded, C(0));
    std::fill(at, at + padded, C(0));
    parallel_for(w ? live : 0, 512, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        if (!std::isfinite(reference[i])) continue;
        to[i] = C(safe_ ? w[i] : w[i] * std::exp2(reference_ - reference[i]));
        at[i] = C(reference[i]);
      }
    });
  };
  fill(row_weight_, row_c_, a, row_reference, x_.rows, N);
  fill(column_weight_, column_c_, b, column_reference, y().rows, M);
  if (want_dx) dx_.zeros(x_.natural_size());
  if (want_dy) dyt_.zeros(y().padded_rows * y().padded_D);
  if (safe_)
    over<Pass::gradient_safe>(false, want_dx, want_dy);
  else
    over<Pass::gradient>(kept_, want_dx, want_dy);
  if (want_dy) turn_dy();
}

/// The columns' gradients in natural order.
template <class S>
void Engine<S>::turn_dy() {
  const Packed<S>& y = this->y();
  const std::int64_t groups = y.padded_rows / y.W, size = static_cast<std::int64_t>(y.W) * y.W;
  C* const to = dy_.resize(y.natural_size());
  parallel_for(groups, grain_for(8 * y.W * y.padded_D), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t g = begin; g < end; ++g)
      over_row<TransposeBlocks, C>(static_cast<const C*>(dyt_.data() + g * y.panel()), size, to + g * size,
                                   y.natural_block(), y.padded_D / y.W);
  });
}

template <class S>
std::int64_t Engine<S>::bytes() const {
  std::int64_t sum = 0;
  for (const Buffer<C>* b : {&row_sum_, &row_max_, &column_sum_, &column_max_, &column_start_, &row_weight_,
                             &column_weight_, &row_c_, &column_c_, &dx_, &dyt_, &dy_})
    sum += b->bytes();
  return sum + x_.bytes() + y_.bytes() + kept_tiles_.bytes() + row_lse_.bytes() + column_lse_.bytes();
}

}  // namespace contrastive::similarity

#include "contrastive/objectives/similarity/engine_one_look.hpp"  // IWYU pragma: export
#include "contrastive/objectives/similarity/engine_rows.hpp"      // IWYU pragma: export
