// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/media/image.hpp"

namespace contrastive::detail {

/// Four bytes, red in the lowest, alpha in the highest; colours are multiplied by alpha.
using Rgba = std::uint32_t;

constexpr Rgba rgba(unsigned r, unsigned g, unsigned b, unsigned a) { return r | g << 8 | b << 16 | a << 24; }
constexpr unsigned channel(Rgba p, int c) { return p >> (8 * c) & 255; }

/// a + (b - a) w / 256 for each of the four bytes, w in [0, 256].
constexpr Rgba mix(Rgba a, Rgba b, unsigned w) {
  constexpr Rgba two = 0x00FF00FF, half = 0x00800080;
  const Rgba even = ((a & two) * (256 - w) + (b & two) * w + half) >> 8 & two;
  const Rgba odd = ((a >> 8 & two) * (256 - w) + (b >> 8 & two) * w + half) & ~two;
  return even | odd;
}

/// A colour with a word. `natural`, the absence of one, is -1.
struct Tint {
  const char* word;
  std::array<int, 3> rgb;
};
inline constexpr std::array<Tint, 8> tints = {{{"red", {235, 30, 35}},
                                               {"orange", {255, 140, 10}},
                                               {"yellow", {255, 235, 30}},
                                               {"green", {40, 185, 60}},
                                               {"blue", {45, 95, 235}},
                                               {"purple", {150, 60, 215}},
                                               {"pink", {255, 130, 190}},
                                               {"brown", {145, 85, 40}}}};

/// How a sprite lies on a canvas whose sides are 1.
struct Pose {
  double x = 0.5, y = 0.5;  // its centre
  double size = 1;          // the longer side
  double angle = 0;         // radians
  bool mirrored = false;
};

/// A rectangle of pixels of a canvas.
struct Patch {
  int top = 0, left = 0, height = 0, width = 0;
  std::vector<Rgba> pixels;
};

/// A drawing in a square, held at several sizes, each half of the one before, so that it can be shown at any size without
/// aliasing.
class Sprite {
 public:
  /// `bitmap` is (H, W, 4) with colours multiplied by alpha. It is cut to what can be seen and put in the middle of a square.
  explicit Sprite(const Image& bitmap) {
    int top = bitmap.height, left = bitmap.width, bottom = 0, right = 0;
    for (int y = 0; y < bitmap.height; ++y)
      for (int x = 0; x < bitmap.width; ++x)
        if (bitmap.row(y)[4 * x + 3] >= 128)
          top = std::min(top, y), left = std::min(left, x), bottom = std::max(bottom, y + 1),
          right = std::max(right, x + 1);
    require(top < bottom, "[sprite] a bitmap without a visible pixel");
    const int side = std::max(bottom - top, right - left);
    Level level(side);
    for (int y = 0; y < bottom - top; ++y)
      for (int x = 0; x < right - left; ++x) {
        const std::uint8_t* p = bitmap.row(top + y) + 4 * (left + x);
        level.at(y + (side - bottom + top) / 2, x + (side - right + left) / 2) = rgba(p[0], p[1], p[2], p[3]);
      }
    std::vector<unsigned> lights;
    for (const Rgba p : level.pixels)
      if (channel(p, 3) >= 128) lights.push_back(light_of(p));
    const auto high = lights.begin() + static_cast<std::ptrdiff_t>(lights.size() * 3 / 4);
    std::nth_element(lights.begin(), high, lights.end());
    brightest_ = std::max(*high, 32U);
    levels_.push_back(std::move(level));
    while (levels_.back().side >= 8) levels_.push_back(halved(levels_.back()));
  }

  /// The sprite in one colour, with its own light and shade: what is black keeps half of the colour.
  void tint(Patch& patch, const Tint& tint) const {
    for (Rgba& p : patch.pixels) {
      const unsigned a = channel(p, 3), shade = (a + std::min(a, light_of(p) * 255 / brightest_)) / 2;
      const auto of = [&](std::size_t c) { return static_cast<unsigned>(tint.rgb[c]) * shade / 255; };
      p = rgba(of(0), of(1), of(2), a);
    }
  }

  /// The sprite on a canvas of `canvas` pixels a side, cut at its edges.
  Patch draw(const Pose& pose, int canvas) const {
    const double pixels = pose.size * canvas;
    std::size_t l = 0;
    while (l + 1 < levels_.size() && levels_[l + 1].side >= 0.75 * pixels) ++l;
    const Level& level = levels_[l];
    const double cosine = std::cos(pose.angle), sine = std::sin(pose.angle);
    const double reach = 0.5 * pixels * (std::abs(cosine) + std::abs(sine)) + 1;
    const auto inside = [&](double at) { return std::clamp(static_cast<int>(std::floor(at)), 0, canvas); };
    Patch patch;
    patch.top = inside(pose.y * canvas - reach), patch.left = inside(pose.x * canvas - reach);
    patch.height = inside(pose.y * canvas + reach + 1) - patch.top;
    patch.width = inside(pose.x * canvas + reach + 1) - patch.left;
    patch.pixels.resize(static_cast<std::size_t>(patch.height) * patch.width);
    // Places in the level in 1/256 pixel.
    const double ratio = 256 * level.side / pixels, flip = pose.mirrored ? -1 : 1;
    Rgba* out = patch.pixels.data();
    for (int y = 0; y < patch.height; ++y) {
      const double dx = patch.left + 0.5 - pose.x * canvas, dy = patch.top + y + 0.5 - pose.y * canvas;
      double u = flip * ratio * (cosine * dx + sine * dy) + 128 * (level.side - 1);
      double v = ratio * (cosine * dy - sine * dx) + 128 * (level.side - 1);
      for (int x = 0; x < patch.width; ++x, u += flip * ratio * cosine, v -= ratio * sine)
        *out++ = level.sample(static_cast<int>(std::floor(u)), static_cast<int>(std::floor(v)));
    }
    return patch;
  }

 private:
  struct Level {
    int side = 0;
    std::vector<Rgba> pixels;  // with a border of one transparent pixel

    explicit Level(int s) : side(s), pixels(static_cast<std::size_t>(s + 2) * (s + 2)) {}
    Rgba& at(int y, int x) { return pixels[static_cast<std::size_t>((y + 1) * (side + 2) + x + 1)]; }
    Rgba at(int y, int x) const { return pixels[static_cast<std::size_t>((y + 1) * (side + 2) + x + 1)]; }

    /// Bilinear, at 1/256 pixels.
    Rgba sample(int u, int v) const {
      const int x = u >> 8, y = v >> 8;
      if (x < -1 || y < -1 || x >= side || y >= side) return 0;
      const Rgba* p = &pixels[static_cast<std::size_t>((y + 1) * (side + 2) + x + 1)];
      const auto w = static_cast<unsigned>(u & 255);
      return mix(mix(p[0], p[1], w), mix(p[side + 2], p[side + 3], w), static_cast<unsigned>(v & 255));
    }
  };

  /// Rec. 601 luma.
  static unsigned light_of(Rgba p) { return (77 * channel(p, 0) + 150 * channel(p, 1) + 29 * channel(p, 2)) >> 8; }

  static Level halved(const Level& from) {
    Level to((from.side + 1) / 2);
    for (int y = 0; y < to.side; ++y)
      for (int x = 0; x < to.side; ++x) {
        const Rgba p[4] = {from.at(2 * y, 2 * x), from.at(2 * y, 2 * x + 1), from.at(2 * y + 1, 2 * x),
                           from.at(2 * y + 1, 2 * x + 1)};
        unsigned sum[4] = {2, 2, 2, 2};
        for (const Rgba q : p)
          for (int c = 0; c < 4; ++c) sum[c] += channel(q, c);
        to.at(y, x) = rgba(sum[0] / 4, sum[1] / 4, sum[2] / 4, sum[3] / 4);
      }
    return to;
  }

  std::vector<Level> levels_;
  unsigned brightest_ = 255;  // the light that a quarter of the pixels reach: all of the colour
};

}  // namespace contrastive::detail
