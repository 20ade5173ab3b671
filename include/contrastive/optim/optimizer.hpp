// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "contrastive/optim/adamw.hpp"
#include "contrastive/optim/lars.hpp"
#include "contrastive/optim/sgd.hpp"

namespace contrastive {

/// One of the optimisers, chosen at run time (`--optimizer sgd`).
class Optimizer {
 public:
  Optimizer(Sgd optimizer) : held_(std::move(optimizer)) {}
  Optimizer(Lars optimizer) : held_(std::move(optimizer)) {}
  Optimizer(AdamW optimizer) : held_(std::move(optimizer)) {}

  void step(double lr) {
    std::visit([&](auto& optimizer) { optimizer.step(lr); }, held_);
  }
  void prepare(double lr) {
    std::visit([&](auto& optimizer) { optimizer.prepare(lr); }, held_);
  }
  void apply() {
    std::visit([](auto& optimizer) { optimizer.apply(); }, held_);
  }
  void clear_grad() const {
    std::visit([](const auto& optimizer) { optimizer.clear_grad(); }, held_);
  }
  std::vector<ParameterGroup>& groups() {
    return std::visit([](auto& optimizer) -> std::vector<ParameterGroup>& { return optimizer.groups(); }, held_);
  }
  template <class F>
  void each_state(F&& f) {
    std::visit([&](auto& optimizer) { optimizer.each_state(f); }, held_);
  }

 private:
  std::variant<Sgd, Lars, AdamW> held_;
};

}  // namespace contrastive
