// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "contrastive/media/sound.hpp"

/// A WAV file of 16 bits; `frames` interleaves the channels.
inline std::string wav_file(const std::vector<int>& frames, std::uint32_t rate = 16000, int channels = 1) {
  std::string file;
  const auto put = [&](std::uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) file += static_cast<char>(value >> (8 * i));
  };
  const auto width = static_cast<std::uint32_t>(2 * channels), size = static_cast<std::uint32_t>(2 * frames.size());
  file += "RIFF", put(36 + size, 4), file += "WAVE";
  file += "fmt ", put(16, 4), put(1, 2), put(width / 2, 2), put(rate, 4), put(rate * width, 4), put(width, 2),
      put(16, 2);
  file += "data", put(size, 4);
  for (const int value : frames) put(static_cast<std::uint32_t>(value), 2);
  return file;
}

/// In steps of 16 bits.
inline std::vector<int> samples_of(const contrastive::Sound& sound) {
  std::vector<int> values;
  for (const float x : sound.samples) values.push_back(static_cast<int>(std::lround(32768 * x)));
  return values;
}
