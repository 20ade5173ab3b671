// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "contrastive/core/bounds.hpp"
#include "contrastive/objectives/similarity/call.hpp"
#include "contrastive/objectives/similarity/rows.hpp"
#include "contrastive/objectives/similarity/sampled.hpp"
#include "contrastive/objectives/state/memory_bank.hpp"

namespace contrastive {

struct NceConfig {
  double temperature = 0.07;  // 0.003 to 1e4: exp(f . v / t) is what Z is made of
  double epsilon = 1e-7;      // 0 to 1
};

namespace detail {

/// e[k] = exp(scores[k] / temperature - shift)
template <class C>
void exponentials(const C* scores, std::int64_t count, double temperature, double shift, double* e) {
  constexpr double log2_e = 1.4426950408889634;
  similarity::over_row<similarity::ExpScores, C>(scores, count, log2_e / temperature, log2_e * shift, e);
}

/// A loss summed over rows, in full, and its gradient, where wanted.
struct SampledSum {
  double loss = 0;
  Tensor df;  // (N, D)
};

/// Scores of N rows against drawn rows of a bank, and a loss of them: `loss_of(scores, count, slopes, own)` is given a
/// row's K + 1 scores, `own` first, and gives its part of the loss, with its slopes by scores / temperature. `additive`:
/// a score's slope and its part of the loss need no other score, so `loss_of` is given some scores at a time, `own` where
/// the first is the row's own, and each drawn row is fetched once for its score and its gradient.
template <bool additive, class Loss>
SampledSum sampled_sum(const char* op, const Tensor& features, const Tensor& bank, const Tensor& sampled,
                       double temperature, bool wanted, Loss&& loss_of) {
  check_temperature(op, temperature);
  require(features.rank() == 2 && bank.rank() == 2 && bank.size(1) == features.size(1), "[", op,
          "] expected features (N, D) and a bank (n, D), got ", features.shape(), " and ", bank.shape());
  require(sampled.rank() == 2 && sampled.dtype() == DType::i64 && sampled.size(0) == features.size(0) &&
              sampled.size(1) > 1,
          "[", op, "] expected drawn rows (", features.size(0), ", K + 1) as i64, got ", sampled.shape(), " ",
          to_string(sampled.dtype()));
  const std::int64_t N = features.size(0), D = features.size(1), count = sampled.size(1), stored = bank.size(0);
  require(stored < std::int64_t{1} << 31, "[", op, "] expected a bank below 2^31 rows, got ", stored);
  for (const std::int64_t row : sampled.span<std::int64_t>())
    require(row >= 0 && row < stored, "[", op, "] row ", row, " is outside a bank of ", stored);
  const DType dtype = features.dtype() == DType::f64 ? DType::f64 : DType::f32;
  require_unit_rows(op, "the features", features);
  const Tensor f = features.detach().to(dtype), table = bank.detach().to(dtype), df = Tensor::zeros({N, D}, dtype);
  std::vector<double> losses(static_cast<std::size_t>(N));
  const double share = 1 / (temperature * static_cast<double>(N));
  const auto run = [&]<class C>(C) {
    // As many rows together as there are for a thread: they share what of the table is in cache.
    parallel_for(
        N, std::max<std::int64_t>(1, (N + threads() - 1) / threads()), [&](std::int64_t begin, std::int64_t end) {
          thread_local similarity::DrawnRows drawn;
          thread_local similarity::Buffer<C> plain;
          thread_local similarity::Buffer<double> wide;
          const C* const rows = table.data<C>();
          C* const scores = plain.resize((additive ? 1 : end - begin) * count);
          double* const slopes = wide.resize(count);
          const auto score = [&](std::int64_t i, const std::int32_t* some, std::int64_t n, C* to) {
            similarity::over_row<similarity::ScoreDrawn, C>(f.data<C>() + (begin + i) * D, rows, some, n, D, to);
          };
          const auto finish = [&](std::int64_t i, std::int64_t n, C* row, bool own) {
            losses[static_cast<std::size_t>(begin + i)] += loss_of(row, n, slopes, own) / static_cast<double>(N);
            for (std::int64_t k = 0; k < n; ++k) row[k] = C(slopes[k] * share);
          };
          const auto add = [&](std::int64_t i, const std::int32_t* some, std::int64_t n, const C* row) {
            if (wanted)
              similarity::over_row<similarity::AddDrawn, C>(row, rows, some, n, D, df.data<C>() + (begin + i) * D);
          };
          drawn.sort(sampled.data<std::int64_t>() + begin * count, end - begin, count, stored,
                     D * static_cast<std::int64_t>(sizeof(C)));
          if constexpr (additive) {
            drawn.walk(rows, [&](std::int64_t i, std::int64_t first, const std::int32_t* some, std::int64_t n) {
              score(i, some, n, scores);
              finish(i, n, scores, first == 0);
              add(i, some, n, scores);
            });
          } else {
            drawn.walk(rows, [&](std::int64_t i, std::int64_t first, const std::int32_t* some, std::int64_t n) {
              score(i, some, n, scores + i * count + first);
            });
            for (std::int64_t i = 0; i < end - begin; ++i) finish(i, count, scores + i * count, true);
            drawn.walk(rows, [&](std::int64_t i, std::int64_t first, const std::int32_t* some, std::int64_t n) {
              add(i, some, n, scores + i * count + first);
            });
          }
        });
  };
  if (dtype == DType::f64)
    run(0.0);
  else
    run(0.f);
  SampledSum sum{.df = df};
  for (const double loss : losses) sum.loss += loss;
  return sum;
}

/// The same as an op on the tape.
template <bool additive, class Loss>
Tensor sampled_loss(const char* op, const Tensor& features, const Tensor& bank, const Tensor& sampled,
                    double temperature, Loss&& loss_of) {
  const bool wanted = recording({&features});
  const SampledSum sum = sampled_sum<additive>(op, features, bank, sampled, temperature, wanted, loss_of);
  const Tensor loss = Tensor::full({}, sum.loss, sum.df.dtype());
  if (!wanted) return loss;
  return record(loss, [slot = Grad(features), df = sum.df](const Tensor& dy) { slot.add(df * dy.item()); });
}

}  // namespace detail

/// Noise-contrastive estimation against drawn rows of a memory bank (Wu et al. 2018, arXiv:1805.01978, eq. 5 to 7;
/// zhirongw/lemniscate.pytorch, lib/NCEAverage.py and NCECriterion.py; CMC scores against the other view's bank):
///
///     P_k = exp(f . v_k / t) / Z,   c = K / n
///     L = - 1/N sum_i ( ln P_0 / (P_0 + c + e) + sum_k ln c / (P_k + c + e) )
///
/// features (N, D) of unit rows, others throw; `sampled` (N, K + 1), the first of a row its own, as `MemoryBank::draw` gives. `bank.Z`
/// is fixed by the first batch, n times the mean of exp, and kept. No gradient flows to the bank. First step about
/// ln(K + 1) + 1. Update the bank afterwards. P_k may be too small or too large for a number: its logarithm counts.
inline Tensor nce(const Tensor& features, MemoryBank& bank, const Tensor& sampled, const NceConfig& config = {}) {
  require_within("nce", "the temperature", config.temperature, 3e-3, 1e4);
  require_within("nce", "epsilon", config.epsilon, 0, 1);
  double& Z = *bank.Z.data<double>();
  const double n = static_cast<double>(bank.size());
  if (Z <= 0) {
    // In full: exp(1 / t) is above what a float holds for t below 0.012.
    const double sum_exp = detail::sampled_sum<true>("nce", features, bank.rows, sampled, config.temperature, false,
                                                     [&](const auto* scores, std::int64_t count, double* e, bool) {
                                                       detail::exponentials(scores, count, config.temperature, 0, e);
                                                       double sum = 0;
                                                       for (std::int64_t k = 0; k < count; ++k) sum += e[k];
                                                       return sum;
                                                     })
                               .loss;
    Z = sum_exp / static_cast<double>(sampled.size(1)) * n;
    require(std::isfinite(Z) && Z > 0, "[nce] the first batch gives Z = ", Z, ": are the features finite?");
  }
  const double shift = std::log(Z);
  return detail::sampled_loss<true>(
      "nce", features, bank.rows, sampled, config.temperature,
      [&](const auto* scores, std::int64_t count, double* slopes, bool own) {
        double* const P = slopes;
        detail::exponentials(scores, count, config.temperature, shift, P);
        const double c = static_cast<double>(sampled.size(1) - 1) / n, others = c + config.epsilon;
        const auto log_P = [&](std::int64_t k) { return static_cast<double>(scores[k]) / config.temperature - shift; };
        double loss = 0, product = 1;  // a logarithm for many factors
        if (own) {
          const double behind = std::log(others) - log_P(0);
          loss = std::max(behind, 0.0) + std::log1p(std::exp(-std::abs(behind)));
          slopes[0] = -std::exp(behind - loss);
        }
        for (std::int64_t k = own; k < count; ++k) {
          if (P[k] > 1e150) {  // beside which nothing else counts
            loss += log_P(k) - std::log(c);
            slopes[k] = 1;
            continue;
          }
          const double all = P[k] + others;
          product *= all * (1 / c);
          slopes[k] = P[k] / all;
          if (product < 1e100) continue;
          loss += std::log(product);
          product = 1;
        }
        return loss + std::log(product);
      });
}

/// The softmax over the same drawn rows: cross entropy with the first as target (HobbitLong/CMC, NCE/NCECriterion.py,
/// NCESoftmaxLoss). First step about ln(K + 1).
inline Tensor sampled_softmax(const Tensor& features, const MemoryBank& bank, const Tensor& sampled,
                              double temperature = 0.07) {
  return detail::sampled_loss<false>(
      "sampled_softmax", features, bank.rows, sampled, temperature,
      [&](const auto* scores, std::int64_t count, double* slopes, bool) {
        const double own = static_cast<double>(scores[0]) / temperature,
                     top = static_cast<double>(*std::max_element(scores, scores + count)) / temperature;
        detail::exponentials(scores, count, temperature, top, slopes);
        double others = 0;
        for (std::int64_t k = 1; k < count; ++k) others += slopes[k];
        const double all = slopes[0] + others;
        for (std::int64_t k = 1; k < count; ++k) slopes[k] /= all;
        slopes[0] = -others / all;
        return top - own + std::log(all);
      });
}

/// The softmax over the whole bank, each picture a class of its own (Wu et al. 2018, eq. 2; zhirongw/lemniscate.pytorch,
/// lib/LinearAverage.py, which `--nce-k 0` takes):
///
///     L = - 1/N sum_i ln( exp(f_i . v_p(i) / t) / sum_j exp(f_i . v_j / t) )
///
/// features (N, D) of unit rows, others throw, p(i) the row of picture i. The gradient is found with the value, so that the bank may be
/// updated before `backward`; the (N, n) logits are not kept. First step about ln n.
inline Tensor bank_softmax(const Tensor& features, const MemoryBank& bank, std::span<const std::int64_t> pictures,
                           double temperature = 0.07) {
  check_temperature("bank_softmax", temperature);
  const std::int64_t D = bank.rows.size(1);
  require(features.shape() == Shape{static_cast<std::int64_t>(pictures.size()), D} && features.size(0) > 0,
          "[bank_softmax] expected features (", pictures.size(), ", ", D, "), got ", features.shape());
  require_unit_rows("bank_softmax", "the features", features);
  for (const std::int64_t row : pictures)
    require(row >= 0 && row < bank.size(), "[bank_softmax] row ", row, " is outside a bank of ", bank.size());
  const auto call = [&]<class C>(similarity::Workspace& work, const similarity::Matrix& f, const similarity::Matrix&,
                                 const similarity::MutableMatrix& df, const similarity::MutableMatrix&) {
    const Tensor wide = features.detach().to(DType::f64);
    const double scale = 1 / temperature, share = 1 / static_cast<double>(f.rows);
    similarity::Engine<C>& engine = work.engine<C>();
    engine.weighted("bank_softmax", f, similarity::borrow_rows(bank.rows), scale, RowLength::any);
    similarity::Value value;
    for (std::int64_t i = 0; i < f.rows; ++i) {
      const Tensor own = bank.rows.slice(pictures[i], pictures[i] + 1).to(DType::f64);
      const double *const v = own.data<double>(), *const x = wide.data<double>() + i * D;
      double dot = 0;
      for (std::int64_t d = 0; d < D; ++d) dot += x[d] * v[d];
      value.loss += share * (std::log(2.0) * engine.row_lse()[i] - scale * dot);
      if (df.data) engine.write_dx(i, 0, 0, v, scale * share, df, i);
    }
    return value;
  };
  return similarity::on_tape(call, features);
}

}  // namespace contrastive
