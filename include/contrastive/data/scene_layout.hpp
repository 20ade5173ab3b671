// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/data/scene.hpp"
#include "contrastive/data/scene_splits.hpp"
#include "contrastive/data/sprite.hpp"

namespace contrastive::detail {

/// The first sprites of a scene, which its class is: drawn apart from the rest, so that a label costs nothing.
struct SceneStart {
  SceneSprite main;
  int count = 1;    // of the main group
  int sprites = 1;  // of all
  Motion motion = Motion::none;
};

/// Draws scenes. Sprite sizes, places and distances go together as in a picture taken from above: what is nearer is larger
/// and lower on the whole, and hides what is farther.
class SceneLayout {
 public:
  /// `sprites` must outlive it. `split`: what is in a scene, see `Scenes`; `hold_out`: of training.
  SceneLayout(const std::vector<Sprite>& sprites, const std::vector<std::string>& nouns, const std::string& split,
              int canvas, int least, int most, bool moving, bool hold_out)
      : sprites_(sprites),
        splits_(nouns, hold_out),
        split_(split),
        canvas_(canvas),
        least_(least),
        most_(most),
        moving_(moving) {}

  const SceneSplits& splits() const { return splits_; }

  SceneStart start(Rng rng) const {
    Stream draw(rng / "main");
    const auto one_of = [&](const std::vector<int>& nouns) { return nouns[draw.below(nouns.size())]; };
    SceneStart start;
    SceneSprite& main = start.main;
    main.noun = one_of(split_ == "names"          ? splits_.unseen()
                       : split_ == "combinations" ? splits_.with_held_colour()
                       : split_ == "orders"       ? splits_.with_held_order()
                                                  : splits_.seen());
    main.colour = split_ == "combinations" ? colour_of(draw, main.noun, true) : colour_of(draw, main.noun, false);
    main.size = pick(draw, {0.15, 0.4});
    start.motion = moving_ ? static_cast<Motion>(1 + draw.below(4)) : Motion::none;
    const int least = std::max(least_, split_ == "orders" ? 2 : 1);
    start.sprites = least + static_cast<int>(draw.below(static_cast<std::uint64_t>(most_ - least + 1)));
    const int room = start.sprites - (split_ == "orders" ? 1 : 0);
    start.count = moving_ ? 1 : std::min(room, 1 + pick(draw, {0.75, 0.18}));
    if (start.count > 2 || (start.count > 1 && start.sprites > 4)) main.size = std::min(main.size, 1);  // no room
    return start;
  }

  Scene scene(Rng rng) const {
    SceneStart start = this->start(rng);
    const int fewest = std::max(start.count + (split_ == "orders" ? 1 : 0), least_);
    for (std::uint64_t attempt = 0;; ++attempt) {
      // Hardly any scene needs this many: one sprite less then fits where all did not.
      if (attempt > 0 && attempt % 100 == 0 && start.sprites > fewest) --start.sprites;
      require(attempt < 100000, "[scenes] no scene with ", start.sprites, " sprites can be made");
      Stream draw(rng / "layout" / attempt);
      Scene scene;
      if (fill(draw, start, scene) && place(draw, scene) && paint(scene) && keeps(scene)) return scene;
    }
  }

 private:
  /// 0, 1 or 2, the first two with the chances given.
  static int pick(Stream& draw, std::array<double, 2> chances) {
    const double u = draw.uniform();
    return u < chances[0] ? 0 : u < chances[0] + chances[1] ? 1 : 2;
  }

  int colour_of(Stream& draw, int noun, bool held) const {
    if (!held && draw.chance(0.4)) return -1;
    for (;;)
      if (const int colour = static_cast<int>(draw.below(tints.size())); splits_.holds_colour(colour, noun) == held)
        return colour;
  }

  /// Chooses the sprites; false where two groups could not be told apart.
  bool fill(Stream& draw, const SceneStart& start, Scene& scene) const {
    scene.motion = start.motion;
    const auto add = [&](SceneSprite sprite, int count) {
      sprite.group = scene.sprites.empty() ? 0 : scene.sprites.back().group + 1;
      for (int k = 0; k < count; ++k) {
        const auto [low, high] = size_ranges[static_cast<std::size_t>(sprite.size)];
        sprite.pose.size = draw.uniform(low, high);
        sprite.pose.angle = draw.uniform(-0.2, 0.2);
        sprite.pose.mirrored = draw.chance(0.5);
        scene.sprites.push_back(sprite);
      }
    };
    add(start.main, start.count);
    const double largest =
        std::max_element(scene.sprites.begin(), scene.sprites.end(), [](const auto& a, const auto& b) {
          return a.pose.size < b.pose.size;
        })->pose.size;
    while (static_cast<int>(scene.sprites.size()) < start.sprites) {
      const int room = start.sprites - static_cast<int>(scene.sprites.size());
      SceneSprite other;
      const bool partner = split_ == "orders" && scene.sprites.back().group == 0;
      do other.noun = splits_.seen()[draw.below(splits_.seen().size())];
      while (partner && !splits_.holds_order(start.main.noun, other.noun) &&
             !splits_.holds_order(other.noun, start.main.noun));
      other.colour = colour_of(draw, other.noun, false);
      other.size = static_cast<int>(draw.below(static_cast<std::uint64_t>(start.main.size + 1)));
      for (const SceneSprite& known : scene.sprites)
        if (known.noun == other.noun && (known.colour < 0 || other.colour < 0 || known.colour == other.colour))
          return false;
      add(other, std::min(room, 1 + pick(draw, {0.75, 0.18})));
    }
    for (SceneSprite& sprite : scene.sprites) sprite.pose.size = std::min(sprite.pose.size, largest);
    return true;
  }

  /// Finds places with little overlap; false where there is none.
  bool place(Stream& draw, Scene& scene) const {
    for (std::size_t s = 0; s < scene.sprites.size(); ++s) {
      Pose& pose = scene.sprites[s].pose;
      const double half = pose.size / 2;
      double low_x = half, high_x = 1 - half, low_y = half, high_y = 1 - half;
      if (s == 0 && scene.motion != Motion::none) {  // room for the way it goes
        scene.path = std::min(0.45, 1 - pose.size);
        if (scene.motion == Motion::left) low_x += scene.path;
        if (scene.motion == Motion::right) high_x -= scene.path;
        if (scene.motion == Motion::up) low_y += scene.path;
        if (scene.motion == Motion::down) high_y -= scene.path;
      }
      bool found = false;
      for (int tries = 0; tries < 12 && !found; ++tries) {
        pose.x = draw.uniform(low_x, high_x), pose.y = draw.uniform(low_y, high_y);
        found = std::none_of(scene.sprites.begin(), scene.sprites.begin() + static_cast<std::ptrdiff_t>(s),
                             [&](const SceneSprite& other) {
                               return std::hypot(pose.x - other.pose.x, pose.y - other.pose.y) <
                                      0.38 * (pose.size + other.pose.size);
                             });
      }
      if (!found) return false;
      const double distance =
          3.2 * std::pow(0.36 / pose.size, 0.8) * std::exp(0.9 * (0.5 - pose.y) + draw.uniform(-0.2, 0.2));
      scene.sprites[s].distance = std::clamp(distance, 0.8, 9.0);
    }
    if (scene.motion != Motion::none) {  // what moves is in front
      double nearest = scene.sprites[0].distance;
      for (const SceneSprite& sprite : scene.sprites) nearest = std::min(nearest, sprite.distance);
      scene.sprites[0].distance = 0.9 * nearest;
    }
    scene.painted.resize(scene.sprites.size());
    for (std::size_t s = 0; s < scene.painted.size(); ++s) scene.painted[s] = s;
    std::stable_sort(scene.painted.begin(), scene.painted.end(), [&](std::size_t a, std::size_t b) {
      return scene.sprites[a].distance > scene.sprites[b].distance;
    });
    return true;
  }

  /// Finds which sprite is seen at each pixel, and the boxes; false where too little of one is.
  bool paint(Scene& scene) const {
    const auto side = static_cast<std::size_t>(canvas_);
    scene.owner.assign(side * side, no_sprite);
    std::vector<int> whole(scene.sprites.size(), 0), seen(scene.sprites.size(), 0);
    for (const std::size_t s : scene.painted) {
      const Patch patch =
          sprites_[static_cast<std::size_t>(scene.sprites[s].noun)].draw(scene.sprites[s].pose, canvas_);
      for (int y = 0; y < patch.height; ++y)
        for (int x = 0; x < patch.width; ++x)
          if (channel(patch.pixels[static_cast<std::size_t>(y * patch.width + x)], 3) >= 128) {
            scene.owner[static_cast<std::size_t>(patch.top + y) * side + static_cast<std::size_t>(patch.left + x)] =
                static_cast<std::uint8_t>(s);
            ++whole[s];
          }
    }
    scene.boxes.clear();
    for (const SceneSprite& sprite : scene.sprites) {
      const auto end = static_cast<float>(canvas_);
      scene.boxes.push_back({end, end, 0, 0, sprite.noun});
    }
    for (int y = 0; y < canvas_; ++y)
      for (int x = 0; x < canvas_; ++x)
        if (const std::uint8_t s = scene.owner[static_cast<std::size_t>(y) * side + static_cast<std::size_t>(x)];
            s != no_sprite) {
          Box& box = scene.boxes[s];
          box.left = std::min(box.left, static_cast<float>(x)), box.top = std::min(box.top, static_cast<float>(y));
          box.right = std::max(box.right, static_cast<float>(x + 1)),
          box.bottom = std::max(box.bottom, static_cast<float>(y + 1));
          ++seen[s];
        }
    for (std::size_t s = 0; s < seen.size(); ++s)
      if (seen[s] == 0 || seen[s] < least_seen * whole[s]) return false;
    return true;
  }

  /// Finds the relation, and looks whether the split may show these orders.
  bool keeps(Scene& scene) const {
    const auto x_of = [&](std::size_t s) { return (scene.boxes[s].left + scene.boxes[s].right) / 2; };
    bool asked = false;
    for (std::size_t a = 0; a < scene.sprites.size(); ++a)
      for (std::size_t b = 0; b < scene.sprites.size(); ++b)
        if (x_of(a) < x_of(b) && splits_.holds_order(scene.sprites[a].noun, scene.sprites[b].noun)) {
          if (split_ != "orders" || scene.sprites[a].group + scene.sprites[b].group != 1) return false;
          asked = true;
        }
    for (int other = 1; other <= scene.sprites.back().group && scene.partner == 0; ++other)
      if ((scene.relation = relation_of(scene, 0, other, canvas_)) != Relation::none) scene.partner = other;
    return split_ != "orders" ||
           (asked && scene.partner == 1 && (scene.relation == Relation::left || scene.relation == Relation::right));
  }

  const std::vector<Sprite>& sprites_;
  SceneSplits splits_;
  std::string split_;
  int canvas_, least_, most_;
  bool moving_;
};

}  // namespace contrastive::detail
