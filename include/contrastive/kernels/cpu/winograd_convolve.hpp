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

/// What becomes of a group's outputs: added to what is there, summed up on the way, past the caches or into them.
struct Output {
  float* y;
  bool add = false;
  bool past_cache = false;
  cpu::detail::PartSums sums{};  // of the group; none where empty
};

/// Sums of a panel's outputs less the first of them, and of their squares. In float over 64 tiles, then joined to the
/// part's.
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

/// Where a tile's outputs lie: its first, and which of the four there are.
struct Place {
  std::int64_t at;
  bool inside[4];
};

/// Asks for what the outputs are added to. That is done twice: during the products, which leave the memory idle but may
/// drive it on into the third-level cache, and a few tiles ahead of its use.
template <int locality, int width>
CONTRASTIVE_INLINE void fetch(const float* y) {
  for (int line = 0; line < width; line += 16) __builtin_prefetch(y + line, 0, locality);
}

/// The outputs [o, o + 2 L) of `count` tiles from product[position][tile][2 L], `plane` from one position to the next.
template <class Isa>
CONTRASTIVE_INLINE void transform_outputs(const float* product, std::int64_t plane, const Output& out,
                                          const Place* place, const std::int64_t (&step)[4], std::int64_t count,
                                          std::int64_t o) {
  constexpr int L = simd::lanes<Isa, float>;
  using V = simd::vec<float, L>;
  PanelSums<Isa> sums;
  for (std::int64_t t = 0; t < count; ++t) {
    const bool(&inside)[4] = place[t].inside;
    if (const std::int64_t soon = t + 4; out.add && soon < count)
      for (int i = 0; i < 4; ++i)
        if (place[soon].inside[i]) fetch<3, 2 * L>(out.y + place[soon].at + step[i] + o);
    for (int half = 0; half < 2; ++half) {
      V m[positions];
#pragma GCC unroll 16
      for (int p = 0; p < positions; ++p) m[p] = simd::load<V>(product + p * plane + t * 2 * L + half * L);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) output_line(m + j, 4);
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) output_line(m + 4 * i, 1);
      V value[4] = {m[0], m[1], m[4], m[5]};
      const std::int64_t c = o + half * L;
      const std::int64_t from = place[t].at + c;
      if (out.add)
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i)
          if (inside[i]) value[i] += simd::load<V>(out.y + from + step[i]);
      if (out.sums.data) {
        if (t == 0) sums.pivot[half] = value[0];
        sums.add(half, value, inside);
      }
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i)
        if (inside[i]) simd::store(out.y + from + step[i], value[i], out.past_cache);
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
      place[t] = {at[0] - out.y, {true, at[1] != nullptr, at[2] != nullptr, at[3] != nullptr}};
      if (out.sums.data) out.sums.rows() += std::count(place[t].inside, place[t].inside + 4, true);
    }
    const std::int64_t step[4] = {0, s.O, s.W * s.O, (s.W + 1) * s.O};
    Ahead ahead(x, s, s.C, first + count, count, s.O / (2 * L) * positions * in_steps(count, rows));
    for (std::int64_t from = 0; from < s.O; from += at_once) {
      const std::int64_t stop = std::min(s.O, from + at_once);
      for (int p = 0; p < positions; ++p)
        for (std::int64_t o = from; o < stop; o += 2 * L)
          for (std::int64_t t = 0; t < count; t += rows) {
            ahead.fetch();
            if (out.add && p < 4)
              for (std::int64_t k = t; k < std::min(count, t + rows); ++k)
                if (place[k].inside[p]) fetch<2, 2 * L>(out.y + place[k].at + step[p] + o);
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

struct NoSums {
  void operator()(std::int64_t, const cpu::detail::PartSums&) const {}
};

/// x (N, H, W, C) to an output (N, H, W, O) with the weight as `Weight` reads it. Of `summed` parts of consecutive images,
/// where not 0, `each_part` is given the number and the sums.
template <class F = NoSums>
void convolve(const float* x, const float* w, Output out, const Shape3x3& s, bool flipped, std::int64_t summed = 0,
              F&& each_part = {}) {
  thread_local Buffer<float> weight;
  const std::int64_t width = panel_width(), at_once = outputs_at_once(s.C, s.O, width);
  float* const u = weight.resize(positions * s.C * s.O);
  parallel_for(s.O / width, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; ++panel)
      simd::dispatch<Weight>(w, s.C, s.O, panel * width, flipped, u + panel * width * positions * s.C);
  });
  const std::int64_t parts = std::max<std::int64_t>(1, summed), all = s.tiles() / parts;  // tiles of a part
  const std::int64_t each = in_steps(threads(), parts);                                   // threads a part
  // The same number of groups for each thread, of equal size to within the tiles that are multiplied at once.
  constexpr std::int64_t at_a_time = 12;
  const std::int64_t steps = in_steps(all, at_a_time), wanted = in_steps(in_steps(all, largest_group(s.C, s.O)), each);
  const std::int64_t groups = std::min(steps, wanted * each), group = in_steps(steps, groups) * at_a_time;
  out.past_cache = !out.add && streams(out.y, s.N * s.H * s.W * s.O);
  thread_local Buffer<double> memory;
  const std::int64_t size = cpu::detail::PartSums::size(s.O);
  double* const sums = summed ? memory.zeros(parts * groups * size) : nullptr;
  parallel_for(parts * groups, 1, [&](std::int64_t begin, std::int64_t end) {
    thread_local Buffer<float> tiles, products;
    float* const v = tiles.resize(positions * plane<float>(group, s.C));
    float* const product = products.resize(positions * plane<float>(group, at_once));
    for (std::int64_t i = begin; i < end; ++i) {
      const auto border = [&](std::int64_t k) { return std::min(all, steps * k / groups * at_a_time); };
      const std::int64_t from = border(i % groups), count = border(i % groups + 1) - from;
      Output to = out;
      if (sums) to.sums = {sums + i * size, s.O};
      simd::dispatch<Group>(x, static_cast<const float*>(u), to, s, i / groups * all + from, count, group, at_once, v,
                            product);
    }
  });
  for (std::int64_t part = 0; sums && part < parts; ++part) {
    const cpu::detail::PartSums whole{sums + part * groups * size, s.O};
    for (std::int64_t i = 1; i < groups; ++i) whole.add({whole.data + i * size, s.O});
    each_part(part, whole);
  }
}

}  // namespace contrastive::cpu::winograd::detail
