// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "contrastive/objectives/similarity/softmax_pairs.hpp"

namespace contrastive::similarity {

/// What a row's negatives come to, and what its loss owes to them and to its positive.
struct HardRow {
  double loss = 0, to_negatives = 0, to_positive = 0;  // dL / d log R, dL / d s_p
};

/// One side of a row with n negatives: `positive` = s_p, `negatives` = log R, natural logarithms. In units of e^s_p, to
/// which everything that counts is a ratio: R, the debiased (R - tau_plus n) / (1 - tau_plus), and its floor.
inline HardRow hard_row(double positive, double negatives, double n, double tau_plus, double least) {
  const double log_R = negatives - positive, log_floor = least - positive, beyond = 500;
  const double R = std::exp(log_R), debiased = (R - tau_plus * n) / (1 - tau_plus);
  if (log_R > beyond && log_R - std::log1p(-tau_plus) > log_floor)  // what is taken out is lost beside them
    return {log_R - std::log1p(-tau_plus), 1, -1};
  if (log_R > beyond || !(debiased > std::exp(log_floor))) {
    const double loss = std::max(log_floor, 0.0) + std::log1p(std::exp(-std::abs(log_floor)));
    return {loss, 0, -std::exp(log_floor - loss)};
  }
  const double slope = R / (1 - tau_plus) / (1 + debiased);
  return {std::log1p(debiased), slope, -slope};
}

/// Hard negatives (Robinson et al. 2020, arXiv:2010.04592, eq. 4; joshr17/HCL, image/main.py, `criterion`):
///
///     L = mean over rows of log(1 + N_g / e^s_p),  N_g = max((R - tau_plus n e^s_p) / (1 - tau_plus), n e^-scale)
///     R = n sum_j e^((1 + hardness) s_j) / sum_j e^(hardness s_j)
///
/// over a row's n negatives. Two log-sum-exps of the same similarities at two scales: two engines, so twice the work of
/// the plain loss. hardness 0 is the debiased loss (Chuang et al. 2020).
template <class S>
Value softmax_hard(Workspace& work, const char* op, const Matrix& a, const Matrix& b, const SoftmaxOptions& options,
                   const MutableMatrix& da, const MutableMatrix& db) {
  const double hardness = options.hardness, scale = options.scale, tau_plus = options.tau_plus, ln2 = std::log(2.0);
  require(options.ids.empty() && options.label_smoothing == 0 && !options.decoupled && options.row_scales.empty(), "[",
          op, "] hard negatives go with weights alone, not with ids, label smoothing, row scales or decoupling");
  const bool symmetric = options.sides == Sides::symmetric, both = options.sides == Sides::both;
  const std::int64_t N = a.rows, rows = symmetric ? 2 * N : N;
  const double n = static_cast<double>(symmetric ? 2 * N - 2 : N - 1);
  const Exclude exclude = symmetric ? Exclude{.count = 3, .offset = {0, N, -N}} : Exclude{.count = 1};
  Engine<S>&high = work.engine<S>(), &low = work.second_engine<S>();
  const auto look = [&](Engine<S>& engine, double by) {
    engine.open(op, a, b, scale * by, options.sides, options.length.value_or(RowLength::any), exclude, options.memory,
                options.tile);
    engine.sums();
  };
  look(high, 1 + hardness);
  if (hardness > 0) look(low, hardness);

  double *const w = work.a.resize(4 * rows), *const to_low = w + rows, *const w_columns = w + 2 * rows,
                *const to_low_columns = w + 3 * rows, *const pair = work.pair.zeros(rows);
  const double share = 1 / (static_cast<double>(N) * (symmetric || both ? 2 : 1));
  Value value;
  const auto add_side = [&](std::int64_t i, const double* above, const double* below, double& to_high,
                            double& to_below) {
    const double positive = ln2 * high.t(i, symmetric ? (i + N) % rows : i) / (1 + hardness);
    const double negatives = n == 0 ? -std::numeric_limits<double>::infinity()
                                    : ln2 * (above[i] - (hardness > 0 ? below[i] : std::log2(n))) + std::log(n);
    const HardRow row = hard_row(positive, negatives, n, tau_plus, n == 0 ? negatives : std::log(n) - scale);
    const double weight = share * (options.weights.empty() ? 1 : options.weights[i % N]);
    value.loss += weight * row.loss;
    pair[i] += weight * row.to_positive;
    to_high = weight * row.to_negatives * (1 + hardness);
    to_below = -weight * row.to_negatives * hardness;
  };
  for (std::int64_t i = 0; i < rows; ++i) {
    add_side(i, high.row_lse(), low.row_lse(), w[i], to_low[i]);
    if (both) add_side(i, high.column_lse(), low.column_lse(), w_columns[i], to_low_columns[i]);
  }
  if (!da.data && !db.data) return value;
  if (symmetric)
    for (std::int64_t i = 0; i < N; ++i) pair[i] = pair[i + N] = pair[i] + pair[i + N];
  const bool want_columns = !symmetric && db.data;
  high.gradient(w, w_columns, high.row_lse(), high.column_lse(), true, symmetric || want_columns);
  if (hardness > 0)
    low.gradient(to_low, to_low_columns, low.row_lse(), low.column_lse(), true, symmetric || want_columns);

  double* const along = work.B.resize(rows);
  parallel_for(rows, grain_for(8 * a.columns), [&](std::int64_t begin, std::int64_t end) {
    thread_local Buffer<double> lines;
    const MutableMatrix line{lines.resize(a.columns), DType::f64, 1, a.columns, a.columns, 1};
    const auto add_line = [&](const MutableMatrix& to, std::int64_t row) {
      visit(to, [&](auto* data) {
        using T = std::remove_reference_t<decltype(*data)>;
        for (std::int64_t d = 0; d < a.columns; ++d) {
          T& at = data[row * to.row_stride + d * to.column_stride];
          at = static_cast<T>(static_cast<compute_t<T>>(static_cast<double>(compute_t<T>(at)) + lines.data()[d]));
        }
      });
    };
    for (std::int64_t i = begin; i < end; ++i) {
      const MutableMatrix& to = symmetric && i >= N ? db : da;
      const std::int64_t row = i % N, partner = symmetric ? (i + N) % rows : i;
      along[i] = high.write_dx(i, pair[i], partner, nullptr, scale, to, row);
      if (want_columns) high.write_dy(i, pair[i], i, nullptr, scale, db, row);
      if (hardness == 0) continue;
      along[i] += low.write_dx(i, 0, partner, nullptr, scale, line, 0);
      if (to.data) add_line(to, row);
      if (!want_columns) continue;
      low.write_dy(i, 0, i, nullptr, scale, line, 0);
      add_line(db, row);
    }
  });
  for (std::int64_t i = 0; i < rows; ++i) value.dlog_scale += scale * along[i] * (symmetric ? 0.5 : 1);
  return value;
}

}  // namespace contrastive::similarity
