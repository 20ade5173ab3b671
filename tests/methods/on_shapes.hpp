// SPDX-License-Identifier: MIT
#pragma once

#include <cstring>
#include <vector>

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

/// Trains on shapes and watches what the trainer watches: the last batch's online embeddings.
template <class M>
contrastive::CollapseWatch watch_on_shapes(M& method, double lr, std::int64_t steps) {
  return train_on_shapes(method, lr, steps, [&](const contrastive::Views& views) {
    return collapse_watch(method.embed(views, {}, false).online[0]);
  });
}

/// Steps [from, to) of a run over 256 pictures in batches of 32; the losses. The optimiser has no memory, so a run may
/// be taken up anywhere.
template <class M>
std::vector<double> train_steps(M& method, int from, int to, double lr = 0.03) {
  using namespace contrastive;
  Sgd optimizer(parameter_groups(method), {.momentum = 0});
  Loader loader(Shapes(256, 12, "shape", seeded(0), "train"), method.augment,
                {.batch = 32, .seed = seeded(3), .threads = 0});
  std::vector<double> losses;
  for (int step = from; step < to; ++step) {
    loader.start(step / 8, step % 8);
    const Tensor loss = method.loss(loader.next()->views, {step, 1000});
    losses.push_back(loss.item());
    loss.backward();
    optimizer.step(lr);
    optimizer.clear_grad();
    method.after_step({step, 1000});
  }
  return losses;
}

/// The mean over an epoch of 8 steps.
inline double epoch_of(const std::vector<double>& losses, std::size_t epoch) {
  double sum = 0;
  for (std::size_t i = 0; i < 8; ++i) sum += losses.at(8 * epoch + i) / 8;
  return sum;
}

template <class M>
std::vector<contrastive::Tensor> tensors_of(M& method) {
  std::vector<contrastive::Tensor> state;
  each_state(method, [&](const std::string&, contrastive::Tensor& t) { state.push_back(t.clone()); });
  return state;
}

/// A run of 12 steps ends with the bits of one that is cut after 5 and taken up by a new object.
template <class Make>
void check_resumes(Make&& make) {
  using namespace contrastive;
  auto whole = make(), first = make();
  train_steps(whole, 0, 12);
  train_steps(first, 0, 5);
  const std::vector<Tensor> saved = tensors_of(first);
  auto second = make();
  std::size_t i = 0;
  each_state(second, [&](const std::string&, Tensor& t) { t.copy_from(saved[i++]); });
  train_steps(second, 5, 12);
  const std::vector<Tensor> want = tensors_of(whole), got = tensors_of(second);
  REQUIRE(want.size() == got.size());
  for (std::size_t k = 0; k < want.size(); ++k) {
    const auto bytes = static_cast<std::size_t>(want[k].count()) * size_of(want[k].dtype());
    CHECK(std::memcmp(want[k].view().data, got[k].view().data, bytes) == 0);
  }
}
