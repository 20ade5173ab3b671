// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>

#include "contrastive/objectives/similarity/workspace.hpp"

namespace contrastive::similarity {

/// One positive a row and shared negatives without gradient (a queue): one look, no second.
///
///     L = sum_i w (log(e^s_i + sum_j e^(scale q_i . n_j)) - s_i),  s_i = scale q_i . k_i, w = 1 / N
///
/// `length` of all three.
template <class S>
Value softmax_queue(Workspace& work, const char* op, const Matrix& q, const Matrix& k, const Matrix& negatives,
                    double scale, RowLength length, const MutableMatrix& dq, const MutableMatrix& dk,
                    std::int64_t tile = 0) {
  const std::int64_t N = q.rows, D = q.columns;
  require(k.rows == N && k.columns == D, "[", op, "] expected two matrices of one shape, got (", N, ", ", D, ") and (",
          k.rows, ", ", k.columns, ")");
  if (length == RowLength::unit) require_unit_rows(op, "the keys", k);
  Engine<S>& engine = work.engine<S>();
  const bool want = dq.data || dk.data;
  if (want) {
    engine.weighted(op, q, negatives, scale, length, tile);
  } else {
    engine.open(op, q, negatives, scale, Sides::rows, length, {}, Memory::recompute, tile);
    engine.sums();
  }
  double *const loss = work.A.resize(N), *const along = work.B.resize(N);
  parallel_for(N, grain_for(8 * D), [&](std::int64_t begin, std::int64_t end) {
    thread_local Buffer<double> lines;
    double *const query = lines.resize(2 * D), *const key = query + D;
    const bool unit = length == RowLength::normalize;
    /// Returns what the row was divided by.
    const auto read = [&](const Matrix& m, std::int64_t i, double* to) {
      double square = 0;
      visit(m, [&](const auto* data) {
        using T = std::remove_cvref_t<decltype(*data)>;
        for (std::int64_t d = 0; d < D; ++d) {
          to[d] = static_cast<double>(compute_t<T>(data[i * m.row_stride + d * m.column_stride]));
          square += to[d] * to[d];
        }
      });
      const double norm = unit ? std::max(std::sqrt(square), 1e-12) : 1;
      for (std::int64_t d = 0; unit && d < D; ++d) to[d] /= norm;
      return norm;
    };
    for (std::int64_t i = begin; i < end; ++i) {
      read(q, i, query);
      const double key_norm = read(k, i, key);
      double positive = 0;
      for (std::int64_t d = 0; d < D; ++d) positive += query[d] * key[d];
      const double cosine = positive;  // where rows are of unit length
      positive *= scale / std::log(2.0);
      const double others = engine.row_lse()[i], all = log2_add(others, positive);
      loss[i] = softplus2(others - positive) / static_cast<double>(N);
      if (!want) continue;
      const double left = std::exp2(others - all) / static_cast<double>(N);  // (1 - p) w
      along[i] = left * engine.write_dx(i, 0, 0, key, scale * left, dq, i);
      if (dk.data)
        visit(dk, [&](auto* data) {
          using T = std::remove_reference_t<decltype(*data)>;
          // A row of zeros has no direction; normalisation's floor is a constant divisor there.
          const double along = unit && key_norm > 1e-12 ? cosine : 0;
          for (std::int64_t d = 0; d < D; ++d)
            data[i * dk.row_stride + d * dk.column_stride] =
                static_cast<T>(static_cast<compute_t<T>>(-scale * left / key_norm * (query[d] - along * key[d])));
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
/// z = scale a . b + bias. One look, no sums to wait for. Other pairs of equal ids are left out.
template <class S>
Value sigmoid_pairs(Workspace& work, const char* op, const Matrix& a, const Matrix& b, double scale, double bias,
                    RowLength length, const MutableMatrix& da, const MutableMatrix& db, const Labels& ids = {},
                    std::int64_t tile = 0) {
  const std::int64_t N = a.rows, D = a.columns;
  require(b.rows == N && b.columns == D, "[", op, "] expected two matrices of one shape, got (", N, ", ", D, ") and (",
          b.rows, ", ", b.columns, ")");
  require(std::isfinite(bias), "[", op, "] the bias must be finite, got ", bias);
  require(ids.empty() || static_cast<std::int64_t>(ids.size()) == N, "[", op, "] expected an id for each of ", N,
          " pairs, got ", ids.size());
  Exclude exclude{.count = 1};
  if (!ids.empty()) exclude.row_ids = exclude.column_ids = work.codes(ids).first;
  Engine<S>& engine = work.engine<S>();
  engine.open(op, a, b, scale, Sides::both, length, exclude, Memory::recompute, tile);
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

}  // namespace contrastive::similarity
