// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "contrastive/nn/module.hpp"

namespace contrastive {

/// Parameters that share hyper-parameters. A plain value: schedules may write `weight_decay` and `lr_scale` between
/// steps.
struct ParameterGroup {
  std::vector<Tensor> parameters{};
  std::vector<std::string> names{};  // one a parameter: the keys of the state in checkpoints
  double weight_decay = 0;
  double lr_scale = 1;  // multiplies the rate given to `step`
  bool adapt = true;    // LARS' trust ratio
};

struct ParameterGroupOptions {
  double weight_decay = 0;
  double lr_scale = 1;
  /// Puts tensors of rank 0 and 1 (biases, gains and shifts of norms, learned temperatures) in a group of their own,
  /// without decay or adaptation. Right for SimCLR, BYOL, SwAV's successors and every ViT trained with AdamW; MoCo
  /// v1/v2 and SimSiam decay everything, and SwAV's LARC adapts everything.
  bool exclude_norm_and_bias = false;
};

/// One or two groups of a module's parameters that require a gradient, in the order of `each_parameter`. Names get
/// `prefix`, which keeps the states of several modules apart.
template <class M>
std::vector<ParameterGroup> parameter_groups(M& module, const ParameterGroupOptions& options = {},
                                             const std::string& prefix = "") {
  ParameterGroup main, bare;
  main.weight_decay = options.weight_decay;
  main.lr_scale = bare.lr_scale = options.lr_scale;
  bare.adapt = false;
  each_parameter(module, [&](const std::string& name, Parameter& parameter) {
    if (!parameter.requires_grad()) return;
    ParameterGroup& group = options.exclude_norm_and_bias && parameter.rank() <= 1 ? bare : main;
    group.parameters.push_back(parameter);
    group.names.push_back(prefix + name);
  });
  std::vector<ParameterGroup> groups;
  if (!main.parameters.empty()) groups.push_back(std::move(main));
  if (!bare.parameters.empty()) groups.push_back(std::move(bare));
  return groups;
}

}  // namespace contrastive
