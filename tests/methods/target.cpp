// SPDX-License-Identifier: MIT

// When a target network moves.

#include "contrastive/methods/byol.hpp"
#include "contrastive/methods/moco_v2.hpp"
#include "methods/support.hpp"

using namespace contrastive;

TEST_CASE("MoCo's target moves before the keys, BYOL's after the step; neither takes a gradient") {
  Views views;
  for (std::uint64_t v = 0; v < 2; ++v) views.view.push_back(init::normal({4, 6}, 1, Rng(v)));
  views.globals = 2;
  const auto first = [](auto& module) {
    double value = 0;
    each_parameter(module, [&](const std::string&, Parameter& p) {
      if (value == 0) value = p.data<float>()[0];
    });
    return value;
  };
  for (const MomentumUpdate update : {MomentumUpdate::before_keys, MomentumUpdate::after_step}) {
    Mlp head(5, {{.out = 4, .norm = false, .relu = false}}, Rng(1));
    Method method(TanhBody{}, head, Identity{}, ByolRegression{}, no_augment(),
                  Momentum{.momentum = 0.5, .update = update});
    each_parameter(method.online, [](const std::string&, Parameter& p) { p.data<float>()[0] += 1; });
    const double start = first(method.target);
    method.loss(views).backward();
    CHECK(first(method.target) == Approx(update == MomentumUpdate::before_keys ? start + 0.5 : start));
    method.after_step({});
    CHECK(first(method.target) == Approx(start + 0.5));
    each_parameter(method.target, [](const std::string&, Parameter& p) { CHECK_FALSE(p.grad().defined()); });
  }
}
