// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "contrastive/media/image.hpp"
#include "contrastive/media/thumbnail.hpp"

namespace contrastive {

/// A picture in grey, (height, width), without the bars at its edges.
struct GreyPicture {
  int height = 0, width = 0;
  std::vector<float> pixels;

  /// Between the pixels; y and x are counted in pixels from the upper left corner.
  float at(float y, float x) const {
    const float v = std::clamp(y - 0.5f, 0.f, static_cast<float>(height - 1)),
                u = std::clamp(x - 0.5f, 0.f, static_cast<float>(width - 1));
    const int top = static_cast<int>(v), left = static_cast<int>(u);
    const int below = std::min(top + 1, height - 1), right = std::min(left + 1, width - 1);
    const float down = v - static_cast<float>(top), across = u - static_cast<float>(left);
    const float* const upper = pixels.data() + static_cast<std::size_t>(top) * width;
    const float* const lower = pixels.data() + static_cast<std::size_t>(below) * width;
    return (1 - down) * ((1 - across) * upper[left] + across * upper[right]) +
           down * ((1 - across) * lower[left] + across * lower[right]);
  }
};

namespace detail {

inline GreyPicture grey_picture(const Image& image, int side) {
  const Image small = thumbnail(image, side);
  GreyPicture grey{small.height, small.width, {}};
  for (std::size_t i = 0; i < small.pixels.size(); i += static_cast<std::size_t>(small.channels)) {
    const std::uint8_t* const p = small.pixels.data() + i;
    grey.pixels.push_back(small.channels == 1 ? p[0] : 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2]);  // ITU-R 601
  }
  return grey;
}

/// The part inside of bars: lines at the edges that have one colour each, within what JPEG makes of it. The picture itself
/// where less than a quarter of a side would stay.
inline Image without_bars(const Image& image) {
  constexpr int noise = 16;
  const int C = image.channels;
  int top = 0, bottom = image.height, left = 0, right = image.width;
  const auto plain = [&](int y, int x, int down, int across, int count) {  // the line from (y, x)
    std::array<int, 4> least, most;
    least.fill(255), most.fill(0);
    for (int i = 0; i < count; ++i)
      for (int c = 0; c < C; ++c) {
        const int value = image.row(y + i * down)[(x + i * across) * C + c];
        least[static_cast<std::size_t>(c)] = std::min(least[static_cast<std::size_t>(c)], value);
        most[static_cast<std::size_t>(c)] = std::max(most[static_cast<std::size_t>(c)], value);
      }
    for (int c = 0; c < C; ++c)
      if (most[static_cast<std::size_t>(c)] - least[static_cast<std::size_t>(c)] > noise) return false;
    return true;
  };
  while (top < bottom && plain(top, left, 0, 1, right - left)) ++top;
  while (bottom > top && plain(bottom - 1, left, 0, 1, right - left)) --bottom;
  while (left < right && plain(top, left, 1, 0, bottom - top)) ++left;
  while (right > left && plain(top, right - 1, 1, 0, bottom - top)) --right;
  if (4 * (bottom - top) < image.height || 4 * (right - left) < image.width) return image;
  Image inner(bottom - top, right - left, C);
  for (int y = 0; y < inner.height; ++y) std::copy_n(image.row(top + y) + left * C, inner.width * C, inner.row(y));
  return inner;
}

/// A rectangle of a picture, in shares of its sides.
struct PicturePart {
  float top = 0, left = 0, height = 1, width = 1;
};

/// n x n points of a part, from left to right or mirrored.
inline void sample_part(const GreyPicture& picture, const PicturePart& part, int n, bool mirrored,
                        std::vector<float>& out) {
  out.resize(static_cast<std::size_t>(n) * n);
  const float y0 = part.top * static_cast<float>(picture.height), x0 = part.left * static_cast<float>(picture.width);
  const float dy = part.height * static_cast<float>(picture.height) / static_cast<float>(n),
              dx = part.width * static_cast<float>(picture.width) / static_cast<float>(n);
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j)
      out[static_cast<std::size_t>(i * n + (mirrored ? n - 1 - j : j))] =
          picture.at(y0 + (static_cast<float>(i) + 0.5f) * dy, x0 + (static_cast<float>(j) + 0.5f) * dx);
}

/// Less its mean, of length 1; zeros where all are equal.
inline void standardise_points(std::vector<float>& x) {
  double sum = 0, squares = 0;
  for (const float value : x) sum += value;
  const auto mean = static_cast<float>(sum / static_cast<double>(x.size()));
  for (float& value : x) {
    value -= mean;
    squares += static_cast<double>(value) * value;
  }
  // A deviation below one grey level is noise.
  const auto scale = static_cast<float>(squares > static_cast<double>(x.size()) ? 1 / std::sqrt(squares) : 0.0);
  for (float& value : x) value *= scale;
}

}  // namespace detail

/// What a picture is compared by: small, and smaller for a first look.
struct PictureSketch {
  GreyPicture fine, coarse;

  PictureSketch() = default;
  explicit PictureSketch(const Image& image) {
    const Image inner = detail::without_bars(thumbnail(image, 256));
    fine = detail::grey_picture(inner, 64);
    coarse = detail::grey_picture(inner, 24);
  }
};

namespace detail {

/// The best correlation of `piece`, perhaps mirrored, with a part of `whole` that has its shape.
inline double best_as_part(const PictureSketch& whole, const PictureSketch& piece) {
  constexpr int few = 12, many = 32;
  constexpr float smallest = 0.55f;
  std::vector<float> looked_for, seen;
  const auto correlation = [&](const GreyPicture& picture, const PicturePart& part, int n) {
    sample_part(picture, part, n, false, seen);
    standardise_points(seen);
    double sum = 0;
    for (std::size_t i = 0; i < seen.size(); ++i) sum += static_cast<double>(seen[i]) * looked_for[i];
    return sum;
  };
  // The largest part with the shape of the piece, in shares of the whole's sides.
  const float shape = static_cast<float>(piece.fine.width) / static_cast<float>(piece.fine.height) *
                      static_cast<float>(whole.fine.height) / static_cast<float>(whole.fine.width);
  const float full_width = std::min(1.f, shape), full_height = std::min(1.f, 1 / shape);
  if (std::min(full_width, full_height) < smallest) return 0;
  double best = 0;
  for (const bool mirrored : {false, true}) {
    sample_part(piece.coarse, {}, few, mirrored, looked_for);
    standardise_points(looked_for);
    double first = 0;
    PicturePart found;
    for (float scale = 1; scale >= smallest; scale *= 0.94f) {
      const float height = scale * full_height, width = scale * full_width;
      const int down = static_cast<int>(std::ceil((1 - height) * 16)),
                across = static_cast<int>(std::ceil((1 - width) * 16));
      for (int i = 0; i <= down; ++i)
        for (int j = 0; j <= across; ++j) {
          const PicturePart part{down == 0 ? 0 : (1 - height) * static_cast<float>(i) / static_cast<float>(down),
                                 across == 0 ? 0 : (1 - width) * static_cast<float>(j) / static_cast<float>(across),
                                 height, width};
          const double now = correlation(whole.coarse, part, few);
          if (now > first) first = now, found = part;
        }
    }
    if (first < 0.6) continue;
    sample_part(piece.fine, {}, many, mirrored, looked_for);
    standardise_points(looked_for);
    for (float step = 1 / 32.f; step > 1 / 300.f; step /= 2) {
      const PicturePart centre = found;
      double near = 0;
      for (const float grow : {-step, 0.f, step})
        for (const float down : {-step, 0.f, step})
          for (const float across : {-step, 0.f, step}) {
            PicturePart part;
            part.height = std::clamp(centre.height + grow * full_height, 0.f, 1.f);
            part.width = std::clamp(centre.width + grow * full_width, 0.f, 1.f);
            part.top = std::clamp(centre.top + down - grow * full_height / 2, 0.f, 1 - part.height);
            part.left = std::clamp(centre.left + across - grow * full_width / 2, 0.f, 1 - part.width);
            const double now = correlation(whole.fine, part, many);
            if (now > near) near = now, found = part;
          }
      best = std::max(best, near);
    }
  }
  return best;
}

}  // namespace detail

/// How far two pictures are one: the largest correlation of grey values, -1 to 1 (below 0.6 said as 0), that one of them,
/// or its mirror image, has with a part of the other of at least 0.55 of its sides. Bars at the edges do not count, nor do
/// brightness and contrast. 0 where a picture has one colour.
inline double same_picture(const PictureSketch& a, const PictureSketch& b) {
  return std::max(detail::best_as_part(a, b), detail::best_as_part(b, a));
}

}  // namespace contrastive
