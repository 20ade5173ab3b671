// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "contrastive/core/rng.hpp"
#include "contrastive/data/scene.hpp"
#include "contrastive/data/sprite.hpp"
#include "contrastive/media/image.hpp"

namespace contrastive::detail {

/// Soft patches of colours that are near each other, with a little grain.
inline Image draw_ground(Rng rng, int side) {
  using Colour = std::array<float, 3>;
  constexpr int cells = 3;
  Stream draw(rng);
  std::array<std::array<Colour, cells + 1>, cells + 1> nodes;
  const double base[3] = {draw.uniform(0.15, 0.85), draw.uniform(0.15, 0.85), draw.uniform(0.15, 0.85)};
  const double grey = (base[0] + base[1] + base[2]) / 3, variety = draw.uniform(0.02, 0.12), grain = draw.uniform(1, 6);
  for (auto& row : nodes)
    for (Colour& node : row)
      for (std::size_t c = 0; c < 3; ++c)
        node[c] = static_cast<float>(255 * (grey + 0.5 * (base[c] - grey) + draw.uniform(-variety, variety)));
  Image image(side, side, 3);
  const auto smooth = [&](int p, int& cell) {
    const double at = (p + 0.5) / side * cells;
    cell = static_cast<int>(at);
    const double t = at - cell;
    return static_cast<float>(t * t * (3 - 2 * t));
  };
  std::uint8_t* out = image.pixels.data();
  for (int y = 0; y < side; ++y) {
    int cell = 0;
    const float down = smooth(y, cell);
    std::array<Colour, cells + 1> row;
    for (std::size_t k = 0; k <= cells; ++k)
      for (std::size_t c = 0; c < 3; ++c) {
        const auto above = static_cast<std::size_t>(cell);
        row[k][c] = nodes[above][k][c] + down * (nodes[above + 1][k][c] - nodes[above][k][c]);
      }
    for (int x = 0; x < side; ++x) {
      const float across = smooth(x, cell);
      const auto before = static_cast<std::size_t>(cell);
      const std::uint32_t bits = draw.bits();  // the sum of two uniforms: variance 1
      const float noise = static_cast<float>(grain * ((bits & 0xFFFF) + (bits >> 16) - 65535.0) / 26755.0);
      for (std::size_t c = 0; c < 3; ++c) {
        const float value = row[before][c] + across * (row[before + 1][c] - row[before][c]) + noise + 0.5F;
        *out++ = static_cast<std::uint8_t>(std::clamp(value, 0.0F, 255.0F));
      }
    }
  }
  return image;
}

/// The sprites over what is there, the farthest first.
inline void draw_sprites(const Scene& scene, const std::vector<Sprite>& sprites, Image& image) {
  for (const std::size_t s : scene.painted) {
    const SceneSprite& sprite = scene.sprites[s];
    const Sprite& drawing = sprites[static_cast<std::size_t>(sprite.noun)];
    Patch patch = drawing.draw(sprite.pose, image.width);
    if (sprite.colour >= 0) drawing.tint(patch, tints[static_cast<std::size_t>(sprite.colour)]);
    const Rgba* from = patch.pixels.data();
    for (int y = 0; y < patch.height; ++y) {
      std::uint8_t* to = image.row(patch.top + y) + 3 * patch.left;
      for (int x = 0; x < patch.width; ++x, ++from, to += 3) {
        const unsigned behind = 255 - channel(*from, 3);
        for (int c = 0; c < 3; ++c)
          to[c] = static_cast<std::uint8_t>(std::min(255U, channel(*from, c) + (to[c] * behind + 127) / 255));
      }
    }
  }
}

}  // namespace contrastive::detail
