// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "contrastive/core/bounds.hpp"
#include "contrastive/core/labels.hpp"
#include "contrastive/objectives/similarity/workspace.hpp"

namespace contrastive::similarity {

/// What varies between the softmax losses.
struct SoftmaxOptions {
  Sides sides = Sides::both;
  double scale = 1;  // 1 / temperature: 1e-5 to 2.5e4, also times 1 + hardness and the scale of a row
  std::optional<RowLength> length = {};     // of rows; empty: what the loss says, `any` where it says nothing
  bool decoupled = false;                   // leave the positive out of the denominator (Yeh et al. 2021)
  double von_mises_sigma = 0;               // decoupled: 1e-4 to 1e4 weighs each positive by 2 - N softmax(cos / sigma)
  double label_smoothing = 0;               // 0 to 1
  std::span<const double> weights = {};     // (N) one a pair, 0 to 1e6; the loss is divided by N all the same
  Labels ids = {};                          // (N) other pairs of equal ids are no negatives
  std::span<const double> row_scales = {};  // (N) a scale for each row of the first matrix, beside `scale`
  double hardness = 0;                      // weighs negatives by e^(hardness s) (softmax_hard.hpp)
  double tau_plus = 0;                      // 0 to 0.99; takes that share of false negatives out again
  Memory memory = Memory::automatic;
  std::int64_t tile = 0;
};

/// Label smoothing moves a share of each target from the positive to all columns alike: by the mean of the columns, so
/// in O((N + M) D). Returns what it adds to the loss, adds to the pairs' weights, and leaves in `work.means` the four
/// rows that the gradients of a row and of a column lose: (w_i mean_y + sum_y, w_j mean_x + sum_x).
template <class S>
double smooth(Workspace& work, Engine<S>& engine, const SoftmaxOptions& options, const double* w, double* pair) {
  const std::int64_t N = engine.rows(), D = engine.depth();
  const bool both = options.sides == Sides::both;
  const double share = options.label_smoothing / static_cast<double>(N);
  double *const means = work.means.zeros(6 * D), *const all_x = means + 4 * D, *const all_y = means + 5 * D;
  auto* const line = work.line<compute_t<S>>(D);
  for (std::int64_t i = 0; i < N; ++i) {
    engine.read_x(i, line);
    const double of_row = options.row_scales.empty() ? 1 : options.row_scales[i];
    for (std::int64_t k = 0; k < D; ++k) {
      all_x[k] += of_row * static_cast<double>(line[k]);
      means[3 * D + k] += share * w[i] * of_row * static_cast<double>(line[k]);
    }
    engine.read_y(i, line);
    for (std::int64_t k = 0; k < D; ++k) {
      all_y[k] += static_cast<double>(line[k]);
      if (both) means[D + k] += share * w[i] * static_cast<double>(line[k]);
    }
  }
  for (std::int64_t k = 0; k < D; ++k) {
    means[k] = share * all_y[k];
    means[2 * D + k] = both ? share * all_x[k] : 0;
  }
  double loss = 0;
  for (std::int64_t k = 0; k < D; ++k) loss -= options.scale * (means[3 * D + k] * all_y[k] + means[D + k] * all_x[k]);
  for (std::int64_t i = 0; i < N; ++i) {
    const double moved = options.label_smoothing * w[i] * (both ? 2 : 1);
    loss += moved * std::log(2.0) * engine.t(i, i);
    pair[i] += moved;
  }
  return loss;
}

template <class S>
Value softmax_hard(Workspace& work, const char* op, const Matrix& a, const Matrix& b, const SoftmaxOptions& options,
                   const MutableMatrix& da, const MutableMatrix& db);

/// Throws what does not go with N pairs, or with each other.
inline void check_options(const char* op, const SoftmaxOptions& options, std::int64_t N) {
  require(options.weights.empty() || static_cast<std::int64_t>(options.weights.size()) == N, "[", op,
          "] expected a weight for each of ", N, " pairs, got ", options.weights.size());
  for (const double weight : options.weights) require_within(op, "the weights", weight, 0, 1e6);
  require(options.ids.empty() || static_cast<std::int64_t>(options.ids.size()) == N, "[", op,
          "] expected an id for each of ", N, " pairs, got ", options.ids.size());
  require(options.ids.empty() || options.sides != Sides::symmetric, "[", op, "] ids are for pairs of two matrices");
  require_within(op, "the label smoothing", options.label_smoothing, 0, 1);
  require(options.label_smoothing == 0 || (options.sides != Sides::symmetric && options.ids.empty()), "[", op,
          "] label smoothing is for pairs of two matrices, without ids");
  require(options.row_scales.empty() || static_cast<std::int64_t>(options.row_scales.size()) == N, "[", op,
          "] expected a scale for each of ", N, " rows, got ", options.row_scales.size());
  // Scales of all losses lie in here (`check_temperature`, `check_log_scale`).
  require_within(op, "the scale", options.scale, 1e-5, 2.5e4);
  require_within(op, "the scale times 1 + hardness", options.scale * (1 + options.hardness), 1e-5, 2.5e4);
  if (options.hardness != 0)
    require_within(op, "the scale times the hardness", options.scale * options.hardness, 1e-5, 2.5e4);
  for (const double scale : options.row_scales)
    require_within(op, "the scale of a row", options.scale * scale, 1e-5, 2.5e4);
  if (options.von_mises_sigma != 0) check_temperature(op, options.von_mises_sigma, "sigma");
  require_within(op, "tau_plus", options.tau_plus, 0, 0.99);
}

/// Rows i of a and b are each other's positives, everything else is negative:
///
///     L = sum_i w_i / (k N) sum over sides (log(e^s_ip + sum_j e^s_ij) - s_ip),  s = scale a . b, k sides
///
/// `rows`: a against b. `both`: and b against a. `symmetric`: all 2N rows of [a; b] against each other but themselves.
/// da, db: (N, D), or without data.
template <class S>
Value softmax_pairs(Workspace& work, const char* op, const Matrix& a, const Matrix& b, const SoftmaxOptions& options,
                    const MutableMatrix& da, const MutableMatrix& db) {
  require(a.rows == b.rows && a.columns == b.columns, "[", op, "] expected two matrices of one shape, got (", a.rows,
          ", ", a.columns, ") and (", b.rows, ", ", b.columns, ")");
  check_options(op, options, a.rows);
  if (options.hardness != 0 || options.tau_plus != 0) return softmax_hard<S>(work, op, a, b, options, da, db);
  const bool symmetric = options.sides == Sides::symmetric, rows_only = options.sides == Sides::rows;
  const std::int64_t N = a.rows, rows = symmetric ? 2 * N : N, D = a.columns;
  Exclude exclude{.count = 1};
  if (symmetric) exclude = {.count = 3, .offset = {0, N, -N}};
  if (!options.ids.empty()) exclude.row_ids = exclude.column_ids = work.codes(options.ids).first;
  Engine<S>& engine = work.engine<S>();
  engine.open(op, a, b, options.scale, options.sides, options.length.value_or(RowLength::any), exclude, options.memory,
              options.tile, options.row_scales.empty() ? nullptr : options.row_scales.data());
  engine.sums();

  const double ln2 = std::log(2.0), smoothing = options.label_smoothing;
  const double share = 1 / (static_cast<double>(N) * (rows_only ? 1 : 2));
  double *const w = work.a.resize(rows), *const A = work.A.resize(rows), *const B = work.B.resize(rows),
                *const pair = work.pair.zeros(rows);
  double* positive_weight = nullptr;  // constants: no gradient flows through them
  if (options.von_mises_sigma > 0) {
    double sum = 0, top = -std::numeric_limits<double>::infinity();
    positive_weight = work.positives.resize(N);
    for (std::int64_t i = 0; i < N; ++i) {
      positive_weight[i] = engine.t(i, symmetric ? i + N : i) * ln2 / options.scale / options.von_mises_sigma;
      top = std::max(top, positive_weight[i]);
    }
    for (std::int64_t i = 0; i < N; ++i) sum += positive_weight[i] = std::exp(positive_weight[i] - top);
    for (std::int64_t i = 0; i < N; ++i) positive_weight[i] = 2 - static_cast<double>(N) * positive_weight[i] / sum;
  }
  /// A side's part of row i, whose negatives sum to `others`: the sum with its positive goes to `all`.
  const auto side = [&](std::int64_t i, double positive, double others, double& all) {
    all = options.decoupled ? others : log2_add(others, positive);
    const double weight = positive_weight ? positive_weight[i % N] : 1;
    pair[i] -= w[i] * (options.decoupled ? weight : std::exp2(others - all));  // 1 - p
    return w[i] * (options.decoupled ? ln2 * (all - weight * positive) : softplus2(others - positive));
  };
  double* const losses = work.losses.resize(rows);
  parallel_for(rows, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      w[i] = share * (options.weights.empty() ? 1 : options.weights[i % N]);
      const double positive = engine.t(i, symmetric ? (i + N) % rows : i);
      losses[i] = side(i, positive, engine.row_lse()[i], A[i]);
      if (options.sides == Sides::both) losses[i] += side(i, positive, engine.column_lse()[i], B[i]);
    }
  });
  Value value;
  for (std::int64_t i = 0; i < rows; ++i) value.loss += losses[i];
  if (smoothing > 0) value.loss += smooth(work, engine, options, w, pair);
  const bool want_a = da.data != nullptr, want_b = db.data != nullptr;
  if (!want_a && !want_b) return value;
  if (symmetric)  // a pair meets from either end
    for (std::int64_t i = 0; i < N; ++i) pair[i] = pair[i + N] = pair[i] + pair[i + N];
  engine.gradient(w, w, A, B, true, symmetric || want_b);
  const double* const means = smoothing > 0 ? work.means.data() : nullptr;
  parallel_for(rows, grain_for(8 * D), [&](std::int64_t begin, std::int64_t end) {
    thread_local Buffer<double> lines;
    double* const less = means ? lines.resize(2 * D) : nullptr;
    for (std::int64_t i = begin; i < end; ++i) {
      const bool below = symmetric && i >= N;
      for (std::int64_t k = 0; less && k < 2 * D; ++k)
        less[k] = w[i] * means[k < D ? k : k + D] + means[k < D ? k + D : k + 2 * D];
      B[i] = engine.write_dx(i, pair[i], symmetric ? (i + N) % rows : i, less, options.scale, below ? db : da,
                             below ? i - N : i);
      if (!symmetric && want_b) engine.write_dy(i, pair[i], i, less ? less + D : nullptr, options.scale, db, i);
    }
  });
  for (std::int64_t i = 0; i < rows; ++i)
    value.dlog_scale +=
        options.scale * B[i] * (symmetric ? 0.5 : 1) * (options.row_scales.empty() ? 1 : options.row_scales[i]);
  return value;
}

}  // namespace contrastive::similarity

#include "contrastive/objectives/similarity/softmax_hard.hpp"  // IWYU pragma: export
