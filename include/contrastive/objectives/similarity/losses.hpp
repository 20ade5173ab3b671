// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "contrastive/objectives/similarity/engine.hpp"

/// The losses over the engine, for borrowed matrices: value and all gradients at once. The engine gives the sums over
/// everything but the positives; the positives are added here, each row in O(D), where 1 - p is known without
/// cancellation.
namespace contrastive::similarity {

/// What a call needs beside its inputs; keep one and pass it again, and nothing is allocated.
struct Workspace {
  Engine<float> f32, f32_extra;
  Engine<double> f64, f64_extra;
  Buffer<double> a, A, B, pair, means;
  Buffer<float> line_f32;
  Buffer<double> line_f64;

  template <class C>
  Engine<C>& engine(bool extra = false) {
    if constexpr (std::is_same_v<C, double>)
      return extra ? f64_extra : f64;
    else
      return extra ? f32_extra : f32;
  }
  template <class C>
  C* line(std::int64_t count) {
    if constexpr (std::is_same_v<C, double>)
      return line_f64.resize(count);
    else
      return line_f32.resize(count);
  }
  std::int64_t bytes() const { return f32.bytes() + f32_extra.bytes() + f64.bytes() + f64_extra.bytes(); }
};

/// Loss and gradients with respect to the two scalars; those of matrices go to the caller's memory.
struct Value {
  double loss = 0, dlog_scale = 0, dbias = 0;
};

/// What varies between the softmax losses.
struct SoftmaxOptions {
  Sides sides = Sides::both;
  double scale = 1;            // 1 / temperature
  bool unit = false;           // bring rows to unit length first
  bool decoupled = false;      // leave the positive out of the denominator (Yeh et al. 2021)
  double von_mises_sigma = 0;  // decoupled: > 0 weighs each positive by 2 - N softmax(cos / sigma)
  double label_smoothing = 0;
  std::span<const double> weights = {};    // (N) one a pair; the loss is divided by N all the same
  std::span<const std::int32_t> ids = {};  // (N) other pairs of equal ids are no negatives
  Memory memory = Memory::automatic;
  std::int64_t tile = 0;
};

/// log(1 + e^(ln 2 x)).
inline double softplus2(double x) {
  const double z = x * std::log(2.0);
  return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z)));
}

/// log2(2^a + 2^b).
inline double log2_add(double a, double b) {
  const double high = std::max(a, b), low = std::min(a, b);
  return std::isinf(high) ? high : high + std::log2(1 + std::exp2(low - high));
}

/// Label smoothing moves a share of each target from the positive to all columns alike: by the mean of the columns, so
/// in O((N + M) D). Returns what it adds to the loss, adds to the pairs' weights, and leaves in `work.means` the four
/// rows that the gradients of a row and of a column lose: (w_i mean_y + sum_y, w_j mean_x + sum_x).
template <class C>
double smooth(Workspace& work, Engine<C>& engine, const SoftmaxOptions& options, const double* w, double* pair) {
  const std::int64_t N = engine.rows(), D = engine.depth();
  const bool both = options.sides == Sides::both;
  const double share = options.label_smoothing / static_cast<double>(N);
  double *const means = work.means.zeros(6 * D), *const all_x = means + 4 * D, *const all_y = means + 5 * D;
  C* const line = work.line<C>(D);
  for (std::int64_t i = 0; i < N; ++i) {
    engine.read_x(i, line);
    for (std::int64_t k = 0; k < D; ++k) {
      all_x[k] += static_cast<double>(line[k]);
      means[3 * D + k] += share * w[i] * static_cast<double>(line[k]);
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

/// Rows i of a and b are each other's positives, everything else is negative:
///
///     L = sum_i w_i / (k N) sum over sides (log(e^s_ip + sum_j e^s_ij) - s_ip),  s = scale a . b, k sides
///
/// `rows`: a against b. `both`: and b against a. `symmetric`: all 2N rows of [a; b] against each other but themselves.
/// da, db: (N, D), or without data.
template <class C>
Value softmax_pairs(Workspace& work, const char* op, const Matrix& a, const Matrix& b, const SoftmaxOptions& options,
                    const MutableMatrix& da, const MutableMatrix& db) {
  require(a.rows == b.rows && a.columns == b.columns, "[", op, "] expected two matrices of one shape, got (", a.rows,
          ", ", a.columns, ") and (", b.rows, ", ", b.columns, ")");
  require(options.weights.empty() || static_cast<std::int64_t>(options.weights.size()) == a.rows, "[", op,
          "] expected a weight for each of ", a.rows, " pairs, got ", options.weights.size());
  require(options.ids.empty() || static_cast<std::int64_t>(options.ids.size()) == a.rows, "[", op,
          "] expected an id for each of ", a.rows, " pairs, got ", options.ids.size());
  require(options.ids.empty() || options.sides != Sides::symmetric, "[", op, "] ids are for pairs of two matrices");
  require(options.label_smoothing == 0 || (options.sides != Sides::symmetric && options.ids.empty()), "[", op,
          "] label smoothing is for pairs of two matrices, without ids");
  const bool symmetric = options.sides == Sides::symmetric, rows_only = options.sides == Sides::rows;
  const std::int64_t N = a.rows, rows = symmetric ? 2 * N : N, D = a.columns;
  Exclude exclude{.count = 1};
  if (symmetric) exclude = {.count = 3, .offset = {0, N, -N}};
  if (!options.ids.empty()) exclude.row_ids = exclude.column_ids = options.ids.data();
  Engine<C>& engine = work.engine<C>();
  engine.open(op, a, b, options.scale, options.sides, options.unit, exclude, options.memory, options.tile);
  engine.sums();

  const double ln2 = std::log(2.0), smoothing = options.label_smoothing;
  const double share = 1 / (static_cast<double>(N) * (rows_only ? 1 : 2));
  double *const w = work.a.resize(rows), *const A = work.A.resize(rows), *const B = work.B.resize(rows),
                *const pair = work.pair.zeros(rows);
  std::vector<double> positive_weight;  // of a constant: no gradient flows through it
  if (options.von_mises_sigma > 0) {
    double sum = 0;
    positive_weight.resize(static_cast<std::size_t>(N));
    for (std::int64_t i = 0; i < N; ++i)
      sum += positive_weight[i] =
          std::exp((engine.t(i, symmetric ? i + N : i) * ln2 / options.scale - 1) / options.von_mises_sigma);
    for (double& p : positive_weight) p = 2 - static_cast<double>(N) * p / sum;
  }
  Value value;
  /// Adds a side's part of row i, whose negatives sum to `others`: the sum with its positive goes to `all`.
  const auto add_side = [&](std::int64_t i, double positive, double others, double& all) {
    all = options.decoupled ? others : log2_add(others, positive);
    const double weight = positive_weight.empty() ? 1 : positive_weight[i % N];
    value.loss += w[i] * (options.decoupled ? ln2 * (all - weight * positive) : softplus2(others - positive));
    pair[i] -= w[i] * (options.decoupled ? weight : std::exp2(others - all));  // 1 - p
  };
  for (std::int64_t i = 0; i < rows; ++i) w[i] = share * (options.weights.empty() ? 1 : options.weights[i % N]);
  for (std::int64_t i = 0; i < rows; ++i) {
    const double positive = engine.t(i, symmetric ? (i + N) % rows : i);
    add_side(i, positive, engine.row_lse()[i], A[i]);
    if (options.sides == Sides::both) add_side(i, positive, engine.column_lse()[i], B[i]);
  }
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
  for (std::int64_t i = 0; i < rows; ++i) value.dlog_scale += options.scale * B[i] * (symmetric ? 0.5 : 1);
  return value;
}

/// One positive a row and shared negatives without gradient (a queue): one look, no second.
///
///     L = sum_i w (log(e^s_i + sum_j e^(scale q_i . n_j)) - s_i),  s_i = scale q_i . k_i, w = 1 / N
template <class C>
Value softmax_queue(Workspace& work, const char* op, const Matrix& q, const Matrix& k, const Matrix& negatives,
                    double scale, const MutableMatrix& dq, const MutableMatrix& dk, std::int64_t tile = 0) {
  const std::int64_t N = q.rows, D = q.columns;
  require(k.rows == N && k.columns == D, "[", op, "] expected two matrices of one shape, got (", N, ", ", D, ") and (",
          k.rows, ", ", k.columns, ")");
  Engine<C>& engine = work.engine<C>();
  const bool want = dq.data || dk.data;
  if (want) {
    engine.weighted(op, q, negatives, scale, tile);
  } else {
    engine.open(op, q, negatives, scale, Sides::rows, false, {}, Memory::recompute, tile);
    engine.sums();
  }
  double *const loss = work.A.resize(N), *const along = work.B.resize(N);
  parallel_for(N, grain_for(8 * D), [&](std::int64_t begin, std::int64_t end) {
    thread_local Buffer<double> lines;
    double *const query = lines.resize(2 * D), *const key = query + D;
    const auto read = [&](const Matrix& m, std::int64_t i, double* to) {
      visit(m, [&](const auto* data) {
        using T = std::remove_cvref_t<decltype(*data)>;
        for (std::int64_t d = 0; d < D; ++d)
          to[d] = static_cast<double>(compute_t<T>(data[i * m.row_stride + d * m.column_stride]));
      });
    };
    for (std::int64_t i = begin; i < end; ++i) {
      read(q, i, query);
      read(k, i, key);
      double positive = 0;
      for (std::int64_t d = 0; d < D; ++d) positive += query[d] * key[d];
      positive *= scale / std::log(2.0);
      const double others = engine.row_lse()[i], all = log2_add(others, positive);
      loss[i] = softplus2(others - positive) / static_cast<double>(N);
      if (!want) continue;
      const double left = std::exp2(others - all) / static_cast<double>(N);  // (1 - p) w
      along[i] = left * engine.write_dx(i, 0, 0, key, scale * left, dq, i);
      if (dk.data)
        visit(dk, [&](auto* data) {
          using T = std::remove_reference_t<decltype(*data)>;
          for (std::int64_t d = 0; d < D; ++d)
            data[i * dk.row_stride + d * dk.column_stride] =
                static_cast<T>(static_cast<compute_t<T>>(-scale * left * query[d]));
        });
    }
  });
  Value value;
  for (std::int64_t i = 0; i < N; ++i) {
    value.loss += loss[i];
    value.dlog_scale += want ? scale * along[i] : 0;
  }
  return value;
}

/// The sigmoid of all pairs (Zhai et al. 2023): L = 1/N (sum_i softplus(-z_ii) + sum_{i != j} softplus(z_ij)),
/// z = scale a . b + bias. One look, no sums to wait for.
template <class C>
Value sigmoid_pairs(Workspace& work, const char* op, const Matrix& a, const Matrix& b, double scale, double bias,
                    const MutableMatrix& da, const MutableMatrix& db, std::int64_t tile = 0) {
  const std::int64_t N = a.rows, D = a.columns;
  require(b.rows == N && b.columns == D, "[", op, "] expected two matrices of one shape, got (", N, ", ", D, ") and (",
          b.rows, ", ", b.columns, ")");
  require(std::isfinite(bias), "[", op, "] the bias must be finite, got ", bias);
  Engine<C>& engine = work.engine<C>();
  engine.open(op, a, b, scale, Sides::both, false, {.count = 1}, Memory::recompute, tile);
  engine.sigmoid(bias);
  const double share = 1 / static_cast<double>(N);
  double *const slope = work.A.resize(N), *const along = work.B.resize(N);
  Value value;
  for (std::int64_t i = 0; i < N; ++i) {
    const double z = std::log(2.0) * engine.t(i, i) + bias;
    slope[i] = -1 / (1 + std::exp(z));
    value.loss += share * (engine.row_loss()[i] + softplus2(-z / std::log(2.0)));
    value.dbias += share * (engine.row_slope()[i] + slope[i]);
  }
  parallel_for(N, grain_for(8 * D), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      along[i] = share * engine.write_dx(i, slope[i], i, nullptr, scale * share, da, i);
      engine.write_dy(i, slope[i], i, nullptr, scale * share, db, i);
    }
  });
  for (std::int64_t i = 0; i < N; ++i) value.dlog_scale += scale * along[i];
  return value;
}

/// All rows of one class are each other's positives (Khosla et al. 2020, L_out; HobbitLong/SupContrast, losses.py):
///
///     L = factor / N sum_i (log sum_{j != i} e^s_ij - 1/|P(i)| sum_{p in P(i)} s_ip),  s = scale z . z
///
/// The second sum is a row times the sum of its class: O(N D). A row alone in its class counts 0.
template <class C>
Value softmax_classes(Workspace& work, const char* op, const Matrix& z, std::span<const std::int32_t> labels,
                      double scale, double factor, bool unit, const MutableMatrix& dz,
                      Memory memory = Memory::automatic, std::int64_t tile = 0) {
  const std::int64_t N = z.rows, D = z.columns;
  require(static_cast<std::int64_t>(labels.size()) == N, "[", op, "] expected a label for each of ", N, " rows, got ",
          labels.size());
  Engine<C>& engine = work.engine<C>();
  engine.open(op, z, {}, scale, Sides::symmetric, unit, {.count = 1}, memory, tile);
  engine.sums();
  std::vector<std::int32_t> classes(labels.begin(), labels.end());
  std::sort(classes.begin(), classes.end());
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  const auto class_of = [&](std::int64_t i) {
    return std::lower_bound(classes.begin(), classes.end(), labels[i]) - classes.begin();
  };
  std::vector<std::int64_t> members(classes.size());
  double* const sums = work.means.zeros(static_cast<std::int64_t>(classes.size()) * D);
  C* const line = work.line<C>(D);
  for (std::int64_t i = 0; i < N; ++i) {
    const auto c = class_of(i);
    ++members[c];
    engine.read_x(i, line);
    for (std::int64_t k = 0; k < D; ++k) sums[c * D + k] += static_cast<double>(line[k]);
  }
  double *const w = work.a.resize(N), *const A = work.A.resize(N), *const along = work.B.resize(N),
                *const part = work.pair.resize(N);
  const double share = factor / static_cast<double>(N);
  Value value;
  for (std::int64_t i = 0; i < N; ++i) {
    const auto c = class_of(i);
    A[i] = engine.row_lse()[i];
    w[i] = members[c] > 1 ? share : 0;
    part[i] = members[c] > 1 ? share / static_cast<double>(members[c] - 1) : 0;
    if (members[c] < 2) continue;
    engine.read_x(i, line);
    double dot = 0;
    for (std::int64_t k = 0; k < D; ++k)
      dot += static_cast<double>(line[k]) * (sums[c * D + k] - static_cast<double>(line[k]));
    value.loss += share * std::log(2.0) * A[i] - part[i] * scale * dot;
  }
  if (!dz.data) return value;
  engine.gradient(w, w, A, A);
  parallel_for(N, grain_for(8 * D), [&](std::int64_t begin, std::int64_t end) {
    thread_local Buffer<double> lines;
    double* const less = lines.resize(D);
    for (std::int64_t i = begin; i < end; ++i) {
      const double* const sum = sums + class_of(i) * D;
      for (std::int64_t k = 0; k < D; ++k) less[k] = 2 * part[i] * sum[k];
      along[i] = engine.write_dx(i, 2 * part[i], i, less, scale, dz, i);
    }
  });
  for (std::int64_t i = 0; i < N; ++i) value.dlog_scale += scale * along[i] * 0.5;
  return value;
}

}  // namespace contrastive::similarity
