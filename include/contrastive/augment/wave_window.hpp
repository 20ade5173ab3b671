// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "contrastive/augment/augment.hpp"
#include "contrastive/core/error.hpp"

namespace contrastive {

/// One view of a recording (`recording` in data/image.hpp): `length` of its samples, (length, 1, 1) in [-1, 1). A random
/// stretch for training, all of them equally likely; the middle one for evaluation. What is shorter starts the view, and
/// zeros end it. Throws where the image is no recording.
struct WaveWindow {
  int length = 20480;
  bool random = true;

  std::vector<ViewSpec> views() const { return {{.size = length, .channels = 1, .picture = false, .width = 1}}; }
  std::size_t globals() const { return 1; }

  void operator()(const Image& sound, Rng rng, std::span<float* const> out, std::span<Drawn> drawn) const {
    require(sound.width == 1 && sound.channels == 2, "[wave_window] expected a recording (T, 1, 2), got (",
            sound.height, ", ", sound.width, ", ", sound.channels, ")");
    const int spare = std::max(0, sound.height - length), count = std::min(length, sound.height);
    const int start =
        random ? static_cast<int>(Stream(rng / 0).below(static_cast<std::uint64_t>(spare) + 1)) : spare / 2;
    for (int t = 0; t < count; ++t) out[0][t] = static_cast<float>(sample_of(sound, start + t)) / 32768;
    std::fill(out[0] + count, out[0] + length, 0.f);
    if (!drawn.empty()) drawn[0].crop = {start, 0, count, 1};
  }
};

}  // namespace contrastive
