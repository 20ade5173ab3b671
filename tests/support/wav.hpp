// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "contrastive/data/image.hpp"

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

inline std::vector<int> samples_of(const contrastive::Image& sound) {
  std::vector<int> values;
  for (int t = 0; t < sound.height; ++t) values.push_back(contrastive::sample_of(sound, t));
  return values;
}
