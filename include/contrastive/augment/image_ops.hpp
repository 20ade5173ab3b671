// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <span>

#include "contrastive/augment/blur.hpp"
#include "contrastive/augment/color.hpp"
#include "contrastive/augment/crop.hpp"
#include "contrastive/augment/drawn.hpp"
#include "contrastive/augment/resize.hpp"
#include "contrastive/augment/tone.hpp"

/// Each operation on its own, from picture to picture, as torchvision.transforms.functional has them on PIL images and
/// with the same bytes. Augmentations use the forms on a `Canvas`.
namespace contrastive {

/// Planes from a picture with the same channels.
inline void to_canvas(const Image& image, Canvas& canvas) {
  canvas.reshape(image.height, image.width, image.channels);
  for (int c = 0; c < image.channels; ++c) {
    std::uint8_t* to = canvas.plane(c);
    const std::uint8_t* from = image.pixels.data() + c;
    for (std::int64_t i = 0; i < canvas.count(); ++i) to[i] = from[i * image.channels];
  }
}

inline Image to_image(const Canvas& canvas) {
  Image image(canvas.height(), canvas.width(), canvas.channels());
  for (int c = 0; c < image.channels; ++c) {
    const std::uint8_t* from = canvas.plane(c);
    std::uint8_t* to = image.pixels.data() + c;
    for (std::int64_t i = 0; i < canvas.count(); ++i) to[i * image.channels] = from[i];
  }
  return image;
}

namespace detail {

template <class F>
Image on_canvas(const Image& image, F&& f) {
  Canvas canvas;
  to_canvas(image, canvas);
  f(canvas);
  return to_image(canvas);
}

}  // namespace detail

inline Image resize(const Image& image, int height, int width, Filter filter = Filter::bilinear) {
  Canvas canvas;
  resample(image, {0, 0, double(image.height), double(image.width), height, width, 0, 0, height, width, filter},
           image.channels, canvas);
  return to_image(canvas);
}

/// The box alone; it may lie partly outside the picture, where it is black.
inline Image crop(const Image& image, const CropBox& box) {
  require(box.height > 0 && box.width > 0, "[crop] expected a box of at least 1 x 1, got ", box.height, " x ",
          box.width);
  Image part(box.height, box.width, image.channels);
  for (int y = std::max(0, -box.top); y < box.height && box.top + y < image.height; ++y)
    for (int x = std::max(0, -box.left); x < box.width && box.left + x < image.width; ++x)
      for (int c = 0; c < image.channels; ++c)
        part.row(y)[x * image.channels + c] = image.row(box.top + y)[(box.left + x) * image.channels + c];
  return part;
}

inline Image resized_crop(const Image& image, const CropBox& box, int height, int width,
                          Filter filter = Filter::bilinear) {
  return resize(crop(image, box), height, width, filter);
}

/// The middle part; offsets round half to even, and a picture smaller than it is padded with black. (torchvision)
inline Image center_crop(const Image& image, int height, int width) {
  const auto offset = [](int size, int kept) {
    return size >= kept ? static_cast<int>(std::nearbyint((size - kept) / 2.0)) : -((kept - size) / 2);
  };
  return crop(image, {offset(image.height, height), offset(image.width, width), height, width});
}

/// Left and right exchanged.
inline Image hflip(const Image& image) {
  Image out(image.height, image.width, image.channels);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      for (int c = 0; c < image.channels; ++c)
        out.row(y)[x * image.channels + c] = image.row(y)[(image.width - 1 - x) * image.channels + c];
  return out;
}

inline Image adjust_color(const Image& image, std::span<const ColorStep> steps) {
  return detail::on_canvas(image, [&](Canvas& canvas) { adjust_color(canvas, steps); });
}
inline Image adjust_brightness(const Image& image, double factor) {
  return adjust_color(image, std::array{ColorStep{ColorOp::brightness, factor}});
}
inline Image adjust_contrast(const Image& image, double factor) {
  return adjust_color(image, std::array{ColorStep{ColorOp::contrast, factor}});
}
inline Image adjust_saturation(const Image& image, double factor) {
  return adjust_color(image, std::array{ColorStep{ColorOp::saturation, factor}});
}
inline Image adjust_hue(const Image& image, double shift) {
  return adjust_color(image, std::array{ColorStep{ColorOp::hue, shift}});
}

/// Pillow's "L", in one channel or repeated in three.
inline Image to_grayscale(const Image& image, int channels = 1) {
  require(channels == 1 || channels == 3, "[to_grayscale] expected 1 or 3 channels, got ", channels);
  Image out(image.height, image.width, channels);
  for (std::size_t i = 0; i < static_cast<std::size_t>(image.height) * static_cast<std::size_t>(image.width); ++i) {
    const std::uint8_t* p = image.pixels.data() + i * static_cast<std::size_t>(image.channels);
    const int grey = image.channels == 1 ? p[0] : (p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 32768) >> 16;
    for (int c = 0; c < channels; ++c)
      out.pixels[i * static_cast<std::size_t>(channels) + static_cast<std::size_t>(c)] =
          static_cast<std::uint8_t>(grey);
  }
  return out;
}

inline Image gaussian_blur(const Image& image, double sigma, int kernel) {
  return detail::on_canvas(image, [&](Canvas& canvas) { gaussian_blur(canvas, sigma, kernel); });
}
inline Image pillow_blur(const Image& image, double sigma) {
  return detail::on_canvas(image, [&](Canvas& canvas) { pillow_blur(canvas, sigma); });
}
inline Image solarize(const Image& image, int threshold) {
  return detail::on_canvas(image, [&](Canvas& canvas) { solarize(canvas, threshold); });
}
inline Image posterize(const Image& image, int bits) {
  return detail::on_canvas(image, [&](Canvas& canvas) { posterize(canvas, bits); });
}
inline Image equalize(const Image& image) {
  return detail::on_canvas(image, [](Canvas& canvas) { equalize(canvas); });
}
inline Image autocontrast(const Image& image) {
  return detail::on_canvas(image, [](Canvas& canvas) { autocontrast(canvas); });
}
inline Image invert(const Image& image) {
  return detail::on_canvas(image, [](Canvas& canvas) { invert(canvas); });
}

/// CLIP's preparation up to the normalisation: bicubic, short side to `size`, centre crop.
inline Image clip_preprocess(const Image& image, int size) {
  Canvas canvas;
  resample(image, center_placement(image.height, image.width, size, size, Filter::bicubic), image.channels, canvas);
  return to_image(canvas);
}

}  // namespace contrastive
