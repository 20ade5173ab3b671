// SPDX-License-Identifier: MIT

// DCL: one batch. Without its negatives it is SimCLR without them (simclr.cpp).

#include "contrastive/methods/dcl.hpp"

#include "methods/support.hpp"

using namespace contrastive;

TEST_CASE("DCL lowers its loss on one batch, and a copy of its state goes on with the same bits", "[learns]") {
  check_one_batch(
      "dcl", [] { return dcl(TanhBody{}, no_augment(), {.dimension = 8}, Rng(seeded(1))); }, 2);
}
