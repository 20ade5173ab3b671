// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/augment/recipes.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/init.hpp"
#include "contrastive/nn/linear.hpp"
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
