// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/optim/sgd.hpp"
#include "methods/support.hpp"

/// Ours "encoder.body.weight", "projector.0.weight" as the official "body.weight", "fc.0.weight" ("fc.weight" in v1).
inline std::string official(std::string name, bool v1) {
  if (name.starts_with("encoder.")) return name.substr(8);
  return v1 ? "fc." + name.substr(std::string("projector.0.").size())
            : "fc." + name.substr(std::string("projector.").size());
}

/// The four frozen steps of MoCo, v1 or v2.
template <class M>
void check_moco_steps(M& method, const Golden& g, bool v1) {
  using namespace contrastive;
  move_to(method, Device::cpu, DType::f64);
  const auto each = [&](auto& module, const std::string& prefix, auto&& f) {
    each_parameter(module, [&](const std::string& name, Parameter& p) { f(g.tensor(prefix + official(name, v1)), p); });
  };
  each(method.online, "q_init.", [](const Tensor& from, Parameter& p) { p.copy_from(from); });
  each(method.target, "k_init.", [](const Tensor& from, Parameter& p) { p.copy_from(from); });
  const int axes[] = {1, 0};
  method.objective.queue.keys.copy_from(permute(g.tensor("queue_init"), axes));
  Sgd optimizer(parameter_groups(method.online), {.momentum = 0});
  for (int step = 0; step < 4; ++step) {
    const std::string at = "_" + std::to_string(step);
    Views views;
    views.view = {g.tensor("x_q" + at), g.tensor("x_k" + at)};
    views.globals = 2;
    const Tensor loss = method.loss(views);
    loss.backward();
    CHECK(largest_difference(loss, g.tensor("loss" + at)) < 1e-10);
    each(method.online, "grad" + at + ".",
         [&](const Tensor& want, Parameter& p) { CHECK(largest_difference(p.grad(), want) < 1e-10); });
    each(method.target, "k_after" + at + ".",
         [&](const Tensor& want, Parameter& p) { CHECK(largest_difference(p, want) < 1e-10); });
    CHECK(largest_difference(permute(method.objective.queue.keys, axes), g.tensor("queue_after" + at)) < 1e-10);
    CHECK(method.objective.queue.pointer.item() == g.tensor("ptr_after" + at).to(DType::f64).item());
    optimizer.step(0.1);
    optimizer.clear_grad();
  }
}
