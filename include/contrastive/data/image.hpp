// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

namespace contrastive {

/// An 8-bit picture, (H, W, C) row-major, C = 1 (grey) or 3 (RGB).
struct Image {
  int height = 0;
  int width = 0;
  int channels = 3;
  std::vector<std::uint8_t> pixels;

  Image() = default;
  Image(int h, int w, int c) : height(h), width(w), channels(c), pixels(static_cast<std::size_t>(h) * w * c) {}

  std::uint8_t* row(int y) { return pixels.data() + static_cast<std::size_t>(y) * width * channels; }
  const std::uint8_t* row(int y) const { return pixels.data() + static_cast<std::size_t>(y) * width * channels; }
};

/// A recording of sound travels as an image of (T, 1, 2), silent at first: one channel of T samples, each signed 16 bits
/// in two bytes, the low one first.
inline Image recording(int samples) { return {samples, 1, 2}; }

/// Sample t of a recording, -32768 to 32767; t is not checked.
inline int sample_of(const Image& sound, int t) {
  return static_cast<std::int16_t>(sound.row(t)[0] | sound.row(t)[1] << 8);
}
inline void set_sample(Image& sound, int t, int value) {
  sound.row(t)[0] = static_cast<std::uint8_t>(value & 255);
  sound.row(t)[1] = static_cast<std::uint8_t>(value >> 8 & 255);
}

}  // namespace contrastive
