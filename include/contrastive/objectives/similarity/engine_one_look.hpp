// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/objectives/similarity/engine_parts.hpp"

/// The passes that see each logit once.
namespace contrastive::similarity {

template <class S>
void Engine<S>::weighted(const char* op, const Matrix& x, const Matrix& y, double scale, RowLength length,
                         std::int64_t tile) {
  const int W = tile_width<S>();
  check(op, x, y, scale);
  require(y.rows > 0, "[", op, "] expected at least one row and one column, got (0, ", y.columns, ")");
  sides_ = Sides::rows;
  unit_ = length == RowLength::normalize;
  exclude_ = {};
  factor_ = scale / std::log(2.0);
  x_.pack(x, {}, factor_, length, W, op, "the first input");
  y_.measure(y, length, W, op, "the second input");
  choose_blocks(Memory::recompute, tile, true);
  // Strips of columns, so that a few rows against many columns occupy all threads; each keeps sums of its own.
  const std::int64_t N = x_.padded_rows, size = x_.natural_size();
  const std::int64_t strips = std::min<std::int64_t>(32, column_blocks());
  prepare_sums(false);
  C* const row_sum = row_sum_.zeros(strips * N * lanes_);
  C* const dx = dx_.zeros(strips * size);
  parallel_for(strips, 1, [&](std::int64_t strip, std::int64_t) {
    thread_local Buffer<C> scratch;
    thread_local Packed<S> part;
    C* const own = scratch.resize(2 * rows_ * columns_);
    for (std::int64_t J = column_blocks() * strip / strips; J < column_blocks() * (strip + 1) / strips; ++J) {
      Matrix some = y;
      const std::int64_t first = J * columns_;
      some.rows = std::min(columns_, y.rows - first);
      some.data = static_cast<const char*>(y.data) + static_cast<std::size_t>(first * y.row_stride) * size_of(y.dtype);
      part.pack(some, {}, 1, length, W, op, "the second input");
      for (std::int64_t I = 0; I < row_blocks(); ++I) {
        Block<S> b = block(I, J);
        b.y = part.right;
        b.y_block = part.natural_block();
        b.yt = part.transposed_right;
        b.column_factor = part.row_factor.data();
        use_scratch(b, own);
        b.row_sum += strip * N * lanes_;
        b.dx = dx + strip * size + I * rows_ * x_.W;
        run<Pass::weighted>(b);
      }
    }
  });
  const auto join = [&](C* parts, std::int64_t count) {
    parallel_for(count, 1 << 12, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t strip = 1; strip < strips; ++strip)
        for (std::int64_t i = begin; i < end; ++i) parts[i] += parts[strip * count + i];
    });
  };
  join(row_sum, N * lanes_);
  join(dx, size);
  safe_ = !finish_sums(false);
  if (safe_) {
    y_.pack(y, {}, 1, length, W, op, "the second input");
    prepare_sums(true);
    over<Pass::sums_safe>(false, false, false);
    finish_sums(true);
    std::fill_n(ones_.resize(x_.rows), x_.rows, 1.0);
    return gradient(ones_.data(), nullptr, row_lse_.data(), nullptr, true, false);
  }
  for (std::int64_t i = 0; i < x_.rows; ++i) {
    const C by = C(std::exp2(reference_ - row_lse_.data()[i]));
    for (std::int64_t d = 0; d < x_.padded_D; d += x_.W)
      for (int w = 0; w < x_.W; ++w) dx[d / x_.W * x_.natural_block() + i * x_.W + w] *= by;
  }
}

template <class S>
void Engine<S>::sigmoid(double bias) {
  const std::int64_t N = x_.padded_rows, M = y().padded_rows;
  start_columns(bias / std::log(2.0));
  row_sum_.zeros(N * lanes_);
  row_max_.zeros(N * lanes_);
  column_sum_.resize(M);
  dx_.zeros(x_.natural_size());
  dyt_.zeros(y().padded_rows * y().padded_D);
  over<Pass::sigmoid>(false, true, true);
  turn_dy();
  double *const loss = row_lse_.resize(x_.rows), *const slope = column_lse_.resize(x_.rows);
  for (std::int64_t i = 0; i < x_.rows; ++i) {
    loss[i] = slope[i] = 0;
    for (int l = 0; l < lanes_; ++l) {
      loss[i] += static_cast<double>(row_sum_.data()[i * lanes_ + l]);
      slope[i] += static_cast<double>(row_max_.data()[i * lanes_ + l]);
    }
  }
}

}  // namespace contrastive::similarity
