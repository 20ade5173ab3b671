// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/optim/slots.hpp"

namespace contrastive {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;  // 0.95 in MAE, 0.98 in CLIP with ViTs
  double eps = 1e-8;     // 1e-6 in CLIP with ViTs
  /// Decay multiplies the parameter by 1 - lr weight_decay. When false it is added to the gradient: Adam with L2.
  bool decoupled = true;
};

/// AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101), as in PyTorch:
///
///     p = p (1 - lr wd);  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
///     p = p - lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps)
///
/// t counts the updates of each parameter: one that joins late has its own.
class AdamW {
 public:
  explicit AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options = {})
      : slots_("adamw", std::move(groups)),
        options_(options),
        mean_(slots_.zeros()),
        square_(slots_.zeros()),
        steps_(Tensor::zeros(Shape{static_cast<std::int64_t>(slots_.list.size())}, DType::i64)) {
    for (const double beta : {options.beta1, options.beta2})
      require(beta >= 0 && beta < 1, "[adamw] betas are in [0, 1), got ", beta);
    require(options.eps > 0, "[adamw] eps is above 0, got ", options.eps);
  }

  /// One update from the gradients collected, at rate `lr` times each group's `lr_scale`. Parameters without a gradient
  /// stay as they are.
  void step(double lr) {
    prepare(lr);
    apply();
  }

  /// The two halves of `step`: counting and sending the hyper-parameters to the device, and the kernels, which read
  /// them there (so a recorded `apply` can be replayed after another `prepare`).
  void prepare(double lr) {
    require(std::isfinite(lr), "[adamw] the learning rate is ", lr);
    slots_.upload([&]<class T>(std::size_t i, const ParameterGroup& group, AdamHyper<T>& row) {
      std::int64_t& step = steps_.data<std::int64_t>()[i];
      step += slots_.gradient(i).defined();
      const double t = static_cast<double>(step > 0 ? step : 1);
      row = {.lr = static_cast<T>(lr * group.lr_scale),
             .beta1 = static_cast<T>(options_.beta1),
             .beta2 = static_cast<T>(options_.beta2),
             .eps = static_cast<T>(options_.eps),
             .weight_decay = static_cast<T>(group.weight_decay),
             .decoupled = T(options_.decoupled),
             .gain1 = static_cast<T>(1 - options_.beta1),
             .gain2 = static_cast<T>(1 - options_.beta2),
             .correction1 = static_cast<T>(1 - std::pow(options_.beta1, t)),
             .correction2 = static_cast<T>(1 - std::pow(options_.beta2, t))};
    });
  }
  void apply() {
    for (std::size_t i = 0; i < slots_.list.size(); ++i) {
      const Tensor grad = slots_.gradient(i);
      if (!grad.defined()) continue;
      grad.kernels().adamw(slots_.list[i].parameter.view_to_write(), grad.view(), mean_[i].view(), square_[i].view(),
                           slots_.hyper(i));
    }
  }

  void clear_grad() const { slots_.clear_grad(); }

  std::vector<ParameterGroup>& groups() { return slots_.groups; }

  /// Calls `f(name, tensor)` for all that a checkpoint has to hold.
  template <class F>
  void each_state(F&& f) {
    for (std::size_t i = 0; i < mean_.size(); ++i) {
      f("exp_avg." + slots_.list[i].name, mean_[i]);
      f("exp_avg_sq." + slots_.list[i].name, square_[i]);
    }
    f("steps", steps_);
  }

 private:
  detail::Slots<AdamHyper> slots_;
  AdamWOptions options_;
  std::vector<Tensor> mean_, square_;
  Tensor steps_;  // (parameters), i64, on the CPU
};

}  // namespace contrastive
