// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/data/scenes.hpp"

namespace contrastive {

/// Scenes whose classes are words of colour and noun, "red apple", and the noun alone for sprites as they are drawn: labels,
/// boxes and masks are of these.
class ScenePhrases {
 public:
  explicit ScenePhrases(Scenes scenes) : scenes_(std::move(scenes)) {
    names_ = scenes_.class_names();
    for (const detail::Tint& tint : detail::tints)
      for (const std::string& noun : scenes_.class_names()) names_.push_back(std::string(tint.word) + " " + noun);
  }

  const Scenes& scenes() const { return scenes_; }
  std::size_t size() const { return scenes_.size(); }
  std::string name() const { return scenes_.name(); }
  const std::vector<std::string>& class_names() const { return names_; }
  std::string describe(std::size_t i) const { return scenes_.describe(i); }

  int noun_of(int phrase) const { return phrase % nouns(); }
  /// -1: as it is drawn.
  int colour_of(int phrase) const { return phrase / nouns() - 1; }
  int phrase_of(const SceneSprite& sprite) const { return (sprite.colour + 1) * nouns() + sprite.noun; }
  /// True where training shows the phrase.
  bool seen(int phrase) const { return scenes_.seen(noun_of(phrase), colour_of(phrase)); }

  int label(std::size_t i) const { return phrase_of(scenes_.scene(i).sprites[0]); }
  Parts parts() const { return scenes_.parts(); }
  Sample sample(std::size_t i, Parts wanted, const CropPlan& plan) const {
    Sample sample = scenes_.sample(i, wanted, plan);
    if (!wanted.contains(Part::mask) && !wanted.contains(Part::boxes)) return sample;
    const Scene scene = scenes_.scene(i);
    for (std::size_t p = 0; p < sample.mask.labels.size(); ++p)
      if (scene.owner[p] != detail::no_sprite)
        sample.mask.labels[p] = static_cast<std::uint16_t>(phrase_of(scene.sprites[scene.owner[p]]));
    for (std::size_t b = 0; b < sample.boxes.size(); ++b) sample.boxes[b].label = phrase_of(scene.sprites[b]);
    return sample;
  }

 private:
  int nouns() const { return static_cast<int>(scenes_.class_names().size()); }

  Scenes scenes_;
  std::vector<std::string> names_;
};

}  // namespace contrastive
