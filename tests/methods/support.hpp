// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/augment/recipes.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/init.hpp"
#include "contrastive/nn/linear.hpp"
#include "contrastive/optim/sgd.hpp"
#include "objectives/support.hpp"
#include "support/learning.hpp"

// What the tests of several methods share: a network on rows, views of such rows, embeddings without a network.

/// y = tanh(body(x)) on rows of 6: the encoder of the frozen MoCo and MoCo v3 runs.
struct TanhBody {
  contrastive::Linear body{6, 5, contrastive::Rng(0)};
  std::int64_t features() const { return 5; }
  contrastive::Tensor operator()(const contrastive::Tensor& x) const { return tanh(body(x)); }
  template <class F>
  void members(F&& f) {
    f("body", body);
  }
};

/// For methods that are given their views.
inline auto no_augment() { return contrastive::simclr_cifar(12); }

/// `count` views of N rows each.
inline contrastive::Views rows_as_views(std::size_t count, std::int64_t N = 8) {
  using namespace contrastive;
  Views views;
  for (std::size_t v = 0; v < count; ++v) views.view.push_back(init::normal({N, 6}, 1, Rng(seeded(v))));
  views.globals = 2;
  for (std::int64_t i = 0; i < N; ++i) {
    views.sample.push_back(i);
    views.label.push_back(i / 2);
  }
  return views;
}

inline contrastive::Embeddings batch_of(std::vector<contrastive::Tensor> online,
                                        std::vector<contrastive::Tensor> target = {},
                                        contrastive::Progress progress = {}) {
  contrastive::Embeddings z;
  z.online = std::move(online);
  z.target = std::move(target);
  z.progress = progress;
  return z;
}
/// One view of these pictures, in the first step.
inline contrastive::Embeddings one_view(const contrastive::Tensor& z, std::vector<std::int64_t> pictures) {
  contrastive::Embeddings batch = batch_of({z}, {}, {.step = 0});
  batch.sample = std::move(pictures);
  return batch;
}

inline void check_near(const contrastive::Tensor& got, const contrastive::Tensor& want, double tolerance) {
  CHECK(largest_difference(got, want) <= tolerance);
}

/// The mean of the last `count` losses of a run.
inline double last_mean(const std::vector<double>& losses, std::size_t count) {
  double sum = 0;
  for (std::size_t i = losses.size() - count; i < losses.size(); ++i) sum += losses[i] / static_cast<double>(count);
  return sum;
}

/// A recipe lowers its loss on one batch, and a copy of its state goes on with the same bits.
template <class Make>
void check_one_batch(const std::string& name, Make&& make, std::size_t views_count) {
  using namespace contrastive;
  INFO(name);
  auto method = make();
  Views views = rows_as_views(views_count);
  const auto step = [&](auto& m, std::int64_t at) {
    Sgd optimizer(parameter_groups(m), {.momentum = 0});
    const Progress progress{at, 1000, 10};
    const Tensor loss = m.loss(views, progress);
    loss.backward();
    m.before_update(progress);
    optimizer.step(0.01);
    optimizer.clear_grad();
    m.after_step(progress);
    return loss.item();
  };
  const double first = step(method, 0);
  double last = first;
  for (std::int64_t at = 1; at < 400; ++at) last = step(method, at);
  check_below("one batch, " + name + ": loss at last less the first", last - first, 0);
  // What `each_state` lists is all there is.
  auto again = make();
  std::vector<Tensor> state;
  each_state(method, [&](const std::string&, Tensor& t) { state.push_back(t.clone()); });
  std::size_t i = 0;
  each_state(again, [&](const std::string&, Tensor& t) { t.copy_from(state[i++]); });
  CHECK(step(method, 400) == step(again, 400));
  CHECK(step(method, 401) == step(again, 401));
}
