// SPDX-License-Identifier: MIT
#include "contrastive/augment/lab.hpp"

#include <cmath>
#include <vector>

#include "contrastive/augment/normalize.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"

using namespace contrastive;

namespace {

using Triple = std::array<double, 3>;

/// CIE 15, with the constants of IEC 61966-2-1 and D65 that skimage has.
Triple lab_of(int r, int g, int b) {
  const auto linear = [](int level) {
    const double v = level / 255.0;
    return v > 0.04045 ? std::pow((v + 0.055) / 1.055, 2.4) : v / 12.92;
  };
  const double R = linear(r), G = linear(g), B = linear(b);
  const auto f = [](double t) { return t > 0.008856 ? std::cbrt(t) : 7.787 * t + 16.0 / 116.0; };
  const double x = f((0.412453 * R + 0.357580 * G + 0.180423 * B) / 0.95047);
  const double y = f(0.212671 * R + 0.715160 * G + 0.072169 * B);
  const double z = f((0.019334 * R + 0.119193 * G + 0.950227 * B) / 1.08883);
  return {116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

Canvas canvas_of(const std::vector<std::array<int, 3>>& pixels) {
  Canvas canvas;
  canvas.reshape(1, static_cast<int>(pixels.size()), 3);
  for (std::size_t i = 0; i < pixels.size(); ++i)
    for (int c = 0; c < 3; ++c) canvas.plane(c)[i] = static_cast<std::uint8_t>(pixels[i][static_cast<std::size_t>(c)]);
  return canvas;
}

template <class Step>
std::vector<float> write(Step step, const Canvas& canvas, bool plain) {
  if (plain) step.mean = {0, 0, 0}, step.std = {1, 1, 1};
  std::vector<float> out(static_cast<std::size_t>(canvas.count() * 3));
  step.write(canvas, out.data());
  return out;
}

}  // namespace

TEST_CASE("Lab of the primaries is the published one", "[augment]") {
  // As skimage prints them.
  const std::vector<std::array<int, 3>> pixels{{255, 255, 255}, {0, 0, 0}, {255, 0, 0}, {0, 255, 0}, {0, 0, 255}};
  const Triple want[] = {{100, -0.0025, 0.0047},
                         {0, 0, 0},
                         {53.2406, 80.0923, 67.2028},
                         {87.7351, -86.1830, 83.1797},
                         {32.2957, 79.1856, -107.8573}};
  const std::vector<float> lab = write(Lab{}, canvas_of(pixels), true);
  for (std::size_t i = 0; i < pixels.size(); ++i)
    for (std::size_t c = 0; c < 3; ++c) CHECK(std::abs(lab[3 * i + c] - want[i][c]) < 2e-4);
}

TEST_CASE("Lab and YCbCr equal their formulas for colours of the whole cube", "[augment]") {
  std::vector<std::array<int, 3>> pixels;
  for (int r = 0; r < 256; r += 15)
    for (int g = 0; g < 256; g += 17)
      for (int b = 0; b < 256; b += 5) pixels.push_back({r, g, b});
  const Canvas canvas = canvas_of(pixels);
  const std::vector<float> lab = write(Lab{}, canvas, true), scaled = write(Lab{}, canvas, false);
  const std::vector<float> ycbcr = write(YCbCr{}, canvas, true);
  double worst = 0, worst_scaled = 0, worst_y = 0;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const auto [r, g, b] = pixels[i];
    const Triple want = lab_of(r, g, b);
    const Triple mean{50, 6.025, -6.6895}, std{50, 92.208, 101.1675};
    const double R = r / 255.0, G = g / 255.0, B = b / 255.0;
    const Triple y{16 + 65.481 * R + 128.553 * G + 24.966 * B, 128 - 37.797 * R - 74.203 * G + 112 * B,
                   128 + 112 * R - 93.786 * G - 18.214 * B};
    for (std::size_t c = 0; c < 3; ++c) {
      worst = larger(worst, std::abs(lab[3 * i + c] - want[c]));
      worst_scaled = larger(worst_scaled, std::abs(scaled[3 * i + c] - (want[c] - mean[c]) / std[c]));
      worst_y = larger(worst_y, std::abs(ycbcr[3 * i + c] - y[c]));
    }
  }
  CHECK(worst < 1e-4);
  CHECK(worst_scaled < 1e-6);
  CHECK(worst_y < 2e-5);
  // And back to the pixels.
  const auto farthest = [&](const auto& step, const std::vector<float>& numbers) {
    const Image back = step.picture(numbers.data(), 1, static_cast<int>(pixels.size()), 3);
    int far = 0;
    for (std::size_t i = 0; i < pixels.size(); ++i)
      for (std::size_t c = 0; c < 3; ++c) far = std::max(far, std::abs(back.pixels[3 * i + c] - pixels[i][c]));
    return far;
  };
  CHECK(farthest(Lab{}, scaled) <= 1);
  CHECK(farthest(YCbCr{}, write(YCbCr{}, canvas, false)) <= 1);
  Canvas grey;
  grey.reshape(2, 2, 1);
  std::vector<float> out(12);
  CHECK_THROWS_WITH(Lab{}.write(grey, out.data()), Contains("[lab] expected an RGB view, got 1 channel"));
}
