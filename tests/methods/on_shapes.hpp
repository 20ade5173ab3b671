// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/augment/recipes.hpp"
#include "contrastive/data/loader.hpp"
#include "contrastive/data/shapes.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/optim/sgd.hpp"
#include "support/learning.hpp"

/// A short seeded run on drawn shapes of 12 pixels, for what keeps a method from its trivial solution.
inline contrastive::ConvNet tiny_encoder(contrastive::Rng rng) { return contrastive::ConvNet(3, {8, 16, 32}, rng); }

/// Trains all parts of `method` for `steps` steps of 64 of 512 pictures; then `look(views)` sees the next batch.
template <class M, class O, class F>
auto train_on_shapes(M& method, O optimizer, double lr, std::int64_t steps, F&& look) {
  using namespace contrastive;
  Loader loader(Shapes(512, 12, "shape", seeded(0), "train"), method.augment,
                {.batch = 64, .seed = seeded(3), .threads = 1});
  std::int64_t step = 0;
  for (int epoch = 0;; ++epoch)
    for (loader.start(epoch); auto batch = loader.next(); ++step) {
      const Progress progress{step, steps, 8};
      if (step == steps) {
        const NoGrad no_grad;
        return look(batch->views);
      }
      method.loss(batch->views, progress).backward();
      method.before_update(progress);
      optimizer.step(lr);
      optimizer.clear_grad();
      method.after_step(progress);
    }
}

template <class M, class F>
auto train_on_shapes(M& method, double lr, std::int64_t steps, F&& look) {
  using namespace contrastive;
  return train_on_shapes(method, Sgd(parameter_groups(method, {.weight_decay = 1e-3}), {.momentum = 0.9}), lr, steps,
                         std::forward<F>(look));
}
