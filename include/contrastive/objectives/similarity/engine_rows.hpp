// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/objectives/similarity/engine_parts.hpp"

/// What an engine gives row by row.
namespace contrastive::similarity {

template <class S>
void Engine<S>::read_x(std::int64_t i, C* to) const {
  const C back = x_.factor_of(i) / C(row_factor(i));
  for (std::int64_t d = 0; d < x_.D; d += x_.W)
    for (std::int64_t w = 0; w < std::min<std::int64_t>(x_.W, x_.D - d); ++w)
      to[d + w] = C(x_.natural[d / x_.W * x_.natural_block() + i * x_.W + w]) * back;
}

template <class S>
void Engine<S>::read_y(std::int64_t j, C* to) const {
  if (sides_ == Sides::symmetric) return read_x(j, to);
  const C factor = y_.factor_of(j);
  for (std::int64_t d = 0; d < y_.D; d += y_.W)
    for (std::int64_t w = 0; w < std::min<std::int64_t>(y_.W, y_.D - d); ++w)
      to[d + w] = C(y_.natural[d / y_.W * y_.natural_block() + j * y_.W + w]) * factor;
}

/// A row of a gradient as the engine keeps it: `line_factor` times the true one, beside `u`, its row divided by `u_factor`,
/// and `other`, to be multiplied by `other_factor`.
template <class S>
struct Engine<S>::RowOf {
  const S *u, *other;
  const C *d, *e;
  std::int64_t u_block, other_block, blocks, D;
  double u_factor, other_factor, line_factor, inverse_norm;
};

template <class S>
double Engine<S>::write(const RowOf& from, double weight, const double* less, double scale, const MutableMatrix& to,
                        std::int64_t to_row) const {
  thread_local Buffer<C> lines;
  const std::int64_t padded = from.blocks * x_.W;
  C *const line = lines.resize(2 * padded), *const out = line + padded;
  double dot = 0;
  const JoinRow<S> task{from.u,       from.other,   from.d,
                        from.e,       from.u_block, from.other_block,
                        from.u_block, from.blocks,  C(weight * from.other_factor),
                        line,         &dot};
  over_row<JoinRow, S>(&task);
  if (less) {
    dot = 0;
    for (std::int64_t d = 0; d < from.D; ++d) {
      line[d] -= C(less[d] * from.line_factor);
      dot += static_cast<double>(line[d]) * static_cast<double>(from.u[d / x_.W * from.u_block + d % x_.W]);
    }
  }
  if (to.data) {
    // A row of zeros has no direction; normalisation's floor is a constant divisor there.
    const bool project = unit_ && from.inverse_norm < 1e12;
    const C along = C(project ? dot / (from.u_factor * from.u_factor) : 0);
    const C by = C(scale / from.line_factor * (unit_ ? from.inverse_norm : 1));
    visit(to, [&](auto* data) {
      using T = std::remove_reference_t<decltype(*data)>;
      T* const row = data + to_row * to.row_stride;
      const bool direct = std::is_same_v<T, C> && to.column_stride == 1;
      C* const target = direct ? reinterpret_cast<C*>(row) : out;
      over_row<ProjectRow, S>(static_cast<const C*>(line), from.u, from.u_block, from.D, along, by, target);
      for (std::int64_t d = 0; !direct && d < from.D; ++d)
        row[d * to.column_stride] = static_cast<T>(static_cast<compute_t<T>>(out[d]));
    });
  }
  return dot / (from.u_factor * from.line_factor);
}

template <class S>
double Engine<S>::write_dx(std::int64_t i, double weight, std::int64_t pair, const double* less, double scale,
                           const MutableMatrix& to, std::int64_t to_row) const {
  const Packed<S>& y = this->y();
  const bool symmetric = sides_ == Sides::symmetric;
  // With streamed columns there is no row of y to add.
  const bool add = y.natural && weight != 0;
  return write({.u = x_.natural + i * x_.W,
                .other = add ? y.natural + pair * y.W : x_.natural + i * x_.W,
                .d = dx_.data() + i * x_.W,
                .e = symmetric ? dy_.data() + i * x_.W : nullptr,
                .u_block = x_.natural_block(),
                .other_block = add ? y.natural_block() : x_.natural_block(),
                .blocks = x_.padded_D / x_.W,
                .D = x_.D,
                .u_factor = row_factor(i) / static_cast<double>(x_.factor_of(i)),
                .other_factor = add ? static_cast<double>(y.factor_of(pair)) : 0,
                .line_factor = symmetric ? factor_ : 1,
                .inverse_norm = unit_ ? x_.inverse_norm.data()[i] : 1},
               weight, less, scale * x_.scale_of(i), to, to_row);
}

template <class S>
double Engine<S>::write_dy(std::int64_t j, double weight, std::int64_t pair, const double* less, double scale,
                           const MutableMatrix& to, std::int64_t to_row) const {
  return write({.u = y_.natural + j * y_.W,
                .other = x_.natural + pair * x_.W,
                .d = dy_.data() + j * y_.W,
                .e = nullptr,
                .u_block = y_.natural_block(),
                .other_block = x_.natural_block(),
                .blocks = y_.padded_D / y_.W,
                .D = y_.D,
                .u_factor = 1 / static_cast<double>(y_.factor_of(j)),
                .other_factor = static_cast<double>(x_.factor_of(pair)),
                .line_factor = factor_,
                .inverse_norm = unit_ ? y_.inverse_norm.data()[j] : 1},
               weight, less, scale, to, to_row);
}

template <class S>
double Engine<S>::t(std::int64_t i, std::int64_t j) const {
  const Packed<S>& y = this->y();
  double dot = 0;
  over_row<DotRows, S>(static_cast<const S*>(x_.natural + i * x_.W), x_.natural_block(),
                       static_cast<const S*>(y.natural + j * y.W), y.natural_block(), x_.padded_D / x_.W, &dot);
  return dot * static_cast<double>(x_.factor_of(i)) * static_cast<double>(y.factor_of(j));
}

}  // namespace contrastive::similarity
