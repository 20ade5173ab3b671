// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>

#include "contrastive/core/labels.hpp"
#include "contrastive/objectives/similarity/workspace.hpp"

namespace contrastive::similarity {

/// All rows of one class are each other's positives (Khosla et al. 2020, L_out; HobbitLong/SupContrast, losses.py):
///
///     L = factor / N sum_i (log sum_{j != i} e^s_ij - 1/|P(i)| sum_{p in P(i)} s_ip),  s = scale z . z
///
/// The second sum is a row times the sum of its class: O(N D). A row alone in its class counts 0.
template <class S>
Value softmax_classes(Workspace& work, const char* op, const Matrix& z, const Labels& labels, double scale,
                      double factor, RowLength length, const MutableMatrix& dz, Memory memory = Memory::automatic,
                      std::int64_t tile = 0) {
  const std::int64_t N = z.rows, D = z.columns;
  require(static_cast<std::int64_t>(labels.size()) == N, "[", op, "] expected a label for each of ", N, " rows, got ",
          labels.size());
  Engine<S>& engine = work.engine<S>();
  engine.open(op, z, {}, scale, Sides::symmetric, length, {.count = 1}, memory, tile);
  engine.sums();
  const auto codes = work.codes(labels);
  const std::int32_t* const class_of = codes.first;
  const std::int64_t classes = codes.second;
  std::int64_t* const members = work.members.zeros(classes);
  double* const sums = work.means.zeros(classes * D);
  auto* const line = work.line<compute_t<S>>(D);
  for (std::int64_t i = 0; i < N; ++i) {
    const std::int64_t c = class_of[i];
    ++members[c];
    engine.read_x(i, line);
    for (std::int64_t k = 0; k < D; ++k) sums[c * D + k] += static_cast<double>(line[k]);
  }
  double *const w = work.a.resize(N), *const A = work.A.resize(N), *const along = work.B.resize(N),
                *const part = work.pair.resize(N);
  const double share = factor / static_cast<double>(N);
  Value value;
  for (std::int64_t i = 0; i < N; ++i) {
    const std::int64_t c = class_of[i];
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
      const double* const sum = sums + class_of[i] * D;
      for (std::int64_t k = 0; k < D; ++k) less[k] = 2 * part[i] * sum[k];
      along[i] = engine.write_dx(i, 2 * part[i], i, less, scale, dz, i);
    }
  });
  for (std::int64_t i = 0; i < N; ++i) value.dlog_scale += scale * along[i] * 0.5;
  return value;
}

}  // namespace contrastive::similarity
