// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>

#include "contrastive/augment/color.hpp"
#include "contrastive/augment/drawn.hpp"
#include "contrastive/core/rng.hpp"

namespace contrastive {

/// Brightness, contrast, saturation and hue in random order: all 24 orders are equally likely. Factors are drawn from
/// [max(0, 1 - x), 1 + x], the shift of hue from [-hue, hue]; a component of 0 is left out but keeps its place in the
/// order. With `additive` the brightness is a shift from [-x, x] instead (SimCLR v1, BYOL). (torchvision ColorJitter)
struct ColorJitter {
  double brightness = 0, contrast = 0, saturation = 0, hue = 0;
  bool additive = false;

  void operator()(Canvas& canvas, Stream& stream, Drawn& drawn) const {
    drawn.order = {0, 1, 2, 3};
    stream.shuffle(drawn.order);
    const auto factor = [&](double x, double neutral) {
      return x > 0 ? stream.uniform(std::max(0.0, 1.0 - x), 1.0 + x) : neutral;
    };
    if (additive)
      drawn.brightness = brightness > 0 ? stream.uniform(-brightness, brightness) : 0.0;
    else
      drawn.brightness = factor(brightness, 1.0);
    drawn.contrast = factor(contrast, 1.0);
    drawn.saturation = factor(saturation, 1.0);
    drawn.hue = hue > 0 ? stream.uniform(-hue, hue) : 0.0;

    const std::array<ColorStep, 4> all{
        ColorStep{additive ? ColorOp::additive_brightness : ColorOp::brightness, drawn.brightness},
        ColorStep{ColorOp::contrast, drawn.contrast}, ColorStep{ColorOp::saturation, drawn.saturation},
        ColorStep{ColorOp::hue, drawn.hue}};
    const std::array<bool, 4> on{brightness > 0, contrast > 0, saturation > 0, hue > 0};
    std::array<ColorStep, 4> steps;
    std::size_t count = 0;
    for (const int op : drawn.order)
      if (on[static_cast<std::size_t>(op)]) steps[count++] = all[static_cast<std::size_t>(op)];
    adjust_color(canvas, std::span<const ColorStep>(steps.data(), count));
  }
};

/// Pillow's grey in all channels, with probability `p`.
struct RandomGrayscale {
  double p = 0.2;

  void operator()(Canvas& canvas, Stream& stream, Drawn& drawn) const {
    if (!stream.chance(p)) return;
    const ColorStep step{ColorOp::grayscale};
    adjust_color(canvas, std::span<const ColorStep>(&step, 1));
    drawn.grey = true;
  }
};

}  // namespace contrastive
