// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "contrastive/data/loader.hpp"
#include "contrastive/optim/adamw.hpp"
#include "contrastive/optim/parameter_groups.hpp"

/// Trains a method on a set for so many steps by AdamW; `rate(step)` is the learning rate.
template <class M, class Set, class Rate>
void train_on(M& method, const Set& set, std::size_t batch_size, std::uint64_t seed, std::int64_t steps, Rate&& rate) {
  using namespace contrastive;
  AdamW optimizer(parameter_groups(method));
  Loader loader(set, method.augment, {.batch = batch_size, .seed = seed, .threads = 1});
  std::int64_t step = 0;
  for (int epoch = 0; step < steps; ++epoch)
    for (loader.start(epoch); auto batch = loader.next(); ++step) {
      if (step == steps) break;
      method.loss(batch->views, {step, steps}).backward();
      optimizer.step(rate(step));
      optimizer.clear_grad();
      method.after_step({step, steps});
    }
}
