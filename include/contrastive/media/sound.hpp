// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <vector>

namespace contrastive {

/// A recording: (T, channels) row-major, silence is 0, full scale is 1.
struct Sound {
  int rate = 16000;  // samples a second
  int channels = 1;
  std::vector<float> samples;

  std::size_t length() const { return samples.size() / static_cast<std::size_t>(channels); }
};

}  // namespace contrastive
