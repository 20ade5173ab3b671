// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "contrastive/media/image.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

/// An 8-bit tensor (H, W, 3) or (H, W) as a picture.
inline contrastive::Image golden_image(const Golden& golden, const std::string& name) {
  const contrastive::Tensor& t = golden.tensor(name);
  contrastive::Image image(static_cast<int>(t.size(0)), static_cast<int>(t.size(1)),
                           t.rank() == 3 ? static_cast<int>(t.size(2)) : 1);
  const auto pixels = t.span<std::uint8_t>();
  image.pixels.assign(pixels.begin(), pixels.end());
  return image;
}

/// The largest difference of two pictures; 1000 when their sizes differ.
inline int largest_difference(const contrastive::Image& a, const contrastive::Image& b) {
  if (a.height != b.height || a.width != b.width || a.channels != b.channels) return 1000;
  int largest = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) largest = std::max(largest, std::abs(a.pixels[i] - b.pixels[i]));
  return largest;
}

/// The formula of the reference pictures: integers only, so that every program makes the same bytes.
inline contrastive::Image formula_image(const std::string& key, int height, int width) {
  std::uint64_t k = 0xCBF29CE484222325ull;
  for (char c : key) k = (k ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  const auto splitmix = [](std::uint64_t z) {
    z += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  };
  const auto a = [&](int j) { return 1 + static_cast<int>((k >> (8 * j)) & 7); };
  const auto triangle = [](int t) { return (t & 511) < 256 ? t & 511 : 511 - (t & 511); };
  contrastive::Image image(height, width, 3);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) {
        const int p = triangle(a(0) * x + a(1) * y + 60 * a(2) * c);
        const int q = triangle(a(3) * x * (1 + c) + 5 * a(4) * y + 31 * a(5) * c + 200);
        const int n = static_cast<int>(splitmix(k + static_cast<std::uint64_t>((y * width + x) * 3 + c)) >> 56);
        const int v = ((5 * p + 2 * q + n) >> 3) - 32;
        image.row(y)[x * 3 + c] = static_cast<std::uint8_t>(std::clamp(v * 3 >> 1, 0, 255));
      }
  return image;
}
