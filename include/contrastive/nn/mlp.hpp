// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "contrastive/nn/batch_norm.hpp"
#include "contrastive/nn/linear.hpp"

namespace contrastive {

/// One layer of an `Mlp`: linear, then perhaps batch norm, then perhaps ReLU or GELU.
struct MlpLayer {
  std::int64_t out;
  bool bias = true;
  bool norm = true;
  bool relu = true;
  bool gelu = false;
  BatchNormOptions norm_options = {};
};

/// The projectors and predictors of the field: layers of linear - norm - ReLU (or GELU) on (N, D). Members are numbered as
/// in a torch.nn.Sequential of the same layers (a ReLU takes a number too).
struct Mlp {
  struct Layer {
    Linear linear;
    BatchNorm norm;
    bool has_norm = false, has_relu = false, has_gelu = false;
  };
  std::vector<Layer> layers;

  Mlp() = default;
  Mlp(std::int64_t in, std::vector<MlpLayer> specs, Rng rng) {
    for (std::size_t i = 0; i < specs.size(); ++i) {
      const MlpLayer& spec = specs[i];
      require(!(spec.relu && spec.gelu), "[mlp] layer ", i, " has ReLU or GELU, not both");
      layers.push_back({Linear(in, spec.out, rng / i, spec.bias), {}, spec.norm, spec.relu, spec.gelu});
      if (spec.norm) layers.back().norm = BatchNorm(spec.out, spec.norm_options);
      in = spec.out;
    }
  }

  Tensor operator()(const Tensor& x) const { return first(x, layers.size()); }
  /// The first `count` layers alone.
  Tensor first(Tensor x, std::size_t count) const {
    require(count <= layers.size(), "[mlp] ", count, " of ", layers.size(), " layers");
    for (std::size_t i = 0; i < count; ++i) {
      const Layer& layer = layers[i];
      if (layer.has_norm) {
        x = layer.linear(x);
        x = layer.has_relu ? layer.norm.relu(x) : layer.norm(x);
        if (layer.has_gelu) x = gelu(x);
      } else {
        x = layer.has_relu ? layer.linear.relu(x) : layer.has_gelu ? layer.linear.gelu(x) : layer.linear(x);
      }
    }
    return x;
  }

  template <class F>
  void members(F&& f) {
    int index = 0;
    for (Layer& layer : layers) {
      f(std::to_string(index++), layer.linear);
      if (layer.has_norm) f(std::to_string(index++), layer.norm);
      if (layer.has_relu || layer.has_gelu) ++index;
    }
  }
};

}  // namespace contrastive
