// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contrastive/media/boxes.hpp"
#include "contrastive/media/image.hpp"

/// Masks, boxes and words on images, for the report.
namespace contrastive {

using Rgb = std::array<std::uint8_t, 3>;

/// A colour of its own for each number: hues that lie far apart for numbers that follow each other.
inline Rgb colour_of_label(std::int64_t label) {
  const double turn = 0.6180339887498949 * static_cast<double>(label);
  const double hue = 6 * (turn - std::floor(turn)), value = label % 2 == 0 ? 255 : 190;
  Rgb rgb{};
  for (std::size_t c = 0; c < 3; ++c) {
    const double k = std::fmod(5.0 - 2.0 * static_cast<double>(c) + hue, 6.0);
    rgb[c] = static_cast<std::uint8_t>(std::lround(value * (1 - 0.8 * std::clamp(std::min(k, 4 - k), 0.0, 1.0))));
  }
  return rgb;
}

/// The image in colour, each pixel `factor` by `factor`.
inline Image enlarged(const Image& image, int factor) {
  Image large(image.height * factor, image.width * factor, 3);
  for (int y = 0; y < large.height; ++y)
    for (int x = 0; x < large.width; ++x)
      for (int c = 0; c < 3; ++c)
        large.row(y)[3 * x + c] = image.row(y / factor)[x / factor * image.channels + std::min(c, image.channels - 1)];
  return large;
}

namespace detail {

/// Letters of 5 x 7 points, a column a byte, the top in the lowest bit.
inline const std::array<std::uint8_t, 5>& letter_columns(char letter) {
  static constexpr std::string_view known = "abcdefghijklmnopqrstuvwxyz0123456789-.,%':/()+ ";
  static constexpr std::array<std::array<std::uint8_t, 5>, known.size() + 1> columns = {{
      {0x20, 0x54, 0x54, 0x54, 0x78}, {0x7F, 0x48, 0x44, 0x44, 0x38}, {0x38, 0x44, 0x44, 0x44, 0x20},
      {0x38, 0x44, 0x44, 0x48, 0x7F}, {0x38, 0x54, 0x54, 0x54, 0x18}, {0x08, 0x7E, 0x09, 0x01, 0x02},
      {0x0C, 0x52, 0x52, 0x52, 0x3E}, {0x7F, 0x08, 0x04, 0x04, 0x78}, {0x00, 0x44, 0x7D, 0x40, 0x00},
      {0x20, 0x40, 0x44, 0x3D, 0x00}, {0x7F, 0x10, 0x28, 0x44, 0x00}, {0x00, 0x41, 0x7F, 0x40, 0x00},
      {0x7C, 0x04, 0x18, 0x04, 0x78}, {0x7C, 0x08, 0x04, 0x04, 0x78}, {0x38, 0x44, 0x44, 0x44, 0x38},
      {0x7C, 0x14, 0x14, 0x14, 0x08}, {0x08, 0x14, 0x14, 0x18, 0x7C}, {0x7C, 0x08, 0x04, 0x04, 0x08},
      {0x48, 0x54, 0x54, 0x54, 0x20}, {0x04, 0x3F, 0x44, 0x40, 0x20}, {0x3C, 0x40, 0x40, 0x20, 0x7C},
      {0x1C, 0x20, 0x40, 0x20, 0x1C}, {0x3C, 0x40, 0x30, 0x40, 0x3C}, {0x44, 0x28, 0x10, 0x28, 0x44},
      {0x0C, 0x50, 0x50, 0x50, 0x3C}, {0x44, 0x64, 0x54, 0x4C, 0x44}, {0x3E, 0x51, 0x49, 0x45, 0x3E},
      {0x00, 0x42, 0x7F, 0x40, 0x00}, {0x42, 0x61, 0x51, 0x49, 0x46}, {0x21, 0x41, 0x45, 0x4B, 0x31},
      {0x18, 0x14, 0x12, 0x7F, 0x10}, {0x27, 0x45, 0x45, 0x45, 0x39}, {0x3C, 0x4A, 0x49, 0x49, 0x30},
      {0x01, 0x71, 0x09, 0x05, 0x03}, {0x36, 0x49, 0x49, 0x49, 0x36}, {0x06, 0x49, 0x49, 0x29, 0x1E},
      {0x08, 0x08, 0x08, 0x08, 0x08}, {0x00, 0x60, 0x60, 0x00, 0x00}, {0x00, 0x50, 0x30, 0x00, 0x00},
      {0x23, 0x13, 0x08, 0x64, 0x62}, {0x00, 0x05, 0x03, 0x00, 0x00}, {0x00, 0x36, 0x36, 0x00, 0x00},
      {0x20, 0x10, 0x08, 0x04, 0x02}, {0x00, 0x1C, 0x22, 0x41, 0x00}, {0x00, 0x41, 0x22, 0x1C, 0x00},
      {0x08, 0x08, 0x3E, 0x08, 0x08}, {0x00, 0x00, 0x00, 0x00, 0x00}, {0x02, 0x01, 0x51, 0x09, 0x06},
  }};
  const char small = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  return columns[std::min(known.find(small), known.size())];  // a question mark for all others
}

inline void paint(Image& image, int y, int x, Rgb colour) {
  if (y < 0 || x < 0 || y >= image.height || x >= image.width) return;
  for (std::size_t c = 0; c < 3; ++c) image.row(y)[3 * x + static_cast<int>(c)] = colour[c];
}

}  // namespace detail

/// A word on a dark ground, its top left corner at (y, x) or as near as the image has room; letters are small, 8 pixels
/// high and 6 wide. `image` is in colour.
inline void draw_word(Image& image, int y, int x, std::string_view word, Rgb colour) {
  const int width = 6 * static_cast<int>(word.size()) + 1, height = 9;
  x = std::max(0, std::min(x, image.width - width)), y = std::max(0, std::min(y, image.height - height));
  for (int v = 0; v < height; ++v)
    for (int u = 0; u < width; ++u) detail::paint(image, y + v, x + u, {20, 20, 20});
  for (std::size_t k = 0; k < word.size(); ++k)
    for (std::size_t u = 0; u < 5; ++u)
      for (int v = 0; v < 7; ++v)
        if (detail::letter_columns(word[k])[u] >> v & 1)
          detail::paint(image, y + 1 + v, x + 1 + static_cast<int>(6 * k + u), colour);
}

/// The outline of a box, in pixels of the image, with a word at its top.
inline void draw_box(Image& image, const Box& box, std::string_view word, Rgb colour) {
  const int left = static_cast<int>(box.left), top = static_cast<int>(box.top);
  const int right = static_cast<int>(std::ceil(box.right)) - 1, bottom = static_cast<int>(std::ceil(box.bottom)) - 1;
  for (int x = left; x <= right; ++x) detail::paint(image, top, x, colour), detail::paint(image, bottom, x, colour);
  for (int y = top; y <= bottom; ++y) detail::paint(image, y, left, colour), detail::paint(image, y, right, colour);
  if (!word.empty()) draw_word(image, top - 9, left, word, colour);
}

/// The labels of an image's pixels over it, `factor` times as large, each in its colour with its word about the
/// middle of its pixels. labels: (H, W) row-major, negative: none; those without a word (empty) are left as they are.
inline Image labelled_image(const Image& image, std::span<const std::int64_t> labels,
                            const std::vector<std::string>& words, int factor = 4) {
  Image large = enlarged(image, factor);
  const auto label_at = [&](int y, int x) {
    const std::int64_t label =
        labels[static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(x)];
    return label >= 0 && !words[static_cast<std::size_t>(label)].empty() ? label : -1;
  };
  struct Seen {
    double y = 0, x = 0, count = 0;
  };
  std::vector<Seen> seen(words.size());
  const auto for_each_labelled = [&](auto&& f) {
    for (int y = 0; y < large.height; ++y)
      for (int x = 0; x < large.width; ++x)
        if (const std::int64_t label = label_at(y / factor, x / factor); label >= 0)
          f(y, x, static_cast<std::size_t>(label));
  };
  for_each_labelled([&](int y, int x, std::size_t label) {
    const Rgb colour = colour_of_label(static_cast<std::int64_t>(label));
    seen[label].y += y, seen[label].x += x, ++seen[label].count;
    for (std::size_t c = 0; c < 3; ++c) {
      std::uint8_t& pixel = large.row(y)[3 * x + static_cast<int>(c)];
      pixel = static_cast<std::uint8_t>((pixel + 2 * colour[c]) / 3);
    }
  });
  // A word stands on the pixel of its label that lies nearest to the middle of all of them.
  struct Place {
    int y = 0, x = 0;
    double away = 1e30;
  };
  std::vector<Place> places(words.size());
  for_each_labelled([&](int y, int x, std::size_t label) {
    const double away = std::hypot(y - seen[label].y / seen[label].count, x - seen[label].x / seen[label].count);
    if (away < places[label].away) places[label] = {y, x, away};
  });
  for (std::size_t w = 0; w < words.size(); ++w)
    if (seen[w].count >= 0.004 * large.height * large.width)  // specks have no word
      draw_word(large, places[w].y - 4, places[w].x - 3 * static_cast<int>(words[w].size()), words[w],
                colour_of_label(static_cast<std::int64_t>(w)));
  return large;
}

}  // namespace contrastive
