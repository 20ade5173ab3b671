// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/optim/slots.hpp"

namespace contrastive::detail {

struct MomentumOptions {
  double momentum = 0;
  bool nesterov = false;
  bool lr_in_buffer = false;
  bool adaptive = false;  // the rest is read when set
  double trust = 0, eps = 0;
  bool decayed_norm = true, clip = false;
};

/// What SGD and LARS share: one buffer a parameter and the kernels `sgd` and `trust_ratio`.
class MomentumOptimizer {
 public:
  /// One update from the gradients collected, at rate `lr` times each group's `lr_scale`. Parameters without a gradient
  /// stay as they are.
  void step(double lr) {
    prepare(lr);
    apply();
  }

  /// The two halves of `step`: sending the hyper-parameters to the device, and the kernels, which read them there (so a
  /// recorded `apply` can be replayed after another `prepare`).
  void prepare(double lr) {
    require(std::isfinite(lr), "[", op_, "] the learning rate is ", lr);
    slots_.upload([&]<class T>(std::size_t, const ParameterGroup& group, SgdHyper<T>& row) {
      row = {.lr = static_cast<T>(lr * group.lr_scale),
             .momentum = static_cast<T>(options_.momentum),
             .weight_decay = static_cast<T>(group.weight_decay),
             .nesterov = T(options_.nesterov),
             .lr_in_buffer = T(options_.lr_in_buffer),
             .trust = static_cast<T>(options_.trust),
             .eps = static_cast<T>(options_.eps),
             .decayed_norm = T(options_.decayed_norm),
             .clip = T(options_.clip)};
    });
  }
  void apply() {
    for (std::size_t i = 0; i < slots_.list.size(); ++i) {
      const Tensor grad = slots_.gradient(i);
      if (!grad.defined()) continue;
      const View p = slots_.list[i].parameter.view_to_write(), buffer = buffers_.empty() ? View{} : buffers_[i].view();
      const KernelTable& kernels = grad.kernels();
      View trust;
      if (options_.adaptive && slots_.groups[slots_.list[i].group].adapt) {
        trust = trust_.view();
        kernels.trust_ratio(p, grad.view(), slots_.hyper(i), trust);
      }
      kernels.sgd(p, grad.view(), buffer, trust, slots_.hyper(i));
    }
  }

  void clear_grad() const { slots_.clear_grad(); }

  std::vector<ParameterGroup>& groups() { return slots_.groups; }

  /// Calls `f(name, tensor)` for all that a checkpoint has to hold.
  template <class F>
  void each_state(F&& f) {
    for (std::size_t i = 0; i < buffers_.size(); ++i) f("momentum." + slots_.list[i].name, buffers_[i]);
  }

 protected:
  MomentumOptimizer(const char* op, std::vector<ParameterGroup> groups, const MomentumOptions& options)
      : op_(op), slots_(op, std::move(groups)), options_(options) {
    require(options.momentum >= 0 && options.momentum < 1, "[", op, "] momentum is in [0, 1), got ", options.momentum);
    if (options.momentum > 0) buffers_ = slots_.zeros();
    if (options.adaptive) trust_ = Tensor(Shape{2}, slots_.dtype(), slots_.device());
  }

 private:
  const char* op_;
  Slots<SgdHyper> slots_;
  MomentumOptions options_;
  std::vector<Tensor> buffers_;
  Tensor trust_;  // (2), of the parameter at hand
};

}  // namespace contrastive::detail
