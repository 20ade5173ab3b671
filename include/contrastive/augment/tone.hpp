// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>

#include "contrastive/augment/bytes.hpp"
#include "contrastive/augment/canvas.hpp"
#include "contrastive/augment/drawn.hpp"
#include "contrastive/core/rng.hpp"

namespace contrastive {

namespace detail {

struct SolarizeKernel {
  template <class Isa>
  [[gnu::always_inline]] static void run(std::uint8_t* data, std::int64_t bytes, std::uint8_t threshold) {
    using V = simd::vec<std::uint8_t, Isa::bytes>;
    for (std::int64_t i = 0; i < bytes; i += Isa::bytes) {
      const V v = simd::load<V>(data + i);
      simd::store(data + i, v >= simd::splat<V>(threshold) ? ~v : v);
    }
  }
};

using Levels = std::array<std::int64_t, 256>;
using Table = std::array<std::uint8_t, 256>;

inline void map_levels(std::uint8_t* plane, std::int64_t count, const Table& table) {
  for (std::int64_t i = 0; i < count; ++i) plane[i] = table[plane[i]];
}

/// Maps each plane by the table that `make(histogram, table)` fills.
template <class Make>
void map_by_histogram(Canvas& canvas, Make&& make) {
  for (int c = 0; c < canvas.channels(); ++c) {
    Levels levels{};
    const std::uint8_t* plane = canvas.plane(c);
    for (std::int64_t i = 0; i < canvas.count(); ++i) ++levels[plane[i]];
    Table table;
    for (int v = 0; v < 256; ++v) table[static_cast<std::size_t>(v)] = static_cast<std::uint8_t>(v);
    make(levels, table);
    map_levels(canvas.plane(c), canvas.count(), table);
  }
}

}  // namespace detail

/// Inverts every value of at least `threshold`; 0 inverts all, 256 none. (Pillow ImageOps.solarize)
inline void solarize(Canvas& canvas, int threshold) {
  if (threshold > 255) return;
  simd::dispatch<detail::SolarizeKernel>(canvas.plane(0), canvas.stride() * canvas.channels(),
                                         static_cast<std::uint8_t>(std::max(threshold, 0)));
}

inline void invert(Canvas& canvas) { solarize(canvas, 0); }

/// Keeps the top `bits` bits (0..8) of every value. (Pillow ImageOps.posterize)
inline void posterize(Canvas& canvas, int bits) {
  require(bits >= 0 && bits <= 8, "[posterize] expected 0 to 8 bits, got ", bits);
  const int mask = 0xff & ~((1 << (8 - bits)) - 1);
  std::uint8_t* data = canvas.plane(0);
  for (std::int64_t i = 0; i < canvas.stride() * canvas.channels(); ++i)
    data[i] = static_cast<std::uint8_t>(data[i] & mask);
}

/// Flattens the histogram of each channel. (Pillow ImageOps.equalize)
inline void equalize(Canvas& canvas) {
  detail::map_by_histogram(canvas, [&](const detail::Levels& levels, detail::Table& table) {
    std::size_t highest = 255;
    while (levels[highest] == 0) --highest;
    const std::int64_t step = (canvas.count() - levels[highest]) / 255;
    if (step == 0) return;
    std::int64_t below = step / 2;
    for (std::size_t v = 0; v < 256; ++v) {
      table[v] = static_cast<std::uint8_t>(std::min<std::int64_t>(255, below / step));
      below += levels[v];
    }
  });
}

/// Stretches each channel to the full range. (Pillow ImageOps.autocontrast without cutoff)
inline void autocontrast(Canvas& canvas) {
  detail::map_by_histogram(canvas, [](const detail::Levels& levels, detail::Table& table) {
    int low = 0, high = 255;
    while (levels[static_cast<std::size_t>(low)] == 0) ++low;
    while (levels[static_cast<std::size_t>(high)] == 0) --high;
    if (high <= low) return;
    const double scale = 255.0 / (high - low), offset = -low * scale;
    for (int v = 0; v < 256; ++v)
      table[static_cast<std::size_t>(v)] =
          static_cast<std::uint8_t>(std::clamp(static_cast<int>(v * scale + offset), 0, 255));
  });
}

// The same as steps of a view; `RandomApply` makes them occasional.

struct Solarize {
  int threshold = 128;
  void operator()(Canvas& canvas, Stream&, Drawn& drawn) const {
    solarize(canvas, threshold);
    drawn.solarised = true;
  }
};
struct Posterize {
  int bits = 4;
  void operator()(Canvas& canvas, Stream&, Drawn&) const { posterize(canvas, bits); }
};
struct Equalize {
  void operator()(Canvas& canvas, Stream&, Drawn&) const { equalize(canvas); }
};
struct Autocontrast {
  void operator()(Canvas& canvas, Stream&, Drawn&) const { autocontrast(canvas); }
};
struct Invert {
  void operator()(Canvas& canvas, Stream&, Drawn&) const { invert(canvas); }
};

/// With probability `p`. (BYOL, DINO)
struct RandomSolarize {
  double p = 0.2;
  int threshold = 128;
  void operator()(Canvas& canvas, Stream& stream, Drawn& drawn) const {
    if (stream.chance(p)) Solarize{threshold}(canvas, stream, drawn);
  }
};

}  // namespace contrastive
