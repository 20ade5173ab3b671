// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/data/scene_captions.hpp"
#include "contrastive/data/sprite.hpp"
#include "contrastive/media/boxes.hpp"

namespace contrastive {

/// One sprite of a scene.
struct SceneSprite {
  int group = 0;
  int noun = 0;
  int colour = -1;       // index into the eight colours, -1: as it is drawn
  int size = 1;          // 0 small, 1 neither, 2 large
  detail::Pose pose;     // on a canvas whose sides are 1; in the first frame
  double distance = 10;  // metres
};

/// What a scene shows, group by group, the main group first.
struct Scene {
  std::vector<SceneSprite> sprites;
  std::vector<Box> boxes;              // of each sprite: what can be seen of it
  std::vector<std::size_t> painted;    // sprites from the farthest to the nearest
  std::vector<std::uint8_t> owner;     // (H, W) the sprite that is seen at a pixel, 255: the ground
  Relation relation = Relation::none;  // of the main group to another
  int partner = 0;                     // that other group; 0: none
  Motion motion = Motion::none;        // of the first sprite
  double path = 0;                     // its length
};

namespace detail {

inline constexpr std::uint8_t no_sprite = 255;
inline constexpr double clear_gap = 0.2;       // between centres, of the canvas, for a relation to be said
inline constexpr double least_seen = 0.6;      // of each sprite
inline constexpr double ground_distance = 10;  // metres
inline constexpr std::array<const char*, 3> size_words = {"small", "", "large"};
inline constexpr std::array<std::pair<double, double>, 3> size_ranges = {{{0.25, 0.30}, {0.36, 0.42}, {0.50, 0.58}}};

/// On which side of all sprites of a group all of another lie, by the centres of what is seen and with a clear gap.
inline Relation relation_of(const Scene& scene, int first, int second, int canvas) {
  double gaps[5] = {0, 1e9, 1e9, 1e9, 1e9};
  for (std::size_t a = 0; a < scene.sprites.size(); ++a)
    for (std::size_t b = 0; b < scene.sprites.size(); ++b)
      if (scene.sprites[a].group == first && scene.sprites[b].group == second) {
        const Box &p = scene.boxes[a], &q = scene.boxes[b];
        const double dx = (q.left + q.right - p.left - p.right) / 2, dy = (q.top + q.bottom - p.top - p.bottom) / 2;
        gaps[1] = std::min(gaps[1], dx), gaps[2] = std::min(gaps[2], -dx);
        gaps[3] = std::min(gaps[3], dy), gaps[4] = std::min(gaps[4], -dy);
      }
  const double* best = std::max_element(gaps + 1, gaps + 5);
  return *best >= clear_gap * canvas ? static_cast<Relation>(best - gaps) : Relation::none;
}

}  // namespace detail

}  // namespace contrastive
