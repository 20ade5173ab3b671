// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/data/scenes.hpp"

namespace contrastive {

/// Sprites cut out of scenes as a detector cuts objects out of images: image i is one sprite of scene i in a square 1 to 1.5
/// times as large as its box, moved by up to a tenth of it, with what lies around it; the texts name that sprite alone. Every
/// noun is shown in every colour. A teacher that has to read regions (ViLD) learns from these.
class SceneObjects {
 public:
  explicit SceneObjects(SceneOptions options)
      : rng_(Rng(options.seed) / "objects" / options.split), scenes_(whole(std::move(options))) {}

  std::size_t size() const { return scenes_.size(); }
  std::string name() const { return "objects of " + scenes_.name(); }
  const std::vector<std::string>& class_names() const { return scenes_.class_names(); }
  std::string describe(std::size_t i) const { return "an object of " + scenes_.describe(i); }

  int label(std::size_t i) const { return sprite(i, scenes_.scene(i)).noun; }
  Parts parts() const { return Part::image | Part::texts; }
  Sample sample(std::size_t i, Parts wanted, const CropPlan&) const {
    const Scene scene = scenes_.scene(i);
    Sample sample;
    if (wanted.contains(Part::image)) sample.image = region(i, scene);
    sample.full = {sample.image.height, sample.image.width};
    if (wanted.contains(Part::texts)) sample.texts = texts(sprite(i, scene));
    return sample;
  }

 private:
  static SceneOptions whole(SceneOptions options) {
    options.hold_out = false;
    return options;
  }
  std::size_t chosen(std::size_t i, const Scene& scene) const {
    return static_cast<std::size_t>(Stream(rng_ / i / "sprite").below(scene.sprites.size()));
  }
  const SceneSprite& sprite(std::size_t i, const Scene& scene) const { return scene.sprites[chosen(i, scene)]; }

  /// The words from the fullest to the shortest: "a red apple", "red apple", "apple".
  std::vector<std::string> texts(const SceneSprite& sprite) const {
    const std::string& noun = class_names()[static_cast<std::size_t>(sprite.noun)];
    if (sprite.colour < 0) return {detail::with_article(noun), noun};
    const std::string phrase = join(detail::tints[static_cast<std::size_t>(sprite.colour)].word, " ", noun);
    return {detail::with_article(phrase), phrase, noun};
  }

  Image region(std::size_t i, const Scene& scene) const {
    Stream draw(rng_ / i / "region");
    const Box& box = scene.boxes[chosen(i, scene)];
    const Image image = scenes_.image(i);
    const double object = std::max(box.right - box.left, box.bottom - box.top);
    const double times = draw.uniform(1.0, 1.5);
    const int side = std::clamp(static_cast<int>(std::lround(object * times)), 2, std::min(image.height, image.width));
    const auto start = [&](double middle, int full) {
      const double moved = middle + object * draw.uniform(-0.1, 0.1);
      return std::clamp(static_cast<int>(std::lround(moved - side / 2.0)), 0, full - side);
    };
    const int left = start((box.left + box.right) / 2, image.width);
    const int top = start((box.top + box.bottom) / 2, image.height);
    Image region(side, side, image.channels);
    for (int y = 0; y < side; ++y)
      std::copy_n(image.row(top + y) + left * image.channels, side * image.channels, region.row(y));
    return region;
  }

  Rng rng_;
  Scenes scenes_;
};

}  // namespace contrastive
