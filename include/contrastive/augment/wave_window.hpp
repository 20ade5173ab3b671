// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "contrastive/augment/view.hpp"
#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/media/sample.hpp"

namespace contrastive {

/// One view of a recording with one channel: `length` of its samples, (length, 1). A random stretch for training, all of
/// them equally likely; the middle one for evaluation. A shorter recording is followed by zeros.
struct WaveWindow {
  int length = 20480;
  bool random = true;

  std::vector<ViewSpec> views() const { return {{{length, 1}, ViewKind::sound}}; }
  std::size_t globals() const { return 1; }
  Parts parts() const { return Part::sound; }

  void operator()(const Sample& sample, Rng rng, std::span<void* const> out, std::span<Drawn> drawn) const {
    const Sound& sound = sample.sound;
    require(sound.channels == 1, "[wave_window] expected one channel, got ", sound.channels);
    const int T = static_cast<int>(sound.length()), spare = std::max(0, T - length), count = std::min(length, T);
    const int start =
        random ? static_cast<int>(Stream(rng / 0).below(static_cast<std::uint64_t>(spare) + 1)) : spare / 2;
    float* const view = static_cast<float*>(out[0]);
    std::copy_n(sound.samples.begin() + start, count, view);
    std::fill(view + count, view + length, 0.f);
    if (!drawn.empty()) drawn[0].crop = {start, 0, count, 1};
  }
};

}  // namespace contrastive
