// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <utility>

#include "contrastive/augment/bytes.hpp"
#include "contrastive/augment/canvas.hpp"

namespace contrastive {

/// The colour operations of a jitter; the first four in the order in which torchvision numbers them.
enum class ColorOp : std::int8_t { brightness, contrast, saturation, hue, additive_brightness, grayscale };

/// One operation with its factor: 1 changes nothing for brightness, contrast and saturation; hue is a shift in turns
/// within [-0.5, 0.5]; additive brightness a shift in units of full scale; grayscale takes none.
struct ColorStep {
  ColorOp op;
  double factor = 0;
};

namespace detail {

/// Grey is (19595 R + 38470 G + 7471 B + 32768) >> 16, below 2^24, hence exact in floats.
template <class Isa>
CONTRASTIVE_INLINE Floats<Isa> grey_of(const Floats<Isa>& r, const Floats<Isa>& g, const Floats<Isa>& b) {
  return truncate<Isa>((r * 19595.f + g * 38470.f + b * 7471.f + 32768.f) * 0x1p-16f);
}

template <class Isa>
CONTRASTIVE_INLINE Floats<Isa> saturate(const Floats<Isa>& v) {
  return simd::min(simd::max(v, Floats<Isa>{}), simd::splat<Floats<Isa>>(255.f));
}

/// Pillow's Image.blend: low + factor (v - low) in float32, clamped, truncated.
template <class Isa>
CONTRASTIVE_INLINE Floats<Isa> blend(const Floats<Isa>& low, const Floats<Isa>& v, float factor) {
  return truncate<Isa>(saturate<Isa>(low + rounded((v - low) * factor)));
}

/// Pillow's RGB to 8-bit HSV, a shift of the hue by `shift` of 256, and back. Pillow computes partly in double; the
/// float32 forms here give the same bytes; tests/augment/color.cpp goes through all 256^3 pixels.
template <class Isa>
CONTRASTIVE_INLINE void shift_hue(Floats<Isa>& r, Floats<Isa>& g, Floats<Isa>& b, float shift) {
  using F = Floats<Isa>;
  const F one = simd::splat<F>(1.f), zero{};
  const F high = simd::max(simd::max(r, g), b), low = simd::min(simd::min(r, g), b);
  const F range = simd::max(high - low, one);
  const F middle = (r + g + b) - (high + low);
  const F s = truncate<Isa>((high - low) / simd::max(high, one) * 255.f);
  const F q = (high - middle) / range;

  // Two of Pillow's three quotients are 0 and 1; what is left is centre +- q, rounded once.
  const F red = b == low ? one - q : q - one;
  const F green = r == low ? 3.f - q : one + q;
  const F blue = g == low ? 5.f - q : 3.f + q;
  const F sixths = r == high ? red : (g == high ? green : blue);
  F turn = sixths / 6.f;
  turn = turn < zero ? turn + one : turn;
  // Truncation of turn * 255 as if exact: the float product may have been rounded up to a whole number.
  F h = truncate<Isa>(turn * 255.f);
  h = turn * 256.f - h < turn ? h - one : h;

  h = h + shift;
  h = h >= simd::splat<F>(256.f) ? h - 256.f : h;
  const F h6 = h * 6.f;
  F sector = truncate<Isa>(rounded((h6 + 0.5f) * (1.f / 255.f)));
  const F pair = truncate<Isa>(rounded((h6 + 0.5f) * (1.f / 510.f)));
  F y = 255.f - (h6 - pair * 510.f);  // 255 - f in even sectors, f in odd ones, f = 255 * fraction
  y = simd::max(y, -y);
  sector = sector > simd::splat<F>(5.5f) ? zero : sector;
  const F p = truncate<Isa>(rounded(high * (255.f - s) * (1.f / 255.f)) + 0.5f);
  const F x = truncate<Isa>(rounded(high * (65025.f - s * y) * (1.f / 65025.f)) + 0.5f);
  F d = sector - 2.5f;
  d = simd::max(d, -d);  // 2.5 1.5 0.5 0.5 1.5 2.5
  r = d > simd::splat<F>(2.f) ? high : (d > one ? x : p);
  d = sector - 1.5f;
  d = simd::max(d, -d);  // 1.5 0.5 0.5 1.5 2.5 3.5
  g = d < one ? high : (d < simd::splat<F>(2.f) ? x : p);
  d = sector - 3.5f;
  d = simd::max(d, -d);  // 3.5 2.5 1.5 0.5 0.5 1.5
  b = d < one ? high : (d < simd::splat<F>(2.f) ? x : p);
}

/// Steps one after another on pixels that stay in registers; then, where asked for, the sum of the grey values.
struct ColorPass {
  std::uint8_t* planes;
  std::int64_t stride, count;
  int channels;
  int step_count;
  ColorOp ops[6];
  float factors[6];        // hue in 256ths, additive brightness in levels
  float contrast_level;    // the grey about which contrast acts
  std::int64_t* grey_sum;  // null: not wanted

  template <class Isa>
  [[gnu::always_inline]] static void run(const ColorPass* pass) {
    if (pass->channels == 3)
      pass->pixels<Isa, 3>();
    else
      pass->pixels<Isa, 1>();
  }

  template <class Isa, int C>
  CONTRASTIVE_INLINE void pixels() const {
    using F = Floats<Isa>;
    using I = Ints<Isa>;
    constexpr int N = pixel_lanes<Isa>;
    I index;
    for (int lane = 0; lane < N; ++lane) index[lane] = lane;
    I sum{};
    std::int64_t total = 0;
    const int steps_here = step_count;
    const bool want_sum = grey_sum != nullptr;
    std::uint8_t* at = planes;
    for (std::int64_t i = 0; i < count; i += N, at += N) {
      F v[3] = {};
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) v[c] = to_floats<Isa>(load_bytes<Isa>(at + c * stride));
      for (int k = 0; k < steps_here; ++k) {
        const float factor = factors[k];
        switch (ops[k]) {
          case ColorOp::brightness:
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) v[c] = truncate<Isa>(saturate<Isa>(v[c] * factor));
            break;
          case ColorOp::additive_brightness:
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) v[c] = truncate<Isa>(saturate<Isa>(v[c] + factor));
            break;
          case ColorOp::contrast:
#pragma GCC unroll 4
            for (int c = 0; c < C; ++c) v[c] = blend<Isa>(simd::splat<F>(contrast_level), v[c], factor);
            break;
          case ColorOp::saturation:
            if constexpr (C == 3) {
              const F grey = grey_of<Isa>(v[0], v[1], v[2]);
#pragma GCC unroll 4
              for (int c = 0; c < C; ++c) v[c] = blend<Isa>(grey, v[c], factor);
            }
            break;
          case ColorOp::hue:
            if constexpr (C == 3) shift_hue<Isa>(v[0], v[1], v[2], factor);
            break;
          case ColorOp::grayscale:
            if constexpr (C == 3) v[0] = v[1] = v[2] = grey_of<Isa>(v[0], v[1], v[2]);
            break;
        }
      }
      if (steps_here > 0)
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c) store_bytes<Isa>(planes + c * stride + i, to_ints<Isa>(v[c]));
      if (want_sum) {
        const F grey = C == 3 ? grey_of<Isa>(v[0], v[1], v[2]) : v[0];
        I g = to_ints<Isa>(grey);
        if (count - i < N) g = index < simd::splat<Ints<Isa>>(static_cast<std::int32_t>(count - i)) ? g : I{};
        sum += g;
        if (((i / N) & 0xffff) == 0xffff) {  // before 2^16 * 255 could overflow 32 bits
          total += add_lanes<N>(sum);
          sum = I{};
        }
      }
    }
    if (want_sum) *grey_sum = total + add_lanes<N>(sum);
  }

  template <int N, class I>
  CONTRASTIVE_INLINE static std::int64_t add_lanes(const I& sum) {
    std::int64_t total = 0;
    for (int lane = 0; lane < N; ++lane) total += sum[lane];
    return total;
  }
};

}  // namespace detail

/// Applies colour steps in order, exactly as Pillow does one by one: each result is an 8-bit picture. On a grey canvas
/// saturation, hue and grayscale change nothing. At most six steps. Source: Pillow ImageEnhance.py, Blend.c, Convert.c;
/// torchvision adjust_hue.
inline void adjust_color(Canvas& canvas, std::span<const ColorStep> steps) {
  require(steps.size() <= 6, "[adjust_color] at most 6 steps, got ", steps.size());
  detail::ColorPass pass{};
  pass.planes = canvas.plane(0);
  pass.stride = canvas.stride();
  pass.count = canvas.count();
  pass.channels = canvas.channels();
  const auto flush = [&](std::int64_t* grey_sum) {
    pass.grey_sum = grey_sum;
    if (pass.step_count > 0 || grey_sum) simd::dispatch<detail::ColorPass>(&std::as_const(pass));
    pass.step_count = 0;
  };
  for (const ColorStep& step : steps) {
    double factor = step.factor;
    if (step.op == ColorOp::contrast) {  // needs the mean of the picture as it is by now
      std::int64_t sum = 0;
      flush(&sum);
      pass.contrast_level =
          static_cast<float>(static_cast<int>(static_cast<double>(sum) / static_cast<double>(canvas.count()) + 0.5));
    } else if (step.op == ColorOp::hue) {
      require(factor >= -0.5 && factor <= 0.5, "[adjust_hue] expected a shift within [-0.5, 0.5], got ", factor);
      factor = static_cast<int>(factor * 255.0) & 255;  // toward zero, then modulo 256
    } else if (step.op == ColorOp::additive_brightness) {
      factor = factor * 255.0 + 0.5;
    }
    pass.ops[pass.step_count] = step.op;
    pass.factors[pass.step_count++] = static_cast<float>(factor);
  }
  flush(nullptr);
}

}  // namespace contrastive
