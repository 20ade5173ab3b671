// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <utility>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/memory.hpp"
#include "contrastive/kernels/cpu/winograd_tiles.hpp"

/// The weight of Winograd's convolution (winograd.hpp): its transform, and the gradient towards it.
namespace contrastive::cpu::winograd::detail {

/// L vectors of L lanes, turned: lane k of row i becomes lane i of row k.
template <class V, int... lane>
CONTRASTIVE_INLINE void transpose(V* row, std::integer_sequence<int, lane...>) {
  constexpr int L = sizeof...(lane);
#pragma GCC unroll 4
  for (int round = 1; round < L; round *= 2) {  // each interleaves the first half with the second
    V next[L];
#pragma GCC unroll 8
    for (int i = 0; i < L / 2; ++i) {
      next[2 * i] = __builtin_shufflevector(row[i], row[i + L / 2], (lane % 2 * L + lane / 2)...);
      next[2 * i + 1] = __builtin_shufflevector(row[i], row[i + L / 2], (lane % 2 * L + (L + lane) / 2)...);
    }
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i) row[i] = next[i];
  }
}

/// G g G^T of the weights in v, to u[position], `plane` from one position to the next.
template <class V>
CONTRASTIVE_INLINE void transform_weights(V* v, float* u, std::int64_t plane) {
#pragma GCC unroll 3
  for (int j = 0; j < 3; ++j) weight_line(v + j, 4);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) weight_line(v + 4 * i, 1);
#pragma GCC unroll 16
  for (int p = 0; p < positions; ++p) simd::store(u + p * plane, v[p]);
}

/// U for the outputs [first, first + 2 L): u[position][input][2 L]. `flipped`: for the gradient towards the input,
/// whose weight is w turned by half a circle with its ends exchanged.
struct Weight {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const float* w, std::int64_t inputs, std::int64_t outputs, std::int64_t first,
                                     bool flipped, float* u) {
    constexpr int L = simd::lanes<Isa, float>;
    using V = simd::vec<float, L>;
    if (flipped) {  // w (inputs, 3, 3, outputs)
      for (std::int64_t c = 0; c < inputs; ++c)
        for (int half = 0; half < 2; ++half) {
          V v[positions];
#pragma GCC unroll 9
          for (int i = 0; i < 9; ++i)
            v[i / 3 * 4 + i % 3] = simd::load<V>(w + (c * 9 + 8 - i) * outputs + first + half * L);
          transform_weights(v, u + c * 2 * L + half * L, inputs * 2 * L);
        }
      return;
    }
    for (std::int64_t c = 0; c < inputs; c += L)  // w (outputs, 3, 3, inputs): vectors run along the wrong end
      for (int half = 0; half < 2; ++half) {
        V turned[9][L];
        for (int i = 0; i < 9; ++i) {
          V row[L];
#pragma GCC unroll 16
          for (int o = 0; o < L; ++o) row[o] = simd::load<V>(w + ((first + half * L + o) * 9 + i) * inputs + c);
          transpose(row, std::make_integer_sequence<int, L>());
#pragma GCC unroll 16
          for (int k = 0; k < L; ++k) turned[i][k] = row[k];
        }
        for (int k = 0; k < L; ++k) {
          V v[positions];
#pragma GCC unroll 9
          for (int i = 0; i < 9; ++i) v[i / 3 * 4 + i % 3] = turned[i][k];
          transform_weights(v, u + (c + k) * 2 * L + half * L, inputs * 2 * L);
        }
      }
  }
};

/// Tiles of x and of dy for the gradient towards the weight.
struct BothTransforms {
  template <class Isa, class S>
  CONTRASTIVE_INLINE static void run(const S* x, const S* dy, Shape3x3 s, std::int64_t first, std::int64_t offset,
                                     std::int64_t count, std::int64_t group, S* v, S* z) {
    constexpr int L = simd::lanes<Isa, float>;
    transform_tiles<Isa, 4>(x, s, s.C, first + offset, count, group, 2 * L, v + offset * 2 * L);
    transform_tiles<Isa, 2>(dy, s, s.O, first + offset, count, group, L, z + offset * L);
  }
};

/// du[position][output][input] (+)= z^T v for one position and 2 L inputs.
struct WeightProducts {
  template <class Isa, class S>
  CONTRASTIVE_INLINE static void run(const S* v, const S* z, float* du, Shape3x3 s, std::int64_t task,
                                     std::int64_t count, std::int64_t group, bool add) {
    constexpr int L = simd::lanes<Isa, float>, rows = L / 2 < 4 ? 4 : L / 2, together = simd::terms<S>;
    const std::int64_t panels = s.C / (2 * L), p = task / panels, panel = task % panels;
    v += p * plane<S>(group, s.C) + panel * group * 2 * L;
    for (std::int64_t o = 0; o < s.O; o += rows)
      multiply<Isa, rows, 1, L>(z + p * plane<S>(group, s.O) + o / L * group * L + o % L * together, 0, 1,
                                (count + together - 1) / together, v, du + (p * s.O + o) * s.C + panel * 2 * L, s.C,
                                add);
  }
};

/// dw (O, 3, 3, C) of output o: G^T du G.
struct WeightGradient {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const float* du, std::int64_t segments, float* dw, Shape3x3 s, std::int64_t o,
                                     bool add) {
    constexpr int L = simd::lanes<Isa, float>;
    using V = simd::vec<float, L>;
    for (std::int64_t c = 0; c < s.C; c += L) {
      V v[positions];
      for (int p = 0; p < positions; ++p) {
        const float* at = du + (p * s.O + o) * s.C + c;
        v[p] = simd::load<V>(at);
        for (std::int64_t k = 1; k < segments; ++k) v[p] += simd::load<V>(at + k * positions * s.O * s.C);
      }
      for (int j = 0; j < 4; ++j) weight_gradient_line(v + j, 4);
      for (int i = 0; i < 3; ++i) weight_gradient_line(v + 4 * i, 1);
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) {
          float* const to = dw + (o * 9 + i * 3 + j) * s.C + c;
          simd::store(to, add ? simd::load<V>(to) + v[i * 4 + j] : v[i * 4 + j]);
        }
    }
  }
};

template <class S>
void weight_gradient(const S* x, const S* dy, float* dw, const Shape3x3& s, bool add) {
  // Few channels: segments of tiles, each with a du of its own that stays in the second-level cache. Many: one du, of
  // which each thread owns positions. The cut is the shape's alone, and so are the bits.
  const std::int64_t all = s.tiles(), size = positions * s.C * s.O;
  const bool own = s.C * s.O <= 128 * 128;
  const std::int64_t segments = own ? std::min<std::int64_t>(16, in_steps(all, 48)) : 1;
  const std::int64_t segment = in_steps(in_steps(all, segments), 2) * 2;  // pairs of tiles stay together
  const std::int64_t group = std::min<std::int64_t>(segment, own ? 48 : 512);
  thread_local Buffer<float> sums;
  float* const du = sums.resize(segments * size);
  parallel_for(segments, 1, [&](std::int64_t begin, std::int64_t end) {
    thread_local Buffer<S> inputs, gradients;
    S* const v = inputs.resize(positions * plane<S>(group, s.C));
    S* const z = gradients.resize(positions * plane<S>(group, s.O));
    for (std::int64_t part = begin; part < end; ++part) {
      const std::int64_t stop = std::min(all, (part + 1) * segment);
      if (part * segment >= stop) std::fill(du + part * size, du + (part + 1) * size, 0.f);
      for (std::int64_t first = part * segment; first < stop; first += group) {
        const std::int64_t count = std::min(group, stop - first);
        parallel_for(count, 32, [&](std::int64_t from, std::int64_t to) {
          simd::run_kernel<BothTransforms, S>(x, dy, s, first, from, to - from, group, v, z);
        });
        parallel_for(positions * s.C / panel_width(), 1, [&](std::int64_t from, std::int64_t to) {
          for (std::int64_t task = from; task < to; ++task)
            simd::run_kernel<WeightProducts, S>(static_cast<const S*>(v), static_cast<const S*>(z), du + part * size, s,
                                                task, count, group, first > part * segment);
        });
      }
    }
  });
  parallel_for(s.O, grain_for(16 * s.C), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o)
      simd::dispatch<WeightGradient>(static_cast<const float*>(du), segments, dw, s, o, add);
  });
}

}  // namespace contrastive::cpu::winograd::detail
