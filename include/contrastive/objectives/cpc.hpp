// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <span>

#include "contrastive/core/rng.hpp"
#include "contrastive/objectives/info_nce.hpp"

namespace contrastive {

namespace detail {

/// Rows [begin, end) of a grid (N, R, S, D) as a matrix, positions in the order row, column, picture.
inline Tensor grid_rows(const Tensor& grid, std::int64_t begin, std::int64_t end) {
  const Tensor rows = permute(narrow(grid, 1, begin, end), {1, 2, 0, 3});
  return rows.reshape({rows.count() / rows.size(3), rows.size(3)});
}

/// -1/P sum_i ln(p_i + epsilon), p_i the share of i's own target among itself and those drawn for it.
inline Tensor drawn_info_nce(const Tensor& context, const Tensor& targets, const Tensor& drawn, double epsilon) {
  const std::int64_t P = context.size(0), count = drawn.size(1) + 1;
  require(drawn.rank() == 2 && drawn.size(0) == P && drawn.dtype() == DType::i64, "[cpc] expected drawn positions (", P,
          ", negatives) as i64, got ", drawn.shape(), " ", to_string(drawn.dtype()));
  const Tensor places({P * count}, DType::i64), host = drawn.to(Device::cpu);
  for (std::int64_t i = 0; i < P; ++i)
    for (std::int64_t j = 0; j < count; ++j) {
      const std::int64_t at = j == 0 ? i : host.data<std::int64_t>()[i * (count - 1) + j - 1];
      require(at >= 0 && at < P, "[cpc] position ", at, " is outside ", P);
      places.data<std::int64_t>()[i * count + j] = i * P + at;
    }
  const Tensor scores = matmul(context, targets, false, true);  // (P, P)
  const Tensor logits = gather(scores.reshape({P * P}), places.to(scores.device())).reshape({P, count});
  return -mean(log(narrow(softmax(logits), 1, 0, 1) + epsilon));
}

}  // namespace detail

/// Contrastive predictive coding (van den Oord et al. 2018, arXiv:1807.03748, eq. 3 and 4): the context at row r of a grid
/// is to tell which features lie k + skip rows below it, in its column.
///
///     L = 1/K sum_k mean_i -ln( exp(c_i . W_k z_i+k) / sum_j exp(c_i . W_k z_j) )
///
/// z (N, R, S, D) features, c (N, R, S, C) contexts, W_k (C, D) for each of the K steps; neither normalised nor divided by
/// a temperature. The negatives j are all positions that W_k is asked about, of all pictures; with `drawn`, those of
/// drawn[k - 1] (positions, negatives), and epsilon, 1e-30 to 1, is added within the logarithm (loweX/Greedy_InfoMax,
/// vision/models/InfoNCE_Loss.py). Positions count row, column, picture. `skip` 1: neighbouring patches overlap by half,
/// so the next row would be told by what it shares. First step ln of the number of terms.
inline Tensor cpc_loss(const Tensor& z, const Tensor& c, std::span<const Tensor> W, std::int64_t skip = 1,
                       std::span<const Tensor> drawn = {}, double epsilon = 1e-11) {
  require(z.rank() == 4 && c.rank() == 4 && z.size(0) == c.size(0) && z.size(1) == c.size(1) && z.size(2) == c.size(2),
          "[cpc] expected features (N, R, S, D) and contexts (N, R, S, C), got ", z.shape(), " and ", c.shape());
  const std::int64_t K = static_cast<std::int64_t>(W.size()), R = z.size(1);
  require(K > 0 && skip >= 0 && R > K + skip, "[cpc] a grid of ", R, " rows has none that lies ", K, " + ", skip,
          " rows below another");
  require(drawn.empty() || drawn.size() == W.size(), "[cpc] expected drawn positions for ", K, " steps, got ",
          drawn.size());
  require_within("cpc", "epsilon", epsilon, 1e-30, 1);
  Tensor loss;
  for (std::int64_t k = 1; k <= K; ++k) {
    const Tensor& w = W[static_cast<std::size_t>(k - 1)];
    require(w.shape() == Shape{c.size(3), z.size(3)}, "[cpc] expected W (", c.size(3), ", ", z.size(3), "), got ",
            w.shape());
    const Tensor context = detail::grid_rows(c, 0, R - k - skip);
    const Tensor targets = matmul(detail::grid_rows(z, k + skip, R), w, false, true);  // (P, C)
    const Tensor one = drawn.empty()
                           ? info_nce(context, targets, 1, RowLength::any)
                           : detail::drawn_info_nce(context, targets, drawn[static_cast<std::size_t>(k - 1)], epsilon);
    loss = loss.defined() ? loss + one : one;
  }
  return loss * (1.0 / static_cast<double>(K));
}

/// Negatives for each of P positions, drawn evenly with replacement from all of them, the own one included: (P, count).
inline Tensor draw_positions(std::int64_t P, std::int64_t count, Rng rng) {
  require(P > 0 && count > 0, "[cpc] expected positions to draw from, got ", count, " of ", P);
  const Tensor drawn({P, count}, DType::i64);
  Stream stream(rng);
  for (std::int64_t& at : drawn.span<std::int64_t>())
    at = static_cast<std::int64_t>(stream.below(static_cast<std::uint64_t>(P)));
  return drawn;
}

}  // namespace contrastive
