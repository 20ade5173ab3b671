// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/gemm.hpp"
#include "contrastive/kernels/cpu/memory.hpp"
#include "contrastive/kernels/cpu/winograd_tiles.hpp"
#include "contrastive/kernels/table.hpp"

/// 3x3 convolutions of stride 1 with 16 multiplications where the sum has 36: F(2x2, 3x3) of Winograd, as Lavin and Gray
/// (2016) apply it. A tile is 2x2 outputs; the 4x4 inputs under it, d, and the weight g become
///
///     V = B^T d B,   U = G g G^T,   and   y = A^T (sum over channels of V * U) A,
///
/// so each of the 16 positions is a matrix product of tiles by channels. All constants are 0, 1 and 1/2: in float32 the
/// result is as close to float64's as the direct sum is. Tiles go through in groups that stay in the second-level cache,
/// each group one thread's work in a fixed order, so the bits do not depend on the number of threads.
namespace contrastive::cpu::winograd {

namespace detail {

/// U for the outputs [first, first + 2 L): u[position][input][2 L]. `flipped`: for the gradient towards the input,
/// whose weight is w turned by half a circle with its ends exchanged.
struct Weight {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const float* w, std::int64_t inputs, std::int64_t outputs, std::int64_t first,
                                     bool flipped, float* u) {
    constexpr int L = simd::lanes<Isa, float>;
    using V = simd::vec<float, L>;
    const auto transformed = [](const float* at, std::int64_t step, bool turned, V* v) {
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) v[i * 4 + j] = simd::load<V>(at + (turned ? 8 - i * 3 - j : i * 3 + j) * step);
      for (int j = 0; j < 3; ++j) weight_line(v + j, 4);
      for (int i = 0; i < 4; ++i) weight_line(v + 4 * i, 1);
    };
    if (flipped) {  // w (inputs, 3, 3, outputs)
      for (std::int64_t c = 0; c < inputs; ++c)
        for (int half = 0; half < 2; ++half) {
          V v[positions];
          transformed(w + c * 9 * outputs + first + half * L, outputs, true, v);
          for (int p = 0; p < positions; ++p) simd::store(u + (p * inputs + c) * 2 * L + half * L, v[p]);
        }
      return;
    }
    float turn[positions][2 * L][L];  // w (outputs, 3, 3, inputs): vectors run along the wrong end
    for (std::int64_t c = 0; c < inputs; c += L) {
      for (int o = 0; o < 2 * L; ++o) {
        V v[positions];
        transformed(w + (first + o) * 9 * inputs + c, inputs, false, v);
        for (int p = 0; p < positions; ++p) simd::store(turn[p][o], v[p]);
      }
      for (int p = 0; p < positions; ++p)
        for (int k = 0; k < L; ++k)
          for (int o = 0; o < 2 * L; ++o) u[(p * inputs + c + k) * 2 * L + o] = turn[p][o][k];
    }
  }
};

/// One group of tiles from x to y.
struct Group {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const float* x, const float* u, float* y, Shape3x3 s, std::int64_t first,
                                     std::int64_t count, std::int64_t group, bool past_cache, float* v,
                                     float* product) {
    constexpr int L = simd::lanes<Isa, float>, rows = cpu::detail::Tile<Isa, float>::rows;
    using V = simd::vec<float, L>;
    transform_tiles<Isa, 4>(x, s, s.C, first, count, group, L, v);
    for (std::int64_t o = 0; o < s.O; o += 2 * L) {
      for (int p = 0; p < positions; ++p)
        for (std::int64_t t = 0; t < count; t += rows)
          multiply<Isa, rows, L, 1>(v + p * plane<float>(group, s.C) + t * L, group * L, s.C / L, L,
                                    u + (o * positions + p * 2 * L) * s.C,
                                    product + p * plane<float>(group, 2 * L) + t * 2 * L, 2 * L, false);
      for (std::int64_t t = 0; t < count; ++t) {
        float* at[4];
        pixels<2>(y, s, s.O, first + t, 0, at);
        for (int half = 0; half < 2; ++half) {
          V m[positions];
#pragma GCC unroll 16
          for (int p = 0; p < positions; ++p)
            m[p] = simd::load<V>(product + p * plane<float>(group, 2 * L) + t * 2 * L + half * L);
#pragma GCC unroll 4
          for (int j = 0; j < 4; ++j) output_line(m + j, 4);
#pragma GCC unroll 2
          for (int i = 0; i < 2; ++i) output_line(m + 4 * i, 1);
          for (int i = 0; i < 4; ++i)
            if (at[i]) simd::store(at[i] + o + half * L, m[i / 2 * 4 + i % 2], past_cache);
        }
      }
    }
    if (past_cache) simd::finish_streams();
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
  CONTRASTIVE_INLINE static void run(const float* du, std::int64_t segments, float* dw, Shape3x3 s, std::int64_t o) {
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
        for (int j = 0; j < 3; ++j) simd::store(dw + (o * 9 + i * 3 + j) * s.C + c, v[i * 4 + j]);
    }
  }
};

/// Channels that a product writes at once: those of the matrix product's tile.
inline std::int64_t panel_width() { return cpu::detail::tile_size<float>().columns; }

constexpr std::int64_t in_steps(std::int64_t n, std::int64_t step) { return (n + step - 1) / step; }

/// x (N, H, W, C) to y (N, H, W, O) with the weight as `Weight` reads it.
inline void convolve(const float* x, const float* w, float* y, const Shape3x3& s, bool flipped) {
  thread_local Buffer<float> weight;
  const std::int64_t width = panel_width();
  float* const u = weight.resize(positions * s.C * s.O);
  parallel_for(s.O / width, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; ++panel)
      simd::dispatch<Weight>(w, s.C, s.O, panel * width, flipped, u + panel * width * positions * s.C);
  });
  // Few channels: the group, its products and the weight share the second-level cache. Many: the weight does not fit
  // and is read once a group, so groups are larger.
  const std::int64_t all = s.tiles(), largest = s.C + s.O > 512 ? 264 : 96;
  const std::int64_t groups = in_steps(in_steps(all, largest), threads()) * threads();  // as many for each thread
  const std::int64_t group = in_steps(in_steps(all, groups), 12) * 12;
  const bool past_cache = streams(y, s.N * s.H * s.W * s.O);
  parallel_for(in_steps(all, group), 1, [&](std::int64_t begin, std::int64_t end) {
    thread_local Buffer<float> tiles, products;
    float* const v = tiles.resize(positions * plane<float>(group, s.C));
    float* const product = products.resize(positions * plane<float>(group, width));
    for (std::int64_t g = begin; g < end; ++g)
      simd::dispatch<Group>(x, static_cast<const float*>(u), y, s, g * group, std::min(group, all - g * group), group,
                            past_cache, v, product);
  });
}

inline Shape3x3 shape_of(const View& x, std::int64_t C, std::int64_t O) {
  return {x.shape[0], x.shape[1], x.shape[2], C, O};
}

}  // namespace detail

/// Whether this sum has these convolutions: 3x3, stride 1, padding 1, channels in whole panels, and pictures of sides for
/// which the direct sum, which skips the padding, does not have fewer multiplications: 2 takes as many, 1 and 3 fewer.
inline bool fits(const View& x, const View& w, WindowSpec spec) {
  const auto side = [](std::int64_t n) { return n >= 4 || n == 2; };
  return spec.kernel == 3 && spec.stride == 1 && spec.padding == 1 && w.shape[0] % 32 == 0 && w.shape[3] % 32 == 0 &&
         side(x.shape[1]) && side(x.shape[2]);
}

/// Whether a convolution and its gradient towards the input are computed here.
inline bool takes(const View& x, const View& w, WindowSpec spec) {
  return x.dtype == DType::f32 && w.dtype == DType::f32 && fits(x, w, spec);
}

/// Whether the gradient towards the weight is. It takes bf16 data too, where the machine has products of pairs: their
/// transforms are rounded to bf16, which the sum over all tiles averages out; the other two passes would add that error
/// to each value, and stay with the direct sum.
inline bool takes_grad_weight(const View& x, const View& dw, WindowSpec spec) {
  const bool data = x.dtype == DType::f32 || (x.dtype == DType::bf16 && simd::has_bf16_dots());
  return data && dw.dtype == DType::f32 && fits(x, dw, spec);
}

inline void conv2d(View x, View w, View y) {
  detail::convolve(x.as<float>(), w.as<float>(), y.as<float>(), detail::shape_of(x, w.shape[3], w.shape[0]), false);
}

inline void conv2d_grad_input(View dy, View w, View dx) {
  detail::convolve(dy.as<float>(), w.as<float>(), dx.as<float>(), detail::shape_of(dy, w.shape[0], w.shape[3]), true);
}

namespace detail {

template <class S>
void weight_gradient(const S* x, const S* dy, float* dw, const Shape3x3& s) {
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
      simd::dispatch<WeightGradient>(static_cast<const float*>(du), segments, dw, s, o);
  });
}

}  // namespace detail

inline void conv2d_grad_weight(View x, View dy, View dw) {
  const Shape3x3 s = detail::shape_of(x, dw.shape[3], dw.shape[0]);
  if (x.dtype == DType::bf16)
    detail::weight_gradient(x.as<const bf16>(), dy.as<const bf16>(), dw.as<float>(), s);
  else
    detail::weight_gradient(x.as<const float>(), dy.as<const float>(), dw.as<float>(), s);
}

}  // namespace contrastive::cpu::winograd
