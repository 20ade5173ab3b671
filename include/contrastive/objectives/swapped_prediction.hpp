// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "contrastive/core/bounds.hpp"
#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/simd.hpp"
#include "contrastive/kernels/functors.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/ops/softmax.hpp"

namespace contrastive {

namespace detail {

/// Cross entropy of a row's softmax(t s), t = 1 / temperature, with `count` targets, and its gradient by s times
/// `scale`, where `ds` is not null.
template <class T>
struct SoftTargetRow {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const T* s, const T* const* q, std::size_t count, std::int64_t n, T t, T scale,
                                     T* ds, double* loss) {
    T top = s[0], total = 0, weight = 0, inner = 0;
    if constexpr (std::is_same_v<T, float>) {
      using V = simd::native<Isa, T>;
      constexpr int L = simd::size_v<V>;
      V tops = simd::splat<V>(top), totals{}, weights{}, inners{};
      std::int64_t k = 0;
      for (; k + L <= n; k += L) tops = simd::max(simd::load<V>(s + k), tops);
      top = largest(s, k, n, simd::largest(tops));
      k = 0;
      for (; k + L <= n; k += L) {
        const V x = (simd::load<V>(s + k) - top) * t;
        V target = simd::load<V>(q[0] + k);
        for (std::size_t i = 1; i < count; ++i) target += simd::load<V>(q[i] + k);
        totals += functors::exp_plain(x);
        weights += target;
        inners += target * x;
      }
      total = simd::sum(totals), weight = simd::sum(weights), inner = simd::sum(inners);
      rest(s, q, count, k, n, top, t, total, weight, inner);
      *loss = static_cast<double>(weight) * std::log(static_cast<double>(total)) - static_cast<double>(inner);
      if (!ds) return;
      const T share = weight / total * scale * t, part = scale * t;
      for (k = 0; k + L <= n; k += L) {
        V target = simd::load<V>(q[0] + k);
        for (std::size_t i = 1; i < count; ++i) target += simd::load<V>(q[i] + k);
        simd::store(ds + k, functors::exp_plain((simd::load<V>(s + k) - top) * t) * share - target * part);
      }
      gradient(s, q, count, k, n, top, t, share, part, ds);
    } else {
      top = largest(s, 0, n, top);
      rest(s, q, count, 0, n, top, t, total, weight, inner);
      *loss = weight * std::log(total) - inner;
      if (ds) gradient(s, q, count, 0, n, top, t, weight / total * scale * t, scale * t, ds);
    }
  }

 private:
  static T sum_at(const T* const* q, std::size_t count, std::int64_t k) {
    T target = 0;
    for (std::size_t i = 0; i < count; ++i) target += q[i][k];
    return target;
  }
  static T largest(const T* s, std::int64_t k, std::int64_t n, T top) {
    for (; k < n; ++k) top = s[k] > top ? s[k] : top;
    return top;
  }
  static void rest(const T* s, const T* const* q, std::size_t count, std::int64_t k, std::int64_t n, T top, T t,
                   T& total, T& weight, T& inner) {
    for (; k < n; ++k) {
      const T x = (s[k] - top) * t, target = sum_at(q, count, k);
      total += std::exp(x);
      weight += target;
      inner += target * x;
    }
  }
  static void gradient(const T* s, const T* const* q, std::size_t count, std::int64_t k, std::int64_t n, T top, T t,
                       T share, T part, T* ds) {
    for (; k < n; ++k) ds[k] = std::exp((s[k] - top) * t) * share - sum_at(q, count, k) * part;
  }
};

/// scale times the sum over rows of the cross entropy of softmax(scores / temperature) with the sum of `targets`.
template <class T>
Tensor soft_target_entropy(const Tensor& scores, std::span<const Tensor> targets, double temperature, double scale) {
  const std::int64_t B = scores.size(0), K = scores.size(1);
  const Tensor ds = recording({&scores}) ? Tensor(scores.shape(), scores.dtype()) : Tensor();
  std::vector<double> losses(static_cast<std::size_t>(B));
  const T* const s = scores.data<T>();
  std::vector<const T*> tables;
  for (const Tensor& q : targets) tables.push_back(q.data<T>());
  parallel_for(B, grain_for(K), [&](std::int64_t begin, std::int64_t end) {
    std::vector<const T*> rows(tables.size());
    for (std::int64_t b = begin; b < end; ++b) {
      for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = tables[i] + b * K;
      simd::dispatch<SoftTargetRow<T>>(s + b * K, static_cast<const T* const*>(rows.data()), rows.size(), K,
                                       T(1 / temperature), T(scale), ds.defined() ? ds.data<T>() + b * K : nullptr,
                                       &losses[static_cast<std::size_t>(b)]);
    }
  });
  double total = 0;
  for (const double loss : losses) total += loss;
  const Tensor loss = Tensor::full({}, total * scale, scores.dtype());
  if (!ds.defined()) return loss;
  return record(loss, [slot = Grad(scores), ds](const Tensor& dy) { slot.add(ds * dy.item()); });
}

}  // namespace detail

/// Predicting the assignment of one view from the others: the loss of SwAV (Caron et al. 2020, arXiv:2006.09882, eq. 2;
/// facebookresearch/swav, main_swav.py) and DINO (Caron et al. 2021, arXiv:2104.14294, eq. 3; facebookresearch/dino,
/// main_dino.py):
///
///     L = mean over i < T, v < V, v != i of  - 1/B sum_b sum_k q_i(b, k) log softmax_k( s_v(b, k) / t )
///
/// scores: V tensors (B, K); targets: T of them, target i of the view of score i, through which no gradient flows.
/// First step ln K where all scores are equal. On the CPU value and gradient are found row by row, without tables between.
inline Tensor swapped_prediction(std::span<const Tensor> scores, std::span<const Tensor> targets, double temperature) {
  const std::size_t V = scores.size(), T = targets.size();
  require(V > 1 && T > 0 && T <= V, "[swapped_prediction] expected at least two views and a target for some, got ", V,
          " and ", T);
  check_temperature("swapped_prediction", temperature);
  const DType dtype = scores[0].dtype();
  require(dtype == DType::f32 || dtype == DType::f64, "[swapped_prediction] expected f32 or f64, got ",
          to_string(dtype));
  for (const std::span<const Tensor> side : {scores, targets})
    for (const Tensor& x : side) {
      require(x.rank() == 2 && x.count() > 0 && x.shape() == scores[0].shape() && x.dtype() == dtype,
              "[swapped_prediction] expected scores and targets of one shape (B, K) and dtype, got ", x.shape(), " ",
              to_string(x.dtype()), " beside ", scores[0].shape(), " ", to_string(dtype));
      check_devices("swapped_prediction", {&scores[0], &x});
    }
  const double scale = 1 / static_cast<double>(T * (V - 1) * static_cast<std::size_t>(scores[0].size(0)));
  const auto one = [&](const Tensor& s, const std::vector<Tensor>& others) {
    if (s.device() == Device::cpu)
      return dtype == DType::f64 ? detail::soft_target_entropy<double>(s, others, temperature, scale)
                                 : detail::soft_target_entropy<float>(s, others, temperature, scale);
    Tensor q = others[0];
    for (std::size_t i = 1; i < others.size(); ++i) q = q + others[i];
    return sum(q * log_softmax(s / temperature)) * -scale;
  };
  Tensor total;
  for (std::size_t v = 0; v < V; ++v) {
    std::vector<Tensor> others;
    for (std::size_t i = 0; i < T; ++i)
      if (i != v) others.push_back(targets[i].detach());
    if (others.empty()) continue;
    const Tensor part = one(scores[v], others);
    total = total.defined() ? total + part : part;
  }
  return total;
}

}  // namespace contrastive
