// SPDX-License-Identifier: MIT

// VICReg: one batch, and what variance and covariance keep it from.

#include "contrastive/methods/vicreg.hpp"

#include "contrastive/eval/spectrum.hpp"
#include "methods/on_shapes.hpp"
#include "methods/support.hpp"

using namespace contrastive;

TEST_CASE("VICReg loses its dimensions without the terms that hold them", "[learns]") {
  struct Seen {
    CollapseWatch watch;
    double deviation;  // of a dimension, averaged
  };
  const auto run = [](VicRegConfig loss, std::int64_t steps) {
    auto method =
        vicreg(tiny_encoder(Rng(seeded(5))), simclr_cifar(12), {.loss = loss, .dimension = 64}, Rng(seeded(5)));
    return train_on_shapes(method, 0.02, steps, [&](const Views& views) {
      const Tensor z = method.embed(views, {}, false).online[0];
      return Seen{collapse_watch(z), mean(sqrt(mean(square(z - mean(z, 0, true)), 0))).item()};
    });
  };
  const Seen all = run({}, 250), no_variance = run({.variance = 0}, 150), no_covariance = run({.covariance = 0}, 250);
  check_healthy("VICReg", all.watch);
  check_below("VICReg without variance: deviation over that with it", no_variance.deviation / all.deviation, 0.05);
  check_below("VICReg without covariance: rank over that with it", no_covariance.watch.rank / all.watch.rank, 0.5);
}

TEST_CASE("VICReg lowers its loss on one batch, and a copy of its state goes on with the same bits", "[learns]") {
  check_one_batch(
      "vicreg", [] { return vicreg(TanhBody{}, no_augment(), {.dimension = 16}, Rng(seeded(1))); }, 2);
}
