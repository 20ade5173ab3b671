// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <limits>

#include "contrastive/objectives/info_nce.hpp"
#include "contrastive/ops/elementwise.hpp"

namespace contrastive {

namespace detail {

/// The one negative of a row that may be more likely than not: 1 - P has no digits left where P is nearly 1, so that
/// -ln(1 - P) is found from the logits. With x the negative's logit less the log-sum-exp of all else in the denominator,
/// it is ln(1 + e^x), where the m e^s of the denominator leave (m - 1) e^s there. For m < 1 that would be negative:
/// -ln(1 - P) is ln(1 + m e^x) - ln(1 - (1 - m) e^x), without a value where P > 1.
struct NearestNegative {
  Tensor mask;  // (rows, rows): 1 in its column
  Tensor loss;  // (rows): -ln(1 - P)

  /// `logits` (rows, rows) of negatives with ln m added, -infinity on the diagonal; `pair`: 1 where a row's positive is.
  NearestNegative(const Tensor& logits, const Tensor& pair, double m)
      : mask(Tensor::zeros(logits.shape(), logits.dtype())) {
    const std::int64_t rows = logits.size(0);
    const Tensor at = argmax(logits.detach() - pair * 1e30, 1);  // then places in all of the logits
    for (std::int64_t i = 0; i < rows; ++i) {
      std::int64_t& place = at.data<std::int64_t>()[i];
      place += i * rows;
      mask.dtype() == DType::f64 ? (mask.data<double>()[place] = 1) : (mask.data<float>()[place] = 1);
    }
    const Tensor own = gather(logits.reshape({rows * rows}), at) - std::log(m);
    const Tensor x = own - log_sum_exp(logits + mask * (m > 1 ? std::log((m - 1) / m) : -1e30));
    if (m >= 1) {
      loss = -log_sigmoid(-x);
      return;
    }
    const Tensor odds = exp(x), rest = 1 - odds * (1 - m);
    require(max(-rest.detach(), 0).values.item() < 0,
            "[invariant_spread] expected each P_ij below 1, which a weight of ", m,
            " of the negatives does not give for these rows: a weight of 1 or more always does");
    loss = log(1 + odds * m) - log(rest);
  }
};

}  // namespace detail

/// The batch-as-classes loss of InvaSpread (Ye et al. 2019, arXiv:1904.03436, eq. 4; mangye16/
/// Unsupervised_Embedding_Learning, BatchAverage.py), over the 2N rows [z0; z1] with p(i) the other view of row i:
///
///     P_ij = exp(z_i . sg(z_j) / t) / sum_{k != i} exp(z_i . sg(z_k) / t)
///     L = - 1/2N sum_i ( ln P_ip(i) + sum_{j != i, p(i)} ln(1 - P_ij) )
///
/// z0, z1: (N, D), of any length: rows are normalised here; t = 0.1. The gradient flows through the first factor alone:
/// through both it would be another one, not a multiple. `negative_weight` m, the code's negM, 0.1 to 10, multiplies the
/// second sum, and the negatives in the denominator. Below 1 (to 0.1) a P_ij may exceed 1, and 1 - P_ij has no logarithm:
/// throws then.
inline Tensor invariant_spread(const Tensor& z0, const Tensor& z1, double temperature = 0.1,
                               double negative_weight = 1) {
  detail::check_pairs("invariant_spread", z0, z1);
  check_temperature("invariant_spread", temperature);
  require_within("invariant_spread", "the negatives' weight", negative_weight, 0.1, 10);
  const std::int64_t N = z0.size(0);
  const Tensor z = normalize(concat({z0, z1}));  // (2N, D)
  const Tensor targets = concat({dense::range_like(z, N, N), dense::range_like(z, 0, N)});
  Tensor pair = Tensor::zeros({2 * N, 2 * N}, z.dtype());
  for (std::int64_t i = 0; i < 2 * N; ++i) {
    const std::int64_t at = i * 2 * N + (i + N) % (2 * N);
    z.dtype() == DType::f64 ? (pair.data<double>()[at] = 1) : (pair.data<float>()[at] = 1);
  }
  const Tensor others = 1 - pair;
  const Tensor logits =
      mask_diagonal(matmul(z, stop_gradient(z), false, true, 1 / temperature) + others * std::log(negative_weight),
                    -std::numeric_limits<double>::infinity());
  const Tensor pairs = mean(cross_entropy_rows(logits, targets));
  if (N == 1) return pairs;  // no negatives
  const detail::NearestNegative near(logits, pair, negative_weight);
  const Tensor P = softmax(logits);  // (2N, 2N), 0 on the diagonal; m P_ij beside the pair
  // ln 1 = 0 for the pair, the row itself and its nearest negative, which has a part of its own.
  const Tensor negatives = log(1 - P * (others - near.mask) * (1 / negative_weight));
  return pairs + (sum(near.loss) - sum(negatives)) * (negative_weight * 0.5 / static_cast<double>(N));
}

}  // namespace contrastive
