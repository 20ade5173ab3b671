// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "contrastive/augment/bytes.hpp"
#include "contrastive/augment/canvas.hpp"
#include "contrastive/media/image.hpp"

namespace contrastive {

namespace detail {

/// Planes to interleaved floats: pixel * scale + shift, each rounded.
struct WriteFloats {
  template <class Isa>
  [[gnu::always_inline]] static void run(const std::uint8_t* planes, std::int64_t stride, std::int64_t count,
                                         int channels, const float* scale, const float* shift, float* out) {
    using F = Floats<Isa>;
    constexpr int N = pixel_lanes<Isa>;
    std::int64_t i = 0;
    if (channels == 1) {
      for (; i + N <= count; i += N) simd::store(out + i, value<Isa>(planes + i, scale[0], shift[0]));
    } else {
      for (; i + N <= count; i += N) {
        const F r = value<Isa>(planes + i, scale[0], shift[0]), g = value<Isa>(planes + stride + i, scale[1], shift[1]),
                b = value<Isa>(planes + 2 * stride + i, scale[2], shift[2]);
        float* to = out + 3 * i;
        constexpr auto lanes = std::make_integer_sequence<int, N>{};
        simd::store(to, weave<0, F>(r, g, b, lanes));
        simd::store(to + N, weave<1, F>(r, g, b, lanes));
        simd::store(to + 2 * N, weave<2, F>(r, g, b, lanes));
      }
    }
    for (; i < count; ++i)
      for (int c = 0; c < channels; ++c)
        out[i * channels + c] = rounded(static_cast<float>(planes[c * stride + i]) * scale[c]) + shift[c];
  }

  template <class Isa>
  CONTRASTIVE_INLINE static Floats<Isa> value(const std::uint8_t* from, float scale, float shift) {
    return rounded(to_floats<Isa>(load_bytes<Isa>(from)) * scale) + shift;
  }

  /// Part `part` of three of r0 g0 b0 r1 g1 b1 ...
  template <int part, class F, int... lane>
  CONTRASTIVE_INLINE static F weave(const F& r, const F& g, const F& b, std::integer_sequence<int, lane...>) {
    constexpr int N = sizeof...(lane);
    const F red_green =
        __builtin_shufflevector(r, g, ((part * N + lane) / 3 + ((part * N + lane) % 3 == 1 ? N : 0))...);
    return __builtin_shufflevector(red_green, b, ((part * N + lane) % 3 == 2 ? N + (part * N + lane) / 3 : lane)...);
  }
};

/// A picture of numbers (H, W, C): `f(pixel)` turns numbers * std + mean of a pixel into its parts of 1, which are cut to
/// 0 to 1.
template <class F>
Image read_back(const float* numbers, int height, int width, int channels, const std::array<double, 3>& mean,
                const std::array<double, 3>& std, F&& f) {
  Image image(height, width, channels);
  const auto C = static_cast<std::size_t>(channels);
  for (std::size_t i = 0; i < image.pixels.size(); i += C) {
    std::array<double, 3> pixel{};
    for (std::size_t c = 0; c < C; ++c) pixel[c] = static_cast<double>(numbers[i + c]) * std[c] + mean[c];
    f(pixel);
    for (std::size_t c = 0; c < C; ++c)
      image.pixels[i + c] = static_cast<std::uint8_t>(std::lround(pixel[c] > 0 ? 255 * std::min(pixel[c], 1.0) : 0));
  }
  return image;
}

}  // namespace detail

/// The last step of a view: pixels become (pixel / 255 - mean) / std, channels innermost. Without one a view holds
/// pixel / 255. A grey view uses the first entries.
struct Normalize {
  std::array<double, 3> mean{0, 0, 0};
  std::array<double, 3> std{1, 1, 1};

  /// `out` takes height * width * channels floats.
  void write(const Canvas& canvas, float* out) const {
    float scale[3], shift[3];
    for (std::size_t c = 0; c < 3; ++c) {
      scale[c] = static_cast<float>(1.0 / (255.0 * std[c]));
      shift[c] = static_cast<float>(-mean[c] / std[c]);
    }
    simd::dispatch<detail::WriteFloats>(canvas.plane(0), canvas.stride(), canvas.count(), canvas.channels(),
                                        static_cast<const float*>(scale), static_cast<const float*>(shift), out);
  }
  /// The picture that `write` made such numbers (H, W, C) of.
  Image picture(const float* numbers, int height, int width, int channels) const {
    return detail::read_back(numbers, height, width, channels, mean, std, [](auto&) {});
  }
};

/// Statistics that the published recipes use.
inline constexpr Normalize imagenet_statistics{{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
inline constexpr Normalize cifar10_statistics{{0.4914, 0.4822, 0.4465}, {0.2023, 0.1994, 0.2010}};
inline constexpr Normalize clip_statistics{{0.48145466, 0.4578275, 0.40821073}, {0.26862954, 0.26130258, 0.27577711}};

}  // namespace contrastive
