// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "contrastive/encoders/stage.hpp"
#include "contrastive/nn/batch_norm.hpp"
#include "contrastive/nn/conv.hpp"
#include "contrastive/nn/linear.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/resize.hpp"

namespace contrastive {

/// x + two 3x3 convolutions with norms, each after a ReLU (RefineNet, Lin et al. 2017, arXiv:1611.06612).
struct ResidualConvUnit {
  Conv2d conv1, conv2;
  BatchNorm bn1, bn2;

  ResidualConvUnit() = default;
  ResidualConvUnit(std::int64_t width, Rng rng)
      : conv1(width, width, {.kernel = 3, .padding = 1}, rng / "conv1"),
        conv2(width, width, {.kernel = 3, .padding = 1}, rng / "conv2"),
        bn1(width),
        bn2(width) {}

  Tensor operator()(const Tensor& x) const { return x + bn2(conv2, bn1.relu(conv1, relu(x))); }

  template <class F>
  void members(F&& f) {
    f("conv1", conv1);
    f("bn1", bn1);
    f("conv2", conv2);
    f("bn2", bn2);
  }
};

/// Rows of a vision transformer to a map of `width` channels (DPT's "reassemble", Ranftl et al. 2021, arXiv:2103.13413): the
/// class token is mixed into each patch, then a place becomes several, or several become one.
struct Reassemble {
  Linear readout;  // of a patch beside the class token
  Linear project;  // to width channels of each of the places that a patch becomes
  Conv2d shrink;   // where two patches become a place
  Stage stage;

  Reassemble() = default;
  Reassemble(const Stage& from, std::int64_t width, Rng rng)
      : readout(2 * from.channels, from.channels, rng / "readout"), stage(from) {
    project = Linear(from.channels, width * places() * places(), rng / "project");
    if (from.stride > from.patch)
      shrink = Conv2d(width, width, {.kernel = 3, .stride = 2, .padding = 1}, rng / "shrink");
  }

  /// rows (N, 1 + patches, channels) of images (H, W) -> (N, H / stride, W / stride, width)
  Tensor operator()(const Tensor& rows, std::int64_t H, std::int64_t W) const {
    const std::int64_t N = rows.size(0), h = H / stage.patch, w = W / stage.patch, D = stage.channels;
    require(rows.rank() == 3 && rows.size(1) == 1 + h * w && rows.size(2) == D, "[reassemble] expected rows (N, ",
            1 + h * w, ", ", D, ") of images ", H, " x ", W, ", got ", rows.shape());
    const Tensor patches = narrow(rows, 1, 1, rows.size(1));
    const Tensor token = narrow(rows, 1, 0, 1) + Tensor::zeros({N, h * w, D}, rows.dtype(), rows.device());
    Tensor x = project(readout.gelu(concat({patches, token}, 2)));
    const std::int64_t side = places(), F = x.size(2) / (side * side);
    if (side > 1) x = permute(x.reshape({N, h, w, side, side, F}), {0, 1, 3, 2, 4, 5});
    x = x.reshape({N, h * side, w * side, F});
    return shrink.weight.defined() ? shrink(x) : x;
  }

  template <class F>
  void members(F&& f) {
    f("readout", readout);
    f("project", project);
    f("shrink", shrink);
  }

 private:
  int places() const { return stage.stride < stage.patch ? stage.patch / stage.stride : 1; }
};

/// Features for each pixel from the stages of an encoder, at half of the image's size (Ranftl et al. 2021; isl-org/lang-seg,
/// lseg_blocks.py, FeatureFusionBlock_custom with norms): from the coarsest map to the finest, each is refined, added to
/// what comes from below, refined again, and upsampled bilinearly with aligned corners. Stages finer than two pixels are
/// left out.
class DenseDecoder {
 public:
  DenseDecoder() = default;
  /// width: channels inside; D: of the features.
  DenseDecoder(const std::vector<Stage>& stages, std::int64_t width, std::int64_t D, Rng rng)
      : head(width, D, rng / "head") {
    for (std::size_t i = 0; i < stages.size(); ++i) {
      if (stages[i].stride < 2) continue;
      const Rng own = rng / "levels" / i;
      Level level{i};
      if (stages[i].rows) level.reassemble = Reassemble(stages[i], width, own / "reassemble");
      const std::int64_t in = stages[i].rows ? width : stages[i].channels;
      level.entry = Conv2d(in, width, {.kernel = 3, .padding = 1}, own / "entry");
      level.unit1 = ResidualConvUnit(width, own / "unit1");
      level.unit2 = ResidualConvUnit(width, own / "unit2");
      level.out = Linear(width, width, own / "out");
      levels.push_back(std::move(level));
    }
    require(!levels.empty(), "[dense_decoder] the encoder has no stage of two pixels or more");
    levels.back().unit1 = {};  // nothing comes from below
  }

  /// `maps` are the encoder's `stage_maps` of images (N, H, W, C) -> (N, H / 2, W / 2, D)
  Tensor operator()(const std::vector<Tensor>& maps, std::int64_t H, std::int64_t W) const {
    std::vector<Tensor> entries;
    for (const Level& level : levels) {
      const Tensor& map = maps.at(level.stage);
      entries.push_back(level.entry(level.reassemble ? (*level.reassemble)(map, H, W) : map));
    }
    Tensor x;
    for (std::size_t i = levels.size(); i-- > 0;) {
      x = x.defined() ? x + levels[i].unit1(entries[i]) : entries[i];
      // A 1x1 convolution and a bilinear resize may change places: the convolution is cheaper before it.
      x = levels[i].out(levels[i].unit2(x));
      x = resize_bilinear(x, i > 0 ? entries[i - 1].size(1) : H / 2, i > 0 ? entries[i - 1].size(2) : W / 2,
                          ResizeCorners::aligned);
    }
    return head(x);
  }

  template <class F>
  void members(F&& f) {
    f("levels", levels);
    f("head", head);
  }

  struct Level {
    std::size_t stage = 0;  // of the encoder
    std::optional<Reassemble> reassemble = {};
    Conv2d entry = {};
    ResidualConvUnit unit1 = {}, unit2 = {};
    Linear out = {};

    template <class F>
    void members(F&& f) {
      if (reassemble) f("reassemble", *reassemble);
      f("entry", entry);
      if (unit1.conv1.weight.defined()) f("unit1", unit1);
      f("unit2", unit2);
      f("out", out);
    }
  };
  std::vector<Level> levels;  // the finest first
  Linear head;
};

}  // namespace contrastive
