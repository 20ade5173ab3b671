// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "contrastive/augment/compose.hpp"
#include "contrastive/augment/sample_augment.hpp"

namespace contrastive {

/// The label that each class of a set has in a list of labels; -1: none.
struct LabelNumbers {
  std::vector<std::int64_t> of_class;
  std::int64_t of_nothing = -1;  // of pixels that have no class

  /// Class c is label c.
  static LabelNumbers same(std::size_t classes) {
    LabelNumbers numbers;
    for (std::size_t c = 0; c < classes; ++c) numbers.of_class.push_back(static_cast<std::int64_t>(c));
    return numbers;
  }
  std::int64_t operator()(std::uint16_t id) const {
    if (id == LabelMap::nothing) return of_nothing;
    require(id < of_class.size(), "[mask_view] unknown label id ", id, ": the set has ", of_class.size(), " classes");
    return of_class[id];
  }
};

/// Two views: an image, and the label of each of its pixels, i64 (H, W). The map is cut and mirrored as the image is, by
/// nearest neighbour; colours may change. `View` is a `Compose`.
template <class View>
class MaskView {
 public:
  MaskView(View view, LabelNumbers numbers) : view_(std::move(view)), numbers_(std::move(numbers)) {}

  std::vector<ViewSpec> views() const {
    const std::int64_t side = view_.view().size();
    return {view_.view(), {{side, side}, ViewKind::map, DType::i64}};
  }
  std::size_t globals() const { return 1; }
  Parts parts() const { return Part::image | Part::mask; }

  void operator()(const Sample& sample, Rng rng, std::span<void* const> out, std::span<Drawn> drawn) const {
    require(sample.mask.height == sample.full.height && sample.mask.width == sample.full.width,
            "[mask_view] the mask is ", sample.mask.height, " x ", sample.mask.width, ", its image ",
            sample.full.height, " x ", sample.full.width);
    const Rng own = rng / std::size_t{0};
    Drawn record, again;
    view_(sample.image, sample.full, own, static_cast<float*>(out[0]), &record);
    Stream stream(own);  // the crop is the first step that draws
    const Placement place = view_.crop_step().place(sample.full, stream, again);
    write_map(sample.mask, place, record.flipped, static_cast<std::int64_t*>(out[1]));
    if (!drawn.empty()) drawn[0] = record;
  }

 private:
  void write_map(const LabelMap& mask, const Placement& place, bool flipped, std::int64_t* out) const {
    // The pixels that Pillow's nearest neighbour takes, as the image's resize has them.
    const auto sources = [](double first, double length, int full, int from, int count, int limit) {
      detail::GrowingBuffer<std::int32_t> memory;
      const detail::Taps taps = detail::make_taps(memory, Filter::nearest, first, length, full, from, count, limit);
      return std::vector<std::int32_t>(taps.first, taps.first + count);
    };
    const auto rows = sources(place.top, place.height, place.full_height, place.out_top, place.out_height, mask.height);
    auto columns = sources(place.left, place.width, place.full_width, place.out_left, place.out_width, mask.width);
    if (flipped) std::reverse(columns.begin(), columns.end());
    for (const std::int32_t row : rows)
      for (const std::int32_t column : columns)
        *out++ = numbers_(mask.labels[static_cast<std::size_t>(row) * static_cast<std::size_t>(mask.width) +
                                      static_cast<std::size_t>(column)]);
  }

  View view_;
  LabelNumbers numbers_;
};

}  // namespace contrastive
