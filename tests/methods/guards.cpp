// SPDX-License-Identifier: MIT

// What keeps a method without negatives from the trivial solution, taken away: the collapse watch must say so.

#include "contrastive/eval/spectrum.hpp"
#include "contrastive/methods/byol.hpp"
#include "contrastive/methods/simsiam.hpp"
#include "contrastive/optim/adamw.hpp"
#include "methods/on_shapes.hpp"
#include "methods/without_guards.hpp"
#include "support/catch.hpp"
#include "support/learning.hpp"

using namespace contrastive;

namespace {

/// Trains on shapes and watches what the trainer watches: the last batch's online embeddings.
template <class M>
CollapseWatch watch_on_shapes(M& method, double lr, std::int64_t steps) {
  return train_on_shapes(method, lr, steps,
                         [&](const Views& views) { return collapse_watch(method.embed(views, {}, false).online[0]); });
}

}  // namespace

// Without the norm at the projector's end, which the paper can do without (table 3, "hidden-only"). It keeps z spread out
// whatever happens: a batch then falls apart in two, sooner or later as the seed has it, where this one goes to a point.
TEST_CASE("SimSiam collapses without its stop-gradient, and without its predictor, and not with both", "[learns]") {
  const auto predictor =
      simsiam(tiny_encoder(Rng(seeded(5))), simclr_cifar(12), {.dimension = 64, .bottleneck = 16}, Rng(seeded(5)))
          .predictor;
  const auto run = [](const auto& top, const auto& objective, const auto& target) {
    const Mlp projector(32, {{.out = 32, .bias = false}, {.out = 64, .norm = false, .relu = false}}, Rng(seeded(5)));
    Method method(tiny_encoder(Rng(seeded(5))), projector, clone(top), objective, simclr_cifar(12), target);
    return watch_on_shapes(method, 0.2, 100);
  };
  check_healthy("SimSiam", run(predictor, SimsiamCosine{}, StopGradient{}));
  check_collapsed("SimSiam without its stop-gradient",
                  run(predictor, without_guards::CosineWithGradient{}, without_guards::KeepGradient{}));
  check_collapsed("SimSiam without its predictor", run(Identity{}, SimsiamCosine{}, StopGradient{}));
}

TEST_CASE("BYOL collapses without its predictor, and not with it", "[learns]") {
  const ByolConfig config{.hidden = 64, .dimension = 32, .momentum = 0.9};
  auto with = byol(tiny_encoder, simclr_cifar(12), config, Rng(seeded(6)));
  const CollapseWatch healthy = watch_on_shapes(with, 0.2, 80);
  check_healthy("BYOL", healthy);

  auto start = byol(tiny_encoder, simclr_cifar(12), config, Rng(seeded(6)));
  Method without(start.online.encoder, start.online.projector, Identity{}, ByolRegression{}, simclr_cifar(12),
                 Momentum{.momentum = config.momentum, .to_one = true});
  const CollapseWatch collapsed = watch_on_shapes(without, 0.2, 80);
  check_collapsed("BYOL without its predictor", collapsed);
}

// Group norm leaves what all pictures share in place, and behind a ReLU that is most of it: only weights whose rows sum to
// zero do not pass it on. With slow targets and a small rate what is left to tell pictures apart by then holds.
TEST_CASE("BYOL without batch statistics keeps pictures apart by standardising linear layers too", "[learns]") {
  const auto run = [](bool standardize) {
    auto method = byol(tiny_encoder, simclr_cifar(12),
                       {.hidden = 64, .dimension = 32, .momentum = 0.996, .channel_groups = 4}, Rng(seeded(6)));
    each_module<Linear>(method, [&](Linear& linear) { linear.standardize = standardize; });
    AdamW optimizer(parameter_groups(method, {.weight_decay = 1e-4, .exclude_norm_and_bias = true}));
    return train_on_shapes(method, optimizer, 1e-3, 200, [&](const Views& views) {
      return collapse_watch(method.embed(views, {}, false).online[0]);
    });
  };
  const CollapseWatch healthy = run(true), plain = run(false);
  check_above("BYOL with group norm: rank", healthy.rank, CollapseWatch::low_rank);
  check_below("BYOL with group norm: spread without standardising over that with it", plain.spread / healthy.spread, 1);
}
