// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "contrastive/augment/compose.hpp"
#include "contrastive/augment/crop.hpp"
#include "contrastive/augment/normalize.hpp"

namespace contrastive {

/// How an image becomes a square of `size` pixels (open_clip, src/open_clip/transform.py, image_transform).
enum class ResizeMode {
  shortest,  // its shorter side to the size, then the centre: OpenAI
  longest,   // its longer side to the size, then black on both sides
  squash,    // both sides to the size: SigLIP
};

/// Both sides to `size`.
struct Squash {
  int size = 224;
  Filter filter = Filter::bicubic;
  int channels = 3;

  Placement place(ImageSize full, Stream&, Drawn& drawn) const {
    drawn.crop = {0, 0, full.height, full.width};
    return {.height = static_cast<double>(full.height),
            .width = static_cast<double>(full.width),
            .full_height = size,
            .full_width = size,
            .out_height = size,
            .out_width = size,
            .filter = filter};
  }
};

/// What evaluation encodes of an image, prepared in one of the three ways. One view.
class Square {
 public:
  Square(int size, ResizeMode mode, Filter filter, const Normalize& normalize)
      : size_(size),
        mode_(mode),
        filter_(filter),
        normalize_(normalize),
        centre_(CenterCrop{size, 0, filter}, normalize),
        squash_(Squash{size, filter}, normalize) {}

  std::vector<ViewSpec> views() const { return {squash_.view()}; }
  std::size_t globals() const { return 1; }
  CropBox crop(std::size_t, ImageSize full, Rng rng) const {
    return mode_ == ResizeMode::shortest ? centre_.crop(full, rng / std::size_t{0})
                                         : CropBox{0, 0, full.height, full.width};
  }

  void operator()(const Image& image, Rng rng, std::span<float* const> out, std::span<Drawn> drawn) const {
    (*this)(image, {image.height, image.width}, rng, out, drawn);
  }
  void operator()(const Image& image, ImageSize full, Rng rng, std::span<float* const> out,
                  std::span<Drawn> drawn) const {
    Drawn* const note = drawn.empty() ? nullptr : drawn.data();
    if (mode_ == ResizeMode::shortest) return centre_(image, full, rng / std::size_t{0}, out[0], note);
    if (mode_ == ResizeMode::squash) return squash_(image, full, rng / std::size_t{0}, out[0], note);
    padded(image, full, out[0]);
    if (note) note->crop = {0, 0, full.height, full.width};
  }

 private:
  /// The longer side becomes `size_`; the rest is 0 before it is normalised.
  void padded(const Image& image, ImageSize full, float* out) const {
    const double ratio = static_cast<double>(std::max(full.height, full.width)) / size_;
    const auto side = [&](int pixels) {
      return std::clamp(static_cast<int>(std::nearbyint(pixels / ratio)), 1, size_);
    };
    const int height = side(full.height), width = side(full.width);
    thread_local Canvas small, whole;
    resample(image,
             {.height = static_cast<double>(image.height),
              .width = static_cast<double>(image.width),
              .full_height = height,
              .full_width = width,
              .out_height = height,
              .out_width = width,
              .filter = filter_},
             3, small);
    whole.reshape(size_, size_, 3);
    const int top = (size_ - height) / 2, left = (size_ - width) / 2;
    for (int c = 0; c < 3; ++c) {
      std::memset(whole.plane(c), 0, static_cast<std::size_t>(whole.count()));
      for (int y = 0; y < height; ++y)
        std::memcpy(whole.row(c, top + y) + left, small.row(c, y), static_cast<std::size_t>(width));
    }
    normalize_.write(whole, out);
  }

  int size_;
  ResizeMode mode_;
  Filter filter_;
  Normalize normalize_;
  Compose<CenterCrop, Normalize> centre_;
  Compose<Squash, Normalize> squash_;
};

}  // namespace contrastive
