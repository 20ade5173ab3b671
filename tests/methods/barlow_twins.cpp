// SPDX-License-Identifier: MIT

// Barlow Twins: one batch, and what its second sum keeps it from.

#include "contrastive/methods/barlow_twins.hpp"

#include "contrastive/eval/spectrum.hpp"
#include "methods/on_shapes.hpp"
#include "methods/support.hpp"

using namespace contrastive;

TEST_CASE("Barlow Twins loses its dimensions without the term that holds them", "[learns]") {
  const auto run = [](double lambda) {
    auto method = barlow_twins(tiny_encoder(Rng(seeded(5))), simclr_cifar(12),
                               {.loss = {.lambda = lambda}, .scale = 0.1, .dimension = 64}, Rng(seeded(5)));
    return watch_on_shapes(method, 0.1, 200);
  };
  const CollapseWatch reduced = run(0.03), redundant = run(0);
  check_healthy("Barlow Twins", reduced);
  check_below("Barlow Twins without its second sum: rank over that with it", redundant.rank / reduced.rank, 0.5);
}

TEST_CASE("Barlow Twins lowers its loss on one batch, and a copy of its state goes on with the same bits", "[learns]") {
  check_one_batch(
      "barlow_twins", [] { return barlow_twins(TanhBody{}, no_augment(), {.dimension = 16}, Rng(seeded(1))); }, 2);
}
