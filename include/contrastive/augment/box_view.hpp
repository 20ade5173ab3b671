// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "contrastive/augment/compose.hpp"
#include "contrastive/augment/mask_view.hpp"
#include "contrastive/augment/sample_augment.hpp"

namespace contrastive {

/// Throws unless a box lies in an image of that size and no side of it is negative. A thousandth of a pixel may be the
/// rounding of its numbers.
inline void check_box(const Box& box, ImageSize image) {
  const auto text = [&] { return join("(", box.left, ", ", box.top, ", ", box.right, ", ", box.bottom, ")"); };
  const std::array<float, 4> corners{box.left, box.top, box.right, box.bottom};
  require(std::ranges::all_of(corners, [](float x) { return std::isfinite(x); }), "[boxes] the box ", text(),
          " is not finite");
  require(box.right >= box.left && box.bottom >= box.top, "[boxes] the box ", text(), " has a negative side");
  constexpr float spare = 1e-3F;
  require(box.left >= -spare && box.top >= -spare && box.right <= static_cast<float>(image.width) + spare &&
              box.bottom <= static_cast<float>(image.height) + spare,
          "[boxes] the box ", text(), " lies outside its image of ", image.width, " x ", image.height);
}

/// A box of the full image in pixels of a view of it, which it may leave.
inline Box placed(const Box& box, const Placement& place, bool flipped) {
  const double across = place.full_width / place.width, down = place.full_height / place.height;
  const auto x = [&](float at) { return static_cast<float>((at - place.left) * across - place.out_left); };
  const auto y = [&](float at) { return static_cast<float>((at - place.top) * down - place.out_top); };
  Box moved{x(box.left), y(box.top), x(box.right), y(box.bottom), box.label};
  if (flipped) {
    const auto width = static_cast<float>(place.out_width);
    moved.left = width - std::exchange(moved.right, width - moved.left);
  }
  return moved;
}

/// The part of a box that lies in an image of that size.
inline Box cut(Box box, ImageSize image) {
  const auto width = static_cast<float>(image.width), height = static_cast<float>(image.height);
  box.left = std::clamp(box.left, 0.0F, width), box.right = std::clamp(box.right, 0.0F, width);
  box.top = std::clamp(box.top, 0.0F, height), box.bottom = std::clamp(box.bottom, 0.0F, height);
  return box;
}

/// A box about the same centre, its sides `factor` as long.
inline Box grown(const Box& box, double factor) {
  const double x = (static_cast<double>(box.left) + box.right) / 2, y = (static_cast<double>(box.top) + box.bottom) / 2,
               wide = factor * (static_cast<double>(box.right) - box.left) / 2,
               tall = factor * (static_cast<double>(box.bottom) - box.top) / 2;
  return {static_cast<float>(x - wide), static_cast<float>(y - tall), static_cast<float>(x + wide),
          static_cast<float>(y + tall), box.label};
}

struct BoxViewOptions {
  std::int64_t most = 32;   // boxes of a view; the largest stay where there are more
  double least_left = 0.3;  // a box of which a crop leaves a smaller share is dropped
};

/// Three views: an image; its boxes, f32 (B, 4): left, top, right and bottom in pixels of the view; and their labels, i64
/// (B), by falling area. Behind the last box the label is -1 and the box 0. Boxes are cut and mirrored as the image is.
/// Those whose class has the number -1 are left out, as those of an image that nobody has labelled. Throws `Error` for a
/// box outside its image, with a negative side, or of an unknown class. `View` is a `Compose`.
template <class View>
class BoxView {
 public:
  BoxView(View view, LabelNumbers numbers, BoxViewOptions options = {})
      : view_(std::move(view)), numbers_(std::move(numbers)), options_(options) {
    require(options_.most >= 1 && options_.most <= 4096 && options_.least_left >= 0 && options_.least_left <= 1,
            "[box_view] expected 1 to 4096 boxes and a least share of 0 to 1, got ", options_.most, " and ",
            options_.least_left);
  }

  std::vector<ViewSpec> views() const {
    return {view_.view(),
            {{options_.most, 4}, ViewKind::numbers, DType::f32},
            {{options_.most}, ViewKind::numbers, DType::i64}};
  }
  std::size_t globals() const { return 1; }
  Parts parts() const { return Part::image | Part::boxes; }

  void operator()(const Sample& sample, Rng rng, std::span<void* const> out, std::span<Drawn> drawn) const {
    const Rng own = rng / std::size_t{0};
    Drawn record, again;
    view_(sample.image, sample.full, own, static_cast<float*>(out[0]), &record);
    Stream stream(own);  // the crop is the first step that draws
    const Placement place = view_.crop_step().place(sample.full, stream, again);
    const std::vector<Box> boxes = boxes_in_view(sample, place, record.flipped);
    auto* corners = static_cast<float*>(out[1]);
    auto* labels = static_cast<std::int64_t*>(out[2]);
    std::fill_n(corners, 4 * options_.most, 0.0F);
    std::fill_n(labels, options_.most, -1);
    for (std::size_t b = 0; b < boxes.size(); ++b) {
      const Box& box = boxes[b];
      for (const float at : {box.left, box.top, box.right, box.bottom}) *corners++ = at;
      labels[b] = numbers_.of_class[static_cast<std::size_t>(box.label)];
    }
    if (!drawn.empty()) drawn[0] = record;
  }

 private:
  std::vector<Box> boxes_in_view(const Sample& sample, const Placement& place, bool flipped) const {
    std::vector<Box> boxes;
    for (const Box& box : sample.boxes) {
      check_box(box, sample.full);
      require(box.label >= 0 && box.label < std::ssize(numbers_.of_class), "[box_view] unknown class ", box.label,
              ": the set has ", numbers_.of_class.size(), " classes");
      if (numbers_.of_class[static_cast<std::size_t>(box.label)] < 0) continue;
      const Box whole = placed(box, place, flipped), left = cut(whole, {place.out_height, place.out_width});
      if (left.area() > 0 && left.area() >= options_.least_left * whole.area()) boxes.push_back(left);
    }
    std::ranges::stable_sort(boxes, [](const Box& a, const Box& b) { return a.area() > b.area(); });
    if (std::ssize(boxes) > options_.most) boxes.resize(static_cast<std::size_t>(options_.most));
    return boxes;
  }

  View view_;
  LabelNumbers numbers_;
  BoxViewOptions options_;
};

}  // namespace contrastive
