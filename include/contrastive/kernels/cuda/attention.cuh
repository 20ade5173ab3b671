// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "contrastive/kernels/cuda/gemm.cuh"
#include "contrastive/kernels/cuda/group.cuh"
#include "contrastive/kernels/cuda/move.cuh"
#include "contrastive/kernels/table.hpp"

/// Self-attention as batched products around a softmax over rows. The scores of a few sequences at a time are in memory,
/// at most `panel` of them; backward makes the probabilities again from log sum exp. Lengths are known on the device
/// alone: the softmax reads live keys, the products take all.
namespace contrastive::cuda {

namespace detail {

inline constexpr std::int64_t attention_panel = std::int64_t{1} << 26;  // scores in memory at a time

/// Which keys the rows of scores (N heads L, L) see.
struct SeenKeys {
  const std::int64_t* lengths;  // (N), or null: all L
  std::int64_t heads, L;
  bool causal;

  /// 0 for a length outside 1 to L: the device cannot throw, and such rows become NaN.
  __device__ std::int64_t of(std::int64_t row) const {
    const std::int64_t limit = causal ? row % L + 1 : L;
    if (!lengths) return limit;
    const std::int64_t length = lengths[row / (heads * L)];
    if (length < 1 || length > L) return 0;
    return length < limit ? length : limit;
  }
};

/// Probabilities and log sum exp of a row of scores.
template <class T>
struct AttentionRow {
  using A = compute_t<T>;
  const A* scores;
  SeenKeys keys;
  T* p;
  A* lse;
  template <int Threads>
  __device__ void run(std::int64_t row, std::int64_t n, int place) const {
    const std::int64_t seen = keys.of(row);
    const A hidden = seen > 0 ? A(0) : static_cast<A>(NAN);
    const A* from = scores + row * n;
    A m = -static_cast<A>(INFINITY), total = 0;
    for (std::int64_t i = place; i < seen; i += Threads) m = from[i] > m ? from[i] : m;
    m = group_max<Threads>(m);
    for (std::int64_t i = place; i < seen; i += Threads) total += std::exp(from[i] - m);
    total = group_sum<Threads>(total);
    if (place == 0) lse[row] = m + std::log(total);
    for (std::int64_t i = place; i < n; i += Threads)
      p[row * n + i] = T(i < seen ? std::exp(from[i] - m) / total : hidden);
  }
};

/// p and scale p (dp - sum p dp) of a row, from its scores and dp.
template <class T>
struct AttentionGradRow {
  using A = compute_t<T>;
  const A *scores, *dp, *lse;
  A scale;
  SeenKeys keys;
  T *p, *ds;
  template <int Threads>
  __device__ void run(std::int64_t row, std::int64_t n, int place) const {
    const std::int64_t seen = keys.of(row);
    const A hidden = seen > 0 ? A(0) : static_cast<A>(NAN);
    const A *from = scores + row * n, *pull = dp + row * n;
    const A shift = lse[row];
    A inner = 0;
    for (std::int64_t i = place; i < seen; i += Threads) inner += std::exp(from[i] - shift) * pull[i];
    inner = group_sum<Threads>(inner);
    for (std::int64_t i = place; i < n; i += Threads) {
      const A value = i < seen ? std::exp(from[i] - shift) : hidden;
      p[row * n + i] = T(value);
      ds[row * n + i] = T(i < seen ? scale * value * (pull[i] - inner) : hidden);
    }
  }
};

/// Some sequences' packed rows as (parts, n heads, L, width) and back; `parts` is 3 for qkv and 1 for y.
inline void by_head(View packed, View heads, int parts, bool back) {
  const std::int64_t n = packed.shape[0], L = packed.shape[1], width = heads.shape[-1];
  const std::int64_t count = packed.shape[2] / parts / width;
  packed.shape = Shape{n, L, parts, count, width};
  heads.shape = Shape{parts, n, count, L, width};
  if (back)
    permute(heads, {1, 3, 0, 2, 4}, packed);
  else
    permute(packed, {2, 0, 3, 1, 4}, heads);
}

/// Calls f(first, count) for runs of sequences whose scores fit the panel.
template <class F>
void each_run(const View& qkv, int heads, F&& f) {
  const std::int64_t N = qkv.shape[0], L = qkv.shape[1];
  const std::int64_t at_once = std::max<std::int64_t>(1, attention_panel / std::max<std::int64_t>(1, heads * L * L));
  for (std::int64_t first = 0; first < N; first += at_once) f(first, std::min(at_once, N - first));
}

inline View rows_of_batch(View x, std::int64_t first, std::int64_t count) {
  x.data = x.as<char>() + first * (x.count() / x.shape[0]) * static_cast<std::int64_t>(size_of(x.dtype));
  x.shape[0] = count;
  return x;
}

/// Of a run of sequences that begins at `first`.
inline SeenKeys seen_keys(const View& lengths, std::int64_t first, std::int64_t L, const AttentionSpec& spec) {
  return {lengths.data ? lengths.as<const std::int64_t>() + first : nullptr, spec.heads, L, spec.causal};
}

}  // namespace detail

inline void attention(View qkv, View lengths, View y, View lse, AttentionSpec spec) {
  if (y.count() == 0) return;
  dispatch_compute("attention", qkv.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const std::int64_t L = qkv.shape[1], width = y.shape[2] / spec.heads;
    detail::each_run(qkv, spec.heads, [&](std::int64_t first, std::int64_t n) {
      const std::int64_t B = n * spec.heads, part = B * L * width;
      const Scratch packed(static_cast<std::size_t>(3 * part) * sizeof(T)),
          out(static_cast<std::size_t>(part) * sizeof(T));
      const Scratch scores(static_cast<std::size_t>(B * L * L) * sizeof(A)),
          p(static_cast<std::size_t>(B * L * L) * sizeof(T));
      const auto heads = [&](const Scratch& from, std::int64_t which) {
        return View{from.as<T>() + which * part, {B, L, width}, qkv.dtype, qkv.device};
      };
      const View panel{scores.as<void>(), {B, L, L}, lse.dtype, qkv.device},
          ps{p.as<void>(), {B, L, L}, qkv.dtype, qkv.device};
      detail::by_head(detail::rows_of_batch(qkv, first, n), heads(packed, 0), 3, false);
      matmul(heads(packed, 0), heads(packed, 1), panel, {false, true, spec.scale, 0});
      each_row("attention",
               detail::AttentionRow<T>{scores.as<const A>(), detail::seen_keys(lengths, first, L, spec), p.as<T>(),
                                       lse.as<A>() + first * spec.heads * L},
               B * L, L);
      matmul(ps, heads(packed, 2), heads(out, 0), {});
      detail::by_head(detail::rows_of_batch(y, first, n), heads(out, 0), 1, true);
    });
  });
}

inline void attention_grad(View qkv, View lengths, View y, View lse, View dy, View dqkv, AttentionSpec spec) {
  if (y.count() == 0) return;
  dispatch_compute("attention_grad", qkv.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const std::int64_t L = qkv.shape[1], width = y.shape[2] / spec.heads;
    detail::each_run(qkv, spec.heads, [&](std::int64_t first, std::int64_t n) {
      const std::int64_t B = n * spec.heads, part = B * L * width, square = B * L * L;
      const Scratch packed(static_cast<std::size_t>(3 * part) * sizeof(T));
      const Scratch gradients(static_cast<std::size_t>(3 * part) * sizeof(T)),
          pull(static_cast<std::size_t>(part) * sizeof(T));
      const Scratch scores(static_cast<std::size_t>(square) * sizeof(A)),
          dp(static_cast<std::size_t>(square) * sizeof(A));
      const Scratch p(static_cast<std::size_t>(square) * sizeof(T)), ds(static_cast<std::size_t>(square) * sizeof(T));
      const auto heads = [&](const Scratch& from, std::int64_t which) {
        return View{from.as<T>() + which * part, {B, L, width}, qkv.dtype, qkv.device};
      };
      const auto panel = [&](const Scratch& from, DType dtype) {
        return View{from.as<void>(), {B, L, L}, dtype, qkv.device};
      };
      detail::by_head(detail::rows_of_batch(qkv, first, n), heads(packed, 0), 3, false);
      detail::by_head(detail::rows_of_batch(dy, first, n), heads(pull, 0), 1, false);
      matmul(heads(packed, 0), heads(packed, 1), panel(scores, lse.dtype), {false, true, spec.scale, 0});
      matmul(heads(pull, 0), heads(packed, 2), panel(dp, lse.dtype), {false, true, 1, 0});
      each_row("attention_grad",
               detail::AttentionGradRow<T>{scores.as<const A>(), dp.as<const A>(),
                                           lse.as<const A>() + first * spec.heads * L, static_cast<A>(spec.scale),
                                           detail::seen_keys(lengths, first, L, spec), p.as<T>(), ds.as<T>()},
               B * L, L);
      matmul(panel(ds, qkv.dtype), heads(packed, 1), heads(gradients, 0), {});
      matmul(panel(ds, qkv.dtype), heads(packed, 0), heads(gradients, 1), {true, false, 1, 0});
      matmul(panel(p, qkv.dtype), heads(pull, 0), heads(gradients, 2), {true, false, 1, 0});
      detail::by_head(detail::rows_of_batch(dqkv, first, n), heads(gradients, 0), 3, true);
    });
  });
}

}  // namespace contrastive::cuda
