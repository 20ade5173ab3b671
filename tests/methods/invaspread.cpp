// SPDX-License-Identifier: MIT

// InvaSpread: first loss, resuming, and what the rest of the batch keeps it from.

#include "contrastive/methods/invaspread.hpp"
#include "methods/on_shapes.hpp"
#include "methods/support.hpp"
#include "methods/without_negatives.hpp"

using namespace contrastive;

TEST_CASE("InvaSpread starts where its paper's batch does, and falls on shapes", "[learns]") {
  // Equal similarities, N pictures: ln(2N - 1) for the pair, and 2N - 2 times -ln(1 - 1 / (2N - 1)).
  const Tensor z = Tensor::full({128, 8}, 1);
  const double start = std::log(255.0) - 254 * std::log(1 - 1 / 255.0);
  CHECK(start == Approx(6.54).margin(0.005));
  CHECK(InvariantSpread{}(batch_of({z, z})).item() == Approx(start).epsilon(1e-5));

  const auto make = [] {
    return invaspread(tiny_encoder(Rng(seeded(5))), invaspread(12), {.dimension = 32}, Rng(seeded(5)));
  };
  CHECK(make().views_together);
  check_resumes(make);
  auto method = make();
  const std::vector<double> losses = train_steps(method, 0, 80, 0.03);
  check_below("InvaSpread: loss of the last epoch less the first's", epoch_of(losses, 9) - epoch_of(losses, 0), 0);
  CHECK_THROWS_WITH(InvariantSpread{}(batch_of({z})), Contains("expected two views, got 1"));
}

TEST_CASE("InvaSpread collapses without its negatives, and not with them", "[learns]") {
  const auto augment = simclr_cifar(12);
  collapses_without_negatives(
      "InvaSpread", invaspread(tiny_encoder(Rng(seeded(5))), augment, {.dimension = 32}, Rng(seeded(5))), 0.2);
}
