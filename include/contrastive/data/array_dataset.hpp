// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/media/image.hpp"

namespace contrastive {

/// Pictures of one size held in memory, row by row with the channels inside: (N, H, W, C) u8.
struct ArrayDataset {
  std::string title;
  int height = 0;
  int width = 0;
  int channels = 3;
  std::vector<std::uint8_t> pixels = {};
  std::vector<int> labels = {};  // one a picture, or none at all
  std::vector<std::string> classes = {};

  std::size_t picture_bytes() const { return static_cast<std::size_t>(height) * width * channels; }
  std::size_t size() const { return picture_bytes() ? pixels.size() / picture_bytes() : 0; }
  Image image(std::size_t i) const {
    require(i < size(), "[", title, "] picture ", i, " of ", size());
    Image picture(height, width, channels);
    std::memcpy(picture.pixels.data(), pixels.data() + i * picture_bytes(), picture_bytes());
    return picture;
  }
  int label(std::size_t i) const { return labels.empty() ? -1 : labels.at(i); }
  const std::vector<std::string>& class_names() const { return classes; }
  const std::string& name() const { return title; }
};

namespace detail {

/// Planes (C, H, W) to pixels (H, W, C).
inline void interleave(const std::uint8_t* planes, int height, int width, int channels, std::uint8_t* pixels) {
  const std::size_t plane = static_cast<std::size_t>(height) * width;
  for (std::size_t p = 0; p < plane; ++p)
    for (int c = 0; c < channels; ++c) *pixels++ = planes[static_cast<std::size_t>(c) * plane + p];
}

}  // namespace detail

}  // namespace contrastive
