// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "contrastive/encoders/stage.hpp"
#include "contrastive/nn/batch_norm.hpp"
#include "contrastive/nn/conv.hpp"
#include "contrastive/ops/pool.hpp"

namespace contrastive {

/// A plain stack of 3x3 convolutions with batch norm and ReLU, then the mean over the picture: the small encoder of
/// the quickstart. A layer strides by 2 where the width grows.
class ConvNet {
 public:
  ConvNet() = default;
  ConvNet(int channels, const std::vector<int>& widths, Rng rng) {
    std::int64_t in = channels;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const int stride = i > 0 && widths[i] > widths[i - 1] ? 2 : 1;
      layers_.push_back(
          {Conv2d(in, widths[i], {.kernel = 3, .stride = stride, .padding = 1}, rng / i), BatchNorm(widths[i])});
      in = widths[i];
    }
    features_ = in;
  }

  std::int64_t features() const { return features_; }

  Tensor operator()(Tensor x) const {
    for (const Layer& layer : layers_) x = layer.bn.relu(layer.conv, x);
    return global_avg_pool(x);
  }

  std::vector<Stage> stage_list() const {
    std::vector<Stage> list;
    int stride = 1;
    for (const Layer& layer : layers_) {
      const Stage stage{layer.conv.weight.size(0), stride *= layer.conv.window.stride};
      if (list.empty() || list.back().stride != stride)
        list.push_back(stage);
      else
        list.back() = stage;
    }
    return list;
  }
  /// The last map of each resolution, the largest first (encoders/stage.hpp).
  std::vector<Tensor> stage_maps(Tensor x) const {
    std::vector<Tensor> maps;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      x = layers_[i].bn.relu(layers_[i].conv, x);
      if (i + 1 == layers_.size() || layers_[i + 1].conv.window.stride > 1) maps.push_back(x);
    }
    return maps;
  }

  template <class F>
  void members(F&& f) {
    f("layers", layers_);
  }

 private:
  struct Layer {
    Conv2d conv;
    BatchNorm bn;
    template <class F>
    void members(F&& f) {
      f("conv", conv);
      f("bn", bn);
    }
  };
  std::vector<Layer> layers_;
  std::int64_t features_ = 0;
};

}  // namespace contrastive
