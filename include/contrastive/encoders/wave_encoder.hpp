// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <vector>

#include "contrastive/nn/init.hpp"
#include "contrastive/nn/module.hpp"
#include "contrastive/ops/conv1d.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/reduce.hpp"

namespace contrastive {

struct WaveLayer {
  int kernel, stride, padding = 0;
};

/// CPC's encoder of 16 kHz audio (van den Oord et al. 2018, section 3.1): five strided convolutions of 512 channels with
/// ReLU, a feature every 160 samples.
inline std::vector<WaveLayer> cpc_wave_layers() { return {{10, 5, 3}, {8, 4, 2}, {4, 2, 1}, {4, 2, 1}, {4, 2, 1}}; }

/// Frames that the layers make of `samples`; 0 where those are too few.
inline std::int64_t wave_frames(const std::vector<WaveLayer>& layers, std::int64_t samples) {
  for (const auto& [kernel, stride, padding] : layers) {
    if (samples + 2 * padding < kernel) return 0;
    samples = (samples + 2 * padding - kernel) / stride + 1;
  }
  return samples;
}

/// Strided convolutions with ReLU along a waveform, without norm. Takes (N, T, C), or (N, T, 1, C) as a loader gives it.
/// `grid(x)`: (N, T', 1, D), a grid of one column; the features are its mean, (N, D).
struct WaveEncoder {
  std::vector<Parameter> weights, biases;  // (D, kernel, in), (D)
  std::vector<WaveLayer> layers;

  WaveEncoder() = default;
  WaveEncoder(std::int64_t in, std::int64_t channels, std::vector<WaveLayer> specs, Rng rng)
      : layers(std::move(specs)) {
    require(!layers.empty(), "[wave_encoder] expected at least one layer");
    for (std::size_t i = 0; i < layers.size(); ++i, in = channels) {
      const double bound = std::sqrt(6 / static_cast<double>(in * layers[i].kernel));  // He et al. 2015, uniform
      weights.emplace_back(init::uniform({channels, layers[i].kernel, in}, bound, rng / i / "weight"));
      biases.emplace_back(Tensor::zeros({channels}));
    }
  }

  std::int64_t features() const { return weights.back().size(0); }

  Tensor grid(const Tensor& x) const {
    require(x.rank() == 3 || (x.rank() == 4 && x.size(2) == 1), "[wave_encoder] expected (N, T, C), got ", x.shape());
    Tensor y = x.reshape({x.size(0), x.size(1), x.size(-1)});
    for (std::size_t i = 0; i < layers.size(); ++i)
      y = relu(conv1d(y, weights[i], layers[i].stride, layers[i].padding), biases[i]);
    return y.reshape({y.size(0), y.size(1), 1, y.size(2)});
  }
  Tensor operator()(const Tensor& x) const {
    const Tensor z = grid(x);
    return mean(z.reshape({z.size(0), z.size(1), z.size(3)}), 1);
  }

  template <class F>
  void members(F&& f) {
    f("weights", weights);
    f("biases", biases);
  }
};

}  // namespace contrastive
