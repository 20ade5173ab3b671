// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "contrastive/encoders/dense_decoder.hpp"
#include "contrastive/nn/layer_norm.hpp"
#include "contrastive/ops/group_norm.hpp"

namespace contrastive {

/// Maps of one width at several strides (feature pyramid, Lin et al. 2017, arXiv:1612.03144): each stage of an encoder from
/// `finest` pixels on through a product of its own, plus what comes down from the coarser one; behind the last stage,
/// convolutions with stride 2 until there are `count` maps or more.
class FeaturePyramid {
 public:
  FeaturePyramid() = default;
  FeaturePyramid(const std::vector<Stage>& stages, std::int64_t width, std::size_t count, int finest, Rng rng) {
    for (std::size_t i = 0; i < stages.size(); ++i) {
      if (stages[i].stride < finest && i + 1 < stages.size()) continue;
      if (!levels.empty() && levels.back().stride == stages[i].stride) levels.pop_back();  // the deeper one stays
      const Rng own = rng / "levels" / i;
      Level level{i, stages[i].stride, {}, {}};
      if (stages[i].rows) level.reassemble = Reassemble(stages[i], width, own / "reassemble");
      level.lateral = Linear(stages[i].rows ? width : stages[i].channels, width, own / "lateral");
      levels.push_back(std::move(level));
    }
    require(!levels.empty(), "[pyramid] the encoder has no stages");
    while (levels.size() + further.size() < count)
      further.push_back(
          Conv2d(width, width, {.kernel = 3, .stride = 2, .padding = 1}, rng / "further" / further.size()));
  }

  /// Pixels of the image to one place of each map, the finest first.
  std::vector<int> strides() const {
    std::vector<int> list;
    for (const Level& level : levels) list.push_back(level.stride);
    for (std::size_t i = 0; i < further.size(); ++i) list.push_back(2 * list.back());
    return list;
  }

  /// `stage_maps` of images (N, H, W, C) -> maps (N, H / stride, W / stride, width), the finest first.
  std::vector<Tensor> operator()(const std::vector<Tensor>& stage_maps, std::int64_t H, std::int64_t W) const {
    std::vector<Tensor> maps;
    for (const Level& level : levels) {
      const Tensor& map = stage_maps.at(level.stage);
      maps.push_back(level.lateral(level.reassemble ? (*level.reassemble)(map, H, W) : map));
    }
    for (std::size_t i = maps.size() - 1; i-- > 0;)
      maps[i] = maps[i] + resize_bilinear(maps[i + 1], maps[i].size(1), maps[i].size(2), ResizeCorners::free);
    for (const Conv2d& conv : further) maps.push_back(conv(maps.back()));
    return maps;
  }

  template <class F>
  void members(F&& f) {
    f("levels", levels);
    f("further", further);
  }

  struct Level {
    std::size_t stage = 0;  // of the encoder
    int stride = 1;
    std::optional<Reassemble> reassemble;
    Linear lateral;

    template <class F>
    void members(F&& f) {
      if (reassemble) f("reassemble", *reassemble);
      f("lateral", lateral);
    }
  };
  std::vector<Level> levels;  // the finest first
  std::vector<Conv2d> further;
};

/// A convolution over a pyramid, the same for all its maps: x + relu(norm(mean of the map itself, the finer one at stride 2 and
/// the coarser one enlarged, each through a 3x3 kernel of its own)). What is left of DyHead (Dai et al. 2021,
/// arXiv:2106.08322) without offsets and without attention over scales and channels.
struct PyramidConv {
  static constexpr std::int64_t groups = 8;
  Conv2d same, finer, coarser;
  LayerNorm norm;  // gain and offset of the group norm

  PyramidConv() = default;
  PyramidConv(std::int64_t width, Rng rng)
      : same(width, width, {.kernel = 3, .padding = 1}, rng / "same"),
        finer(width, width, {.kernel = 3, .stride = 2, .padding = 1}, rng / "finer"),
        coarser(width, width, {.kernel = 3, .padding = 1}, rng / "coarser"),
        norm(width, 1e-5) {
    require(width % groups == 0, "[pyramid] ", groups, " groups do not divide a width of ", width);
  }

  std::vector<Tensor> operator()(const std::vector<Tensor>& maps) const {
    std::vector<Tensor> out;
    for (std::size_t i = 0; i < maps.size(); ++i) {
      Tensor total = same(maps[i]);
      double count = 1;
      const auto add = [&](const Tensor& map) {
        total = total + resize_bilinear(map, maps[i].size(1), maps[i].size(2), ResizeCorners::free);
        ++count;
      };
      if (i > 0) add(finer(maps[i - 1]));
      if (i + 1 < maps.size()) add(coarser(maps[i + 1]));
      out.push_back(maps[i] + group_norm(total / count, groups,
                                         {.weight = norm.weight, .bias = norm.bias, .relu = true, .eps = norm.eps}));
    }
    return out;
  }

  template <class F>
  void members(F&& f) {
    f("same", same);
    f("finer", finer);
    f("coarser", coarser);
    f("norm", norm);
  }
};

}  // namespace contrastive
