// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/media/image.hpp"

namespace contrastive {

/// What a picture of `Shapes` was drawn from; each is an index.
struct ShapeFactors {
  int shape = 0;       // circle, square, triangle, star, cross, ring
  int colour = 0;      // eight hues
  int size = 0;        // small, medium, large
  int rotation = 0;    // eight sectors of a turn
  int background = 0;  // plain, gradient, stripes, checks
};

/// Coloured shapes on patterned grounds, drawn from a seed without any file: the set of the tests. Position, exact
/// size, angle, shades and noise vary freely within the factors, so that raw pixels say little about the shape and a
/// trained encoder is plainly better than a random one. Picture i depends on (seed, split, i) alone.
class Shapes {
 public:
  /// `label` is the factor that pictures are labelled by: shape, colour, size, rotation or background. `split` is
  /// "train" or "test".
  Shapes(std::size_t count, int image_size, const std::string& label = "shape", std::uint64_t seed = 0,
         const std::string& split = "train")
      : count_(count), image_size_(image_size), title_("shapes " + split), rng_(Rng(seed) / "shapes" / split) {
    require(split == "train" || split == "test", "[shapes] split is train or test, got ", split);
    require(image_size >= 8 && image_size <= 4096, "[shapes] image size must be 8 to 4096, got ", image_size);
    const auto found = std::find(factor_names.begin(), factor_names.end(), label);
    require(found != factor_names.end(), "[shapes] label is shape, colour, size, rotation or background, got ", label);
    factor_ = static_cast<std::size_t>(found - factor_names.begin());
  }

  std::size_t size() const { return count_; }
  const std::string& name() const { return title_; }

  ShapeFactors factors(std::size_t i) const {
    Stream draw(rng_ / i / "factors");
    const auto pick = [&](std::uint64_t n) { return static_cast<int>(draw.below(n)); };
    ShapeFactors factors;
    factors.shape = pick(6), factors.colour = pick(8), factors.size = pick(3);
    factors.rotation = pick(8), factors.background = pick(4);
    return factors;
  }

  int label(std::size_t i) const {
    const ShapeFactors f = factors(i);
    return std::array{f.shape, f.colour, f.size, f.rotation, f.background}[factor_];
  }

  std::vector<std::string> class_names() const { return words()[factor_]; }

  /// What the picture shows: "a small red circle on stripes", "a red circle".
  std::vector<std::string> texts(std::size_t i) const {
    const ShapeFactors f = factors(i);
    const auto word = [](std::size_t factor, int k) { return words()[factor][static_cast<std::size_t>(k)]; };
    const std::string shape = word(1, f.colour) + " " + word(0, f.shape), article = f.colour == 1 ? "an " : "a ";
    const std::string ground = f.background == 0   ? "a plain ground"
                               : f.background == 1 ? "a gradient"
                                                   : word(4, f.background);
    return {"a " + word(2, f.size) + " " + shape + " on " + ground, article + shape};
  }

  Image image(std::size_t i) const {
    require(i < count_, "[shapes] picture ", i, " of ", count_);
    const ShapeFactors f = factors(i);
    Stream draw(rng_ / i / "picture");
    const double radius = std::array{0.17, 0.25, 0.34}[static_cast<std::size_t>(f.size)] * draw.uniform(0.9, 1.1);
    const double cx = draw.uniform(radius, 1 - radius), cy = draw.uniform(radius, 1 - radius);
    const double angle = (f.rotation + draw.uniform(-0.4, 0.4)) * 0.7853981633974483;
    const double cosine = std::cos(angle), sine = std::sin(angle);
    const Colour ink = hue(f.colour / 8.0 + draw.uniform(-0.03, 0.03), draw.uniform(0.6, 1.0), draw.uniform(0.65, 1.0));
    const Colour ground = hue(draw.uniform(), draw.uniform(0.0, 0.5), draw.uniform(0.1, 0.9));
    const Colour second = hue(draw.uniform(), draw.uniform(0.0, 0.5), draw.uniform(0.1, 0.9));
    const double slant = draw.uniform(0, 6.283185307179586), period = draw.uniform(4, 9);
    const double gx = std::cos(slant), gy = std::sin(slant), noise = draw.uniform(2, 14);

    Image image(image_size_, image_size_, 3);
    std::uint8_t* out = image.pixels.data();
    for (int y = 0; y < image_size_; ++y)
      for (int x = 0; x < image_size_; ++x) {
        const double px = (x + 0.5) / image_size_, py = (y + 0.5) / image_size_;
        const double along = gx * (px - 0.5) + gy * (py - 0.5), across = gx * (py - 0.5) - gy * (px - 0.5);
        double mix = 0;
        if (f.background == 1) mix = std::clamp(0.5 + along, 0.0, 1.0);
        if (f.background == 2) mix = band(along * period);
        if (f.background == 3) mix = std::abs(band(along * period) - band(across * period));
        // Four samples a pixel smooth the edge.
        int covered = 0;
        for (double sy : {-0.25, 0.25})
          for (double sx : {-0.25, 0.25}) {
            const double dx = (px + sx / image_size_ - cx) / radius, dy = (py + sy / image_size_ - cy) / radius;
            covered += inside(f.shape, dx * cosine + dy * sine, dy * cosine - dx * sine);
          }
        std::uint64_t bits = draw.bits64();
        for (std::size_t c = 0; c < 3; ++c, bits >>= 20) {
          // Two uniforms of ten bits: triangular noise, variance 1.
          const double grain = (static_cast<double>(bits % 1024 + (bits >> 10) % 1024) - 1023.0) / 418.0;
          const double behind = ground[c] + mix * (second[c] - ground[c]);
          const double value = 255 * (behind + covered / 4.0 * (ink[c] - behind)) + noise * grain;
          *out++ = static_cast<std::uint8_t>(std::clamp(value + 0.5, 0.0, 255.0));
        }
      }
    return image;
  }

 private:
  /// The names of the values of each factor.
  static const std::array<std::vector<std::string>, 5>& words() {
    static const std::array<std::vector<std::string>, 5> names = {{
        {"circle", "square", "triangle", "star", "cross", "ring"},
        {"red", "orange", "lime", "green", "cyan", "blue", "violet", "pink"},
        {"small", "medium", "large"},
        {"0", "45", "90", "135", "180", "225", "270", "315"},
        {"plain", "gradient", "stripes", "checks"},
    }};
    return names;
  }

  using Colour = std::array<double, 3>;
  static constexpr std::array<const char*, 5> factor_names = {"shape", "colour", "size", "rotation", "background"};

  static double band(double t) { return t - std::floor(t) < 0.5 ? 0.0 : 1.0; }

  /// HSV to RGB; the hue wraps.
  static Colour hue(double h, double saturation, double value) {
    Colour rgb{};
    for (int c = 0; c < 3; ++c) {
      const double k = std::fmod(5.0 - 2.0 * c + 6.0 * (h + 1.0), 6.0);
      rgb[static_cast<std::size_t>(c)] = value * (1.0 - saturation * std::clamp(std::min(k, 4.0 - k), 0.0, 1.0));
    }
    return rgb;
  }

  /// Whether (u, v) lies in the shape, which fits the unit circle.
  static bool inside(int shape, double u, double v) {
    const double r = std::sqrt(u * u + v * v);
    switch (shape) {
      case 0: return r < 0.9;
      case 1: return std::max(std::abs(u), std::abs(v)) < 0.75;
      case 2: return v < 0.5 && v > 1.7320508 * std::abs(u) - 1.0;
      case 3: {  // five points
        const double sector = 1.2566370614359172, t = std::atan2(u, -v) / sector;
        return r < 0.38 + 0.62 * std::pow(2.0 * std::abs(t - std::floor(t) - 0.5), 1.5);
      }
      case 4: return std::min(std::abs(u), std::abs(v)) < 0.3 && std::max(std::abs(u), std::abs(v)) < 0.95;
      default: return r < 0.95 && r > 0.55;
    }
  }

  std::size_t count_;
  int image_size_;
  std::size_t factor_ = 0;
  std::string title_;
  Rng rng_;
};

}  // namespace contrastive
