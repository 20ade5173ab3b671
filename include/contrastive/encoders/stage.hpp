// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "contrastive/core/error.hpp"

namespace contrastive {

/// An encoder's features at one of its depths, for decoders of dense features. Encoders that have such stages list them in
/// `stage_list()` and compute them in `stage_maps(images)`, in the same order: maps (N, H / stride, W / stride, channels) of
/// convolutional networks, the largest first; rows (N, 1 + patches, channels) of vision transformers, the class token
/// first, from the earliest block to the last.
struct Stage {
  std::int64_t channels = 0;
  int stride = 1;     // pixels of the image to one of the map that a decoder makes of it
  bool rows = false;  // of a vision transformer
  int patch = 0;      // pixels of a patch, of rows
};

/// Four stages of rows, to be brought to a quarter, a half, one and two patches a place (Ranftl et al. 2021,
/// arXiv:2103.13413, section 3.1), but to two pixels at the finest.
inline std::vector<Stage> token_stages(std::int64_t width, int patch, std::size_t depth) {
  require(depth >= 4, "[encoder] dense features come from four depths of a transformer, which has ", depth, " blocks");
  std::vector<Stage> list;
  for (const int stride : {patch / 4, patch / 2, patch, 2 * patch})
    list.push_back({width, std::max(stride, std::min(2, patch)), true, patch});
  return list;
}

/// True where block i is the last of a quarter of `depth` blocks: 2, 5, 8, 11 of 12.
inline bool ends_quarter(std::size_t i, std::size_t depth) {
  for (std::size_t quarter = 1; quarter <= 4; ++quarter)
    if (i + 1 == std::max<std::size_t>(quarter, quarter * depth / 4)) return true;
  return false;
}

}  // namespace contrastive
