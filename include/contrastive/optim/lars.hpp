// SPDX-License-Identifier: MIT
#pragma once

#include <utility>
#include <vector>

#include "contrastive/optim/momentum.hpp"

namespace contrastive {

/// Codes that call themselves LARS differ in arithmetic, and a rate that suits one does not suit another; the functions
/// below name them.
struct LarsOptions {
  double momentum = 0.9;  // in [0, 1)
  double trust = 0.001;   // eta of the paper
  bool lr_in_buffer = false;
  bool decayed_norm = true;  // ratio from |g + wd p| rather than |g| + wd |p| + eps
  double eps = 0;            // of the second form
  bool clip = false;         // LARC: the local rate is at most lr
  bool nesterov = false;
};

/// MoCo v3, BYOL, Barlow Twins, VICReg, DINO, MAE: r = trust |p| / |g + wd p|, b = momentum b + r (g + wd p),
/// p = p - lr b (facebookresearch/moco-v3, moco/optimizer.py).
inline LarsOptions lars_moco_v3() { return {}; }

/// SimCLR: b = momentum b + lr r (g + wd p), p = p - b: a change of rate acts on new gradients only
/// (google-research/simclr, lars_optimizer.py, classic momentum).
inline LarsOptions lars_simclr() { return {.lr_in_buffer = true}; }

/// lightly and PyTorch Lightning Bolts: r = trust |p| / (|g| + wd |p| + 1e-8), no decay where |p| or |g| is 0. They
/// leave parameters without weight decay unadapted, which `ParameterGroup::adapt` says here.
inline LarsOptions lars_lightly() { return {.decayed_norm = false, .eps = 1e-8}; }

/// LARC (NVIDIA apex) as in SwAV, without clipping and for every parameter; apex' own default clips.
inline LarsOptions larc(bool clip = false) { return {.decayed_norm = false, .eps = 1e-8, .clip = clip}; }

/// solo-learn's recipes for CIFAR and ImageNet-100 (solo/utils/lars.py with `eta: 0.02`, `clip_lr: True`): LARC with clipping
/// and a larger trust, so that no step is longer than SGD's.
inline LarsOptions lars_solo_learn() { return {.trust = 0.02, .decayed_norm = false, .eps = 1e-8, .clip = true}; }

/// Layer-wise adaptive rate scaling (You et al. 2017, arXiv 1708.03888) over SGD with momentum. Groups with
/// `adapt = false` take plain momentum steps; with `weight_decay = 0` as well they are what the papers exclude:
///
///     Lars optimizer(parameter_groups(model, {.weight_decay = 1e-6, .exclude_norm_and_bias = true}), lars_simclr());
///
/// The ratio is found and used on the device. It is 1 where the parameter or the gradient is zero.
class Lars : public detail::MomentumOptimizer {
 public:
  explicit Lars(std::vector<ParameterGroup> groups, const LarsOptions& options = {})
      : MomentumOptimizer("lars", std::move(groups),
                          {.momentum = options.momentum,
                           .nesterov = options.nesterov,
                           .lr_in_buffer = options.lr_in_buffer,
                           .adaptive = true,
                           .trust = options.trust,
                           .eps = options.eps,
                           .decayed_norm = options.decayed_norm,
                           .clip = options.clip}) {}
};

}  // namespace contrastive
