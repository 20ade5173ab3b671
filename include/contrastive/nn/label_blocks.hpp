// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>

#include "contrastive/nn/init.hpp"
#include "contrastive/nn/module.hpp"
#include "contrastive/ops/conv2d.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/reduce.hpp"

namespace contrastive {

enum class LabelBlockKind {
  depthwise,   // a 3x3 convolution of each label's map
  bottleneck,  // the same, and the largest logit of all labels is added to each
};
enum class LabelActivation { relu, leaky_relu, tanh };  // leaky: slope 0.01

struct LabelBlockConfig {
  LabelBlockKind kind = LabelBlockKind::depthwise;
  LabelActivation activation = LabelActivation::relu;
  int depth = 0;  // how often the block is applied; 0: not at all
};

/// The largest of the last axis, which stays with size 1. Equal ones share the gradient.
inline Tensor largest_of_last(const Tensor& x) {
  Tensor most;
  {
    const NoGrad no_grad;
    Shape kept = x.shape();
    kept[-1] = 1;
    most = max(x.detach(), x.rank() - 1).values.reshape(kept);
  }
  if (!recording({&x})) return most;
  const Tensor chosen = equal(x.detach(), most);
  return sum(x * (chosen / sum(chosen, x.rank() - 1, true)), x.rank() - 1, true);
}

/// LSeg's regulariser on label logits (Li et al. 2022, arXiv:2201.03546, section 3.3; isl-org/lang-seg, lseg_net.py,
/// depthwise_block, bottleneck_block): one 3x3 kernel and one bias for the maps of all labels, the same at each depth, so
/// that the order and the number of labels do not matter. The last application has no activation.
struct LabelBlocks {
  Parameter weight;  // (1, 3, 3, 1), as torch starts a convolution
  Parameter bias;    // (1)
  LabelBlockConfig config;

  LabelBlocks() = default;
  LabelBlocks(const LabelBlockConfig& with, Rng rng) : config(with) {
    require(config.depth >= 0, "[label_blocks] the depth must be 0 or more, got ", config.depth);
    if (config.depth == 0) return;
    weight = Parameter(init::uniform({1, 3, 3, 1}, 1.0 / 3, rng / "weight"));
    bias = Parameter(init::uniform({1}, 1.0 / 3, rng / "bias"));
  }

  /// Logits (N, H, W, V) -> (N, H, W, V).
  Tensor operator()(const Tensor& logits) const { return apply(logits, weight, bias); }
  /// The same with a kernel and a bias that take the place of its own.
  Tensor apply(const Tensor& logits, const Tensor& kernel, const Tensor& offset) const {
    if (config.depth == 0) return logits;
    require(logits.rank() == 4, "[label_blocks] expected logits (N, H, W, V), got ", logits.shape());
    const std::int64_t N = logits.size(0), H = logits.size(1), W = logits.size(2), V = logits.size(3);
    Tensor x = logits;
    for (int k = 0; k < config.depth; ++k) {
      const Tensor maps = permute(x, {0, 3, 1, 2}).reshape({N * V, H, W, 1});
      Tensor y = add_bias(conv2d(maps, kernel, {.kernel = 3, .padding = 1}), offset);
      y = permute(y.reshape({N, V, H, W}), {0, 2, 3, 1});
      if (config.kind == LabelBlockKind::bottleneck) y = y + largest_of_last(x);
      x = k + 1 < config.depth ? activated(y) : y;
    }
    return x;
  }

  template <class F>
  void members(F&& f) {
    f("weight", weight);
    f("bias", bias);
  }

 private:
  Tensor activated(const Tensor& x) const {
    switch (config.activation) {
      case LabelActivation::relu: return relu(x);
      case LabelActivation::leaky_relu: return relu(x) * 0.99 + x * 0.01;
      case LabelActivation::tanh: return tanh(x);
    }
    fail("[label_blocks] unknown activation");
  }
};

}  // namespace contrastive
