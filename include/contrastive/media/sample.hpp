// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "contrastive/media/boxes.hpp"
#include "contrastive/media/clip.hpp"
#include "contrastive/media/image.hpp"
#include "contrastive/media/maps.hpp"
#include "contrastive/media/points.hpp"
#include "contrastive/media/sound.hpp"

namespace contrastive {

/// What one place of a data set holds. Parts that the set has not, or that nobody asked for, are empty.
struct Sample {
  Image image;
  ImageSize full;  // of the image; the decoder may have made a smaller one (media/crop_plan.hpp)
  std::vector<std::string> texts;
  Sound sound;
  Clip clip;
  PointCloud points;
  std::vector<Box> boxes;
  LabelMap mask;
  DepthMap depth;
  int label = -1;
};

enum class Part : unsigned {
  image = 1,
  texts = 2,
  sound = 4,
  clip = 8,
  points = 16,
  boxes = 32,
  mask = 64,
  depth = 128
};

/// A set of parts: those that a data set has, or that an augmentation asks for.
class Parts {
 public:
  constexpr Parts() = default;
  constexpr Parts(Part part) : bits_(static_cast<unsigned>(part)) {}

  constexpr bool contains(Parts other) const { return (bits_ & other.bits_) == other.bits_; }
  friend constexpr Parts operator|(Parts a, Parts b) {
    a.bits_ |= b.bits_;
    return a;
  }
  constexpr Parts without(Parts other) const {
    Parts rest = *this;
    rest.bits_ &= ~other.bits_;
    return rest;
  }
  friend constexpr bool operator==(Parts, Parts) = default;
  friend constexpr auto operator<=>(Parts, Parts) = default;

 private:
  unsigned bits_ = 0;
};
constexpr Parts operator|(Part a, Part b) { return Parts(a) | Parts(b); }

/// "image, texts"; "nothing" of the empty set.
inline std::string to_string(Parts parts) {
  constexpr const char* names[] = {"image", "texts", "sound", "clip", "points", "boxes", "mask", "depth"};
  std::string text;
  for (unsigned i = 0; i < 8; ++i)
    if (parts.contains(static_cast<Part>(1u << i))) text += (text.empty() ? "" : ", ") + std::string(names[i]);
  return text.empty() ? "nothing" : text;
}

}  // namespace contrastive
