// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/eval/spectrum.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/ops/ops.hpp"
#include "methods/on_shapes.hpp"

/// What is left of a contrastive loss without its negatives: the views of a picture attract each other.
struct Attraction {
  contrastive::Tensor operator()(const contrastive::Embeddings& z) const {
    using namespace contrastive;
    return mean(sum(normalize(z.online[0]) * normalize(z.online[1]), 1)) * -1.0;
  }
};

/// `method` keeps the pictures apart; with `attraction` for its objective, and no other tower, it does not.
template <class M, class Objective = Attraction>
void collapses_without_negatives(const std::string& name, const M& method, double lr, Objective attraction = {},
                                 std::int64_t steps = 150) {
  using namespace contrastive;
  Method changed(method.online.encoder, method.online.projector, method.predictor, std::move(attraction),
                 method.augment, StopGradient{});
  changed.views_together = method.views_together;
  // Both from the same start: copies share their tensors.
  auto whole = clone(method);
  auto bare = clone(changed);
  const CollapseWatch with = watch_on_shapes(whole, lr, steps), without = watch_on_shapes(bare, lr, steps);
  check_above(name + ": rank", with.rank, CollapseWatch::low_rank);
  check_collapsed(name + " without its negatives", without);
  check_below(name + " without its negatives: spread over that with them", without.spread / with.spread, 0.5);
}
