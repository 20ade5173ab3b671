// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include "contrastive/augment/bytes.hpp"
#include "contrastive/augment/canvas.hpp"
#include "contrastive/media/image.hpp"

namespace contrastive {

/// Reconstruction filters of Pillow (Resample.c). All but `nearest` widen when shrinking, which is what others call
/// antialiasing.
enum class Filter { nearest, bilinear, bicubic, lanczos };

/// Which pixels a canvas is made of: the window (top, left, height, width) of a picture is resized to
/// `full_height` x `full_width`, of which the `out_height` x `out_width` part that begins at (`out_top`, `out_left`)
/// is kept. The window is in pixels of the picture, must lie inside it and may be fractional; pixels outside it are
/// not looked at.
struct Placement {
  double top = 0, left = 0, height = 0, width = 0;
  int full_height = 0, full_width = 0;
  int out_top = 0, out_left = 0;
  int out_height = 0, out_width = 0;
  Filter filter = Filter::bilinear;
};

namespace detail {

inline constexpr int tap_bits = 22;  // Pillow's fixed point: 32 bits less 8 of the pixel and 2 for overshoot

inline double filter_support(Filter filter) {
  return filter == Filter::bicubic ? 2.0 : filter == Filter::lanczos ? 3.0 : 1.0;
}

inline double filter_weight(Filter filter, double x) {
  x = std::fabs(x);
  if (filter == Filter::bilinear) return x < 1.0 ? 1.0 - x : 0.0;
  if (filter == Filter::bicubic) {
    constexpr double a = -0.5;
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
  }
  if (x >= 3.0) return 0.0;
  const auto sinc = [](double t) { return t == 0.0 ? 1.0 : std::sin(t * std::numbers::pi) / (t * std::numbers::pi); };
  return sinc(x) * sinc(x / 3.0);
}

/// The source pixels and fixed-point weights of each output along one axis.
struct Taps {
  const std::int32_t* first = nullptr;
  const std::int32_t* count = nullptr;
  const std::int32_t* weight = nullptr;  // (outputs, stride)
  int stride = 0;
  int outputs = 0;
  int low = 0, high = 0;  // source pixels used by any output

  const std::int32_t* weights(int output) const { return weight + static_cast<std::int64_t>(output) * stride; }
};

/// Outputs [from, from + outputs) of the resize of [start, start + length) to `total` pixels.
inline Taps make_taps(GrowingBuffer<std::int32_t>& memory, Filter filter, double start, double length, int total,
                      int from, int outputs, int limit) {
  const int base = static_cast<int>(std::floor(start));
  const int size = std::min(static_cast<int>(std::ceil(start + length)), limit) - base;
  const double offset = start - base, scale = length / total, stretch = std::max(scale, 1.0);
  const double support = filter_support(filter) * stretch, inverse = 1.0 / stretch;
  const int stride = filter == Filter::nearest ? 1 : std::min(2 * static_cast<int>(std::ceil(support)) + 1, size);

  Taps taps;
  taps.stride = stride;
  taps.outputs = outputs;
  auto* first = memory.ensure(static_cast<std::size_t>(outputs) * (2 + static_cast<std::size_t>(stride)));
  auto* count = first + outputs;
  auto* weight = count + outputs;
  taps.first = first, taps.count = count, taps.weight = weight;

  if (filter == Filter::nearest) {
    double at = offset + scale * 0.5;  // a running sum, as Pillow has it
    for (int o = 0; o < from; ++o) at += scale;
    for (int o = 0; o < outputs; ++o, at += scale) {
      first[o] = base + std::clamp(static_cast<int>(at), 0, size - 1);
      count[o] = 1;
      weight[o] = 1 << tap_bits;
    }
  } else {
    for (int o = 0; o < outputs; ++o, weight += stride) {
      const double center = offset + rounded((o + from + 0.5) * scale);
      const int low = std::max(static_cast<int>(center - support + 0.5), 0);
      const int n = std::min({static_cast<int>(center + support + 0.5), size}) - low;
      double share[64];
      const bool few = n <= 64;  // wide kernels are evaluated twice instead of being kept
      double sum = 0.0;
      for (int i = 0; i < n; ++i) {
        const double w = filter_weight(filter, (i + low - center + 0.5) * inverse);
        if (few) share[i] = w;
        sum += w;
      }
      for (int i = 0; i < n; ++i) {
        double w = few ? share[i] : filter_weight(filter, (i + low - center + 0.5) * inverse);
        if (sum != 0.0) w /= sum;
        w *= 1 << tap_bits;
        weight[i] = static_cast<std::int32_t>(w < 0 ? w - 0.5 : w + 0.5);
      }
      first[o] = base + low;
      count[o] = n;
    }
  }
  taps.low = first[0], taps.high = first[0] + count[0];
  for (int o = 1; o < outputs; ++o) {
    taps.low = std::min(taps.low, first[o]);
    taps.high = std::max(taps.high, first[o] + count[o]);
  }
  return taps;
}

template <class Isa>
CONTRASTIVE_INLINE Ints<Isa> round_taps(const Ints<Isa>& sum) {
  return simd::min(simd::max(sum >> tap_bits, Ints<Isa>{}), simd::splat<Ints<Isa>>(255));
}

/// The horizontal pass. Sixteen rows at a time are transposed, so that a tap is one multiply of sixteen rows; the
/// results are transposed back into planes. `grey` turns RGB into grey first.
struct ResampleColumns {
  const std::uint8_t* source;  // (H, W, C)
  const std::uint8_t* source_end;
  std::int64_t pitch;
  int channels;
  bool grey;
  int row_low, rows;
  Taps taps;
  std::uint8_t* block;   // transposed source, (columns * channels, 16)
  std::uint8_t* middle;  // (C, rows, middle_pitch)
  std::int64_t middle_pitch;

  template <class Isa>
  [[gnu::always_inline]] static void run(const ResampleColumns* p) {
    const int out_channels = p->grey ? 1 : p->channels;
    for (int row = 0; row < p->rows; row += 16) {
      p->transpose_block(row);
      if (p->grey) p->grey_block<Isa>();
      if (out_channels == 3)
        p->filter_block<Isa, 3>(row);
      else
        p->filter_block<Isa, 1>(row);
    }
  }

  CONTRASTIVE_INLINE void transpose_block(int row) const {
    const std::int64_t bytes = std::int64_t{taps.high - taps.low} * channels;
    const std::uint8_t* from = source + (row_low + row) * pitch + std::int64_t{taps.low} * channels;
    const int last = std::min(15, rows - 1 - row);
    for (std::int64_t b = 0; b < bytes; b += 16) {
      simd::vec<std::uint8_t, 16> lines[16];
#pragma GCC unroll 16
      for (int r = 0; r < 16; ++r) {
        const std::uint8_t* at = from + std::min(r, last) * pitch + b;
        if (source_end - at >= 16) {
          std::memcpy(&lines[r], at, 16);
        } else {
          lines[r] = simd::vec<std::uint8_t, 16>{};
          std::memcpy(&lines[r], at, static_cast<std::size_t>(source_end - at));
        }
      }
      transpose16(lines);
      std::memcpy(block + b * 16, lines, sizeof lines);
    }
  }

  template <class Isa>
  CONTRASTIVE_INLINE void grey_block() const {
    const std::int64_t columns = taps.high - taps.low;
    for (std::int64_t x = 0; x < columns; ++x)
      for (int r = 0; r < 16; r += pixel_lanes<Isa>) {
        const std::uint8_t* rgb = block + x * 48 + r;
        store_bytes<Isa>(block + x * 16 + r, (load_bytes<Isa>(rgb) * 19595 + load_bytes<Isa>(rgb + 16) * 38470 +
                                              load_bytes<Isa>(rgb + 32) * 7471 + 32768) >>
                                                 16);
      }
  }

  template <class Isa, int C>
  CONTRASTIVE_INLINE void filter_block(int row) const {
    const int valid = std::min(16, rows - row);
    for (int x = 0; x < taps.outputs; x += 16) {
      simd::vec<std::uint8_t, 16> lines[C][16];
      const int columns = std::min(16, taps.outputs - x);
      for (int j = 0; j < columns; ++j) {
        const std::int32_t* weights = taps.weights(x + j);
        const int n = taps.count[x + j];
        const std::uint8_t* from = block + std::int64_t{taps.first[x + j] - taps.low} * C * 16;
        for (int r = 0; r < 16; r += pixel_lanes<Isa>) {
          Ints<Isa> sum[C];
#pragma GCC unroll 4
          for (int c = 0; c < C; ++c) sum[c] = simd::splat<Ints<Isa>>(1 << (tap_bits - 1));
          const std::uint8_t* at = from + r;
          for (int i = 0; i < n; ++i, at += C * 16) {
            const auto weight = simd::splat<Ints<Isa>>(weights[i]);
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) sum[c] += load_bytes<Isa>(at + c * 16) * weight;
          }
#pragma GCC unroll 4
          for (int c = 0; c < C; ++c)
            store_bytes<Isa>(reinterpret_cast<std::uint8_t*>(&lines[c][j]) + r, round_taps<Isa>(sum[c]));
        }
      }
      for (int c = 0; c < C; ++c) {
        transpose16(lines[c]);
        std::uint8_t* to = middle + (std::int64_t{c} * rows + row) * middle_pitch + x;
        for (int r = 0; r < valid; ++r, to += middle_pitch) std::memcpy(to, &lines[c][r], 16);
      }
    }
  }
};

/// The vertical pass, plane by plane. A row's last vector may write into the next row, which is computed later.
struct ResampleRows {
  const std::uint8_t* middle;  // (C, rows, middle_pitch), of source row row_low on
  std::int64_t middle_pitch;
  int row_low, rows, width, channels;
  Taps taps;
  std::uint8_t* out;  // (C, stride)
  std::int64_t stride;

  template <class Isa>
  [[gnu::always_inline]] static void run(const ResampleRows* p) {
    for (int c = 0; c < p->channels; ++c)
      for (int y = 0; y < p->taps.outputs; ++y) {
        const std::uint8_t* from =
            p->middle + (std::int64_t{c} * p->rows + p->taps.first[y] - p->row_low) * p->middle_pitch;
        std::uint8_t* to = p->out + c * p->stride + std::int64_t{y} * p->width;
        const int n = p->taps.count[y];
        int x = 0;
        for (; x + 2 * pixel_lanes<Isa> <= p->width; x += 2 * pixel_lanes<Isa>)
          columns<Isa, 2>(from + x, p->middle_pitch, p->taps.weights(y), n, to + x);
        for (; x < p->width; x += pixel_lanes<Isa>)
          columns<Isa, 1>(from + x, p->middle_pitch, p->taps.weights(y), n, to + x);
      }
  }

  template <class Isa, int U>
  CONTRASTIVE_INLINE static void columns(const std::uint8_t* from, std::int64_t pitch, const std::int32_t* weights,
                                         int n, std::uint8_t* to) {
    Ints<Isa> sum[U];
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) sum[u] = simd::splat<Ints<Isa>>(1 << (tap_bits - 1));
    for (int i = 0; i < n; ++i, from += pitch) {
      const auto weight = simd::splat<Ints<Isa>>(weights[i]);
#pragma GCC unroll 4
      for (int u = 0; u < U; ++u) sum[u] += load_bytes<Isa>(from + u * pixel_lanes<Isa>) * weight;
    }
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) store_bytes<Isa>(to + u * pixel_lanes<Isa>, round_taps<Isa>(sum[u]));
  }
};

}  // namespace detail

/// Makes `out` from a picture, with Pillow's arithmetic bit for bit (releases up to 12): the horizontal pass first,
/// rounded to 8 bits, then the vertical one. With `channels` other than the picture's, RGB becomes grey before and
/// grey becomes RGB after. Throws when the placement is empty or the window leaves the picture.
inline void resample(const Image& image, const Placement& place, int channels, Canvas& out) {
  require(image.height > 0 && image.width > 0 && (image.channels == 1 || image.channels == 3) &&
              image.pixels.size() >= std::size_t(image.height) * image.width * image.channels,
          "[resample] expected an 8-bit grey or RGB picture, got ", image.height, " x ", image.width, " x ",
          image.channels, " with ", image.pixels.size(), " bytes");
  require(place.height > 0 && place.width > 0 && place.top >= 0 && place.left >= 0 &&
              place.top + place.height <= image.height + 1e-6 && place.left + place.width <= image.width + 1e-6,
          "[resample] window (", place.top, ", ", place.left, ", ", place.height, ", ", place.width,
          ") is not inside a picture of ", image.height, " x ", image.width);
  require(place.out_height > 0 && place.out_width > 0 && place.out_top >= 0 && place.out_left >= 0 &&
              place.out_top + place.out_height <= place.full_height &&
              place.out_left + place.out_width <= place.full_width,
          "[resample] cannot keep ", place.out_height, " x ", place.out_width, " of ", place.full_height, " x ",
          place.full_width);
  struct Workspace {
    detail::GrowingBuffer<std::int32_t> columns, rows;
    detail::GrowingBuffer<std::uint8_t> block, middle;
  };
  thread_local Workspace work;

  out.reshape(place.out_height, place.out_width, channels);
  const bool grey = channels == 1 && image.channels == 3;
  const int kept = grey ? 1 : image.channels;
  const detail::Taps across = detail::make_taps(work.columns, place.filter, place.left, place.width, place.full_width,
                                                place.out_left, place.out_width, image.width);
  const detail::Taps down = detail::make_taps(work.rows, place.filter, place.top, place.height, place.full_height,
                                              place.out_top, place.out_height, image.height);
  const int rows = down.high - down.low;
  const std::int64_t pitch = (place.out_width + 15) / 16 * 16;
  const std::size_t block = (std::size_t(across.high - across.low) * image.channels + 15) / 16 * 256;

  const detail::ResampleColumns horizontal{image.pixels.data(),
                                           image.pixels.data() + image.pixels.size(),
                                           std::int64_t{image.width} * image.channels,
                                           image.channels,
                                           grey,
                                           down.low,
                                           rows,
                                           across,
                                           work.block.ensure(block),
                                           work.middle.ensure(static_cast<std::size_t>(kept) * rows * pitch + 64),
                                           pitch};
  simd::dispatch<detail::ResampleColumns>(&horizontal);
  const detail::ResampleRows vertical{horizontal.middle, pitch,       down.low, rows, place.out_width, kept, down,
                                      out.plane(0),      out.stride()};
  simd::dispatch<detail::ResampleRows>(&vertical);
  for (int c = kept; c < channels; ++c) std::memcpy(out.plane(c), out.plane(0), static_cast<std::size_t>(out.count()));
}

}  // namespace contrastive
