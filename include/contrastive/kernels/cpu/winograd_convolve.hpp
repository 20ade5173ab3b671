// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/memory.hpp"
#include "contrastive/kernels/cpu/moments.hpp"
#include "contrastive/kernels/cpu/winograd_weight.hpp"

/// Winograd's convolution (winograd.hpp) from x to y, group by group of tiles, and what is done to the outputs on the way.
namespace contrastive::cpu::winograd::detail {

/// The most tiles of a group. Few channels: the group, its products and the weight share the second-level cache. Many:
/// the weight does not fit and is read once a group, so groups are larger, as far as what the threads transform and the
/// weight still share the third level.
inline constexpr std::int64_t most_tiles = 132;
constexpr std::int64_t largest_group(std::int64_t C, std::int64_t O) { return C + O > 512 ? most_tiles : 96; }

/// The outputs of which a position's products are made before the next position's: more than a panel where the group
/// itself leaves the second-level cache, for then it is read once for all of them.
constexpr std::int64_t outputs_at_once(std::int64_t C, std::int64_t O, std::int64_t panel) {
  return C + O > 256 ? 64 : panel;  // no panel is wider
}

/// What becomes of a group's outputs: past the caches or into them, added to what is there, summed up on the way.
struct Output {
  float* y;
  bool past_cache = false, add = false;
  cpu::detail::PartSums sums{};  // of the group; none where empty
};

/// Sums of a panel's outputs less the first of them, in float over 64 tiles, then joined to the part's.
template <class Isa>
struct PanelSums {
  static constexpr int L = simd::lanes<Isa, float>;
  using V = simd::vec<float, L>;
  V pivot[2] = {}, sum[2] = {}, square[2] = {};

  CONTRASTIVE_INLINE void add(int half, const V (&value)[4], const bool (&inside)[4]) {
    const V p = pivot[half];
    if (inside[3]) {
      const V a = value[0] - p, b = value[1] - p, c = value[2] - p, d = value[3] - p;
      sum[half] += (a + b) + (c + d);
      square[half] += (a * a + b * b) + (c * c + d * d);
      return;
    }
    for (int i = 0; i < 3; ++i) {
      if (!inside[i]) continue;
      const V d = value[i] - p;
      sum[half] += d;
      square[half] += d * d;
    }
  }
  CONTRASTIVE_INLINE void flush(const cpu::detail::PartSums& to, std::int64_t channel) {
    float p[2 * L], s[2 * L], q[2 * L];
    for (int half = 0; half < 2; ++half) {
      simd::store(p + half * L, pivot[half]);
      simd::store(s + half * L, sum[half]);
      simd::store(q + half * L, square[half]);
      sum[half] = square[half] = V{};
    }
    for (int k = 0; k < 2 * L; ++k) {
      to.pivot()[channel + k] = p[k];
      to.sum()[channel + k] += s[k];
      to.square()[channel + k] += q[k];
    }
  }
};

/// Where a tile's outputs go: its first, and whether there are more to the right and below.
struct Place {
  float* at;
  bool right, below;
};

/// The outputs [o, o + 2 L) of `count` tiles from product[position][tile][2 L], `plane` from one position to the next.
template <class Isa>
CONTRASTIVE_INLINE void transform_outputs(const float* product, std::int64_t plane, const Output& out,
                                          const Place* place, const std::int64_t (&step)[4], std::int64_t count,
                                          std::int64_t o) {
  constexpr int L = simd::lanes<Isa, float>;
  using V = simd::vec<float, L>;
  PanelSums<Isa> sums;
  for (std::int64_t t = 0; t < count; ++t) {
    const bool right = place[t].right, below = place[t].below, inside[4] = {true, right, below, right && below};
    for (int half = 0; half < 2; ++half) {
      V m[positions];
#pragma GCC unroll 16
      for (int p = 0; p < positions; ++p) m[p] = simd::load<V>(product + p * plane + t * 2 * L + half * L);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) output_line(m + j, 4);
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) output_line(m + 4 * i, 1);
      const V value[4] = {m[0], m[1], m[4], m[5]};
      if (out.sums.data) {
        if (t == 0) sums.pivot[half] = value[0];
        sums.add(half, value, inside);
      }
      float* const to = place[t].at + o + half * L;
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        if (!inside[i]) continue;
        simd::store(to + step[i], out.add ? simd::load<V>(to + step[i]) + value[i] : value[i], out.past_cache);
      }
    }
    if (out.sums.data && (t % 64 == 63 || t == count - 1)) sums.flush(out.sums, o);
  }
}

/// One group of tiles from x to y.
struct Group {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const float* x, const float* u, Output out, Shape3x3 s, std::int64_t first,
                                     std::int64_t count, std::int64_t group, std::int64_t at_once, float* v,
                                     float* product) {
    constexpr int L = simd::lanes<Isa, float>, rows = cpu::detail::Tile<Isa, float>::rows;
    transform_tiles<Isa, 4>(x, s, s.C, first, count, group, L, v);
    Place place[most_tiles];
    for (std::int64_t t = 0; t < count; ++t) {
      float* at[4];
      pixels<2>(out.y, s, s.O, first + t, 0, at);
      place[t] = {at[0], at[1] != nullptr, at[2] != nullptr};
      if (out.sums.data) out.sums.rows() += (place[t].right ? 2 : 1) * (place[t].below ? 2 : 1);
    }
    const std::int64_t step[4] = {0, s.O, s.W * s.O, (s.W + 1) * s.O};
    Ahead ahead(x, s, s.C, first + count, count, s.O / (2 * L) * positions * in_steps(count, rows));
    for (std::int64_t from = 0; from < s.O; from += at_once) {
      const std::int64_t stop = std::min(s.O, from + at_once);
      for (int p = 0; p < positions; ++p)
        for (std::int64_t o = from; o < stop; o += 2 * L)
          for (std::int64_t t = 0; t < count; t += rows) {
            ahead.fetch();
            // What is added to is needed at the end: prefetched here, it has come by then.
            if (out.add && p < 4)
              for (std::int64_t k = t; k < std::min(count, t + rows); ++k)
                if ((p % 2 == 0 || place[k].right) && (p < 2 || place[k].below))
                  for (int line = 0; line < 2 * L; line += 16) __builtin_prefetch(place[k].at + step[p] + o + line, 1);
            multiply<Isa, rows, L, 1>(
                v + p * plane<float>(group, s.C) + t * L, group * L, s.C / L, L, u + (o * positions + p * 2 * L) * s.C,
                product + p * plane<float>(group, at_once) + (o - from) * group + t * 2 * L, 2 * L, false);
          }
      for (std::int64_t o = from; o < stop; o += 2 * L)
        transform_outputs<Isa>(product + (o - from) * group, plane<float>(group, at_once), out, place, step, count, o);
    }
    if (out.past_cache) simd::finish_streams();
  }
};

/// x (N, H, W, C) to y (N, H, W, O) with the weight as `Weight` reads it. `add`: y +=. With mean and var, (G, O): those
/// of G parts of consecutive images.
inline void convolve(const float* x, const float* w, float* y, const Shape3x3& s, bool flipped, bool add,
                     const View& mean = {}, const View& var = {}) {
  thread_local Buffer<float> weight;
  const std::int64_t width = panel_width(), at_once = outputs_at_once(s.C, s.O, width);
  float* const u = weight.resize(positions * s.C * s.O);
  parallel_for(s.O / width, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; ++panel)
      simd::dispatch<Weight>(w, s.C, s.O, panel * width, flipped, u + panel * width * positions * s.C);
  });
  const std::int64_t parts = mean.data ? mean.shape[0] : 1, all = s.tiles() / parts;  // tiles of a part
  const std::int64_t each = in_steps(threads(), parts);                               // threads a part
  const std::int64_t wanted = in_steps(in_steps(all, largest_group(s.C, s.O)), each) * each;
  const std::int64_t group = in_steps(in_steps(all, wanted), 12) * 12, groups = in_steps(all, group);
  const Output out{y, !add && streams(y, s.N * s.H * s.W * s.O), add};
  thread_local Buffer<double> memory;
  const std::int64_t size = cpu::detail::PartSums::size(s.O);
  double* const sums = mean.data ? memory.zeros(parts * groups * size) : nullptr;
  parallel_for(parts * groups, 1, [&](std::int64_t begin, std::int64_t end) {
    thread_local Buffer<float> tiles, products;
    float* const v = tiles.resize(positions * plane<float>(group, s.C));
    float* const product = products.resize(positions * plane<float>(group, at_once));
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t from = i % groups * group;
      Output to = out;
      if (sums) to.sums = {sums + i * size, s.O};
      simd::dispatch<Group>(x, static_cast<const float*>(u), to, s, i / groups * all + from,
                            std::min(group, all - from), group, at_once, v, product);
    }
  });
  for (std::int64_t part = 0; sums && part < parts; ++part) {
    const cpu::detail::PartSums whole{sums + part * groups * size, s.O};
    for (std::int64_t i = 1; i < groups; ++i) whole.add({whole.data + i * size, s.O});
    for (std::int64_t c = 0; c < s.O; ++c)
      cpu::detail::moments(whole.sum()[c], whole.square()[c], whole.rows(), static_cast<float>(whole.pivot()[c]),
                           mean.as<float>()[part * s.O + c], var.as<float>()[part * s.O + c]);
  }
}

}  // namespace contrastive::cpu::winograd::detail
