// SPDX-License-Identifier: MIT
#pragma once

#include <utility>
#include <vector>

#include "contrastive/optim/momentum.hpp"

namespace contrastive {

struct SgdOptions {
  double momentum = 0.9;  // in [0, 1)
  bool nesterov = false;
};

/// Stochastic gradient descent as in PyTorch (torch.optim.SGD without dampening):
///
///     g = g + weight_decay p;  b = momentum b + g;  p = p - lr (nesterov ? g + momentum b : b)
///
///     Sgd optimizer(parameter_groups(model, {.weight_decay = 1e-4}), {.momentum = 0.9});
///     loss.backward();
///     optimizer.step(lr);
///     optimizer.clear_grad();
///
/// Shares the parameters' memory and gradients: build it after the module is on its device and what is to be frozen is;
/// to hold a parameter still for a while, clear its gradient before the step. Throws on parameters of mixed dtypes.
class Sgd : public detail::MomentumOptimizer {
 public:
  explicit Sgd(std::vector<ParameterGroup> groups, const SgdOptions& options = {})
      : MomentumOptimizer("sgd", std::move(groups), {.momentum = options.momentum, .nesterov = options.nesterov}) {}
};

}  // namespace contrastive
