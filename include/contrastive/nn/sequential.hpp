// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <tuple>
#include <utility>

#include "contrastive/nn/module.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/pool.hpp"

namespace contrastive {

/// Modules one after the other, named 0, 1, ...:  `Sequential(Conv2d(...), Relu{}, GlobalAvgPool{}, Linear(...))`.
template <class... Modules>
class Sequential {
 public:
  explicit Sequential(Modules... modules) : modules_(std::move(modules)...) {}

  Tensor operator()(Tensor x) const {
    std::apply([&](const Modules&... module) { ((x = module(x)), ...); }, modules_);
    return x;
  }

  template <class F>
  void members(F&& f) {
    std::apply(
        [&](Modules&... module) {
          int index = 0;
          (f(std::to_string(index++), module), ...);
        },
        modules_);
  }

 private:
  static_assert(
      (Module<Modules> && ...),
      "Module: a module is `Tensor operator()(const Tensor&) const` with `members` (docs/guides/add-an-encoder.md)");
  std::tuple<Modules...> modules_;
};

struct Relu : Identity {
  Tensor operator()(const Tensor& x) const { return relu(x); }
};
struct GlobalAvgPool : Identity {
  Tensor operator()(const Tensor& x) const { return global_avg_pool(x); }
};
/// (N, ...) -> (N, everything else).
struct Flatten : Identity {
  Tensor operator()(const Tensor& x) const { return x.reshape({x.size(0), -1}); }
};

}  // namespace contrastive
