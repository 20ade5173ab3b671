// SPDX-License-Identifier: MIT

// SupCon: its labels, one batch, and what rows of other classes keep it from.

#include "contrastive/methods/sup_con.hpp"
#include "contrastive/objectives/nt_xent.hpp"
#include "methods/on_shapes.hpp"
#include "methods/support.hpp"
#include "methods/without_negatives.hpp"

using namespace contrastive;

TEST_CASE("SupCon takes the views' labels; without them a picture is a class of its own") {
  auto method = sup_con(TanhBody{}, no_augment(), {.loss = {.temperature = 0.1}, .dimension = 4}, Rng(1));
  Views views = rows_as_views(2);
  const Embeddings z = method.embed(views);
  std::vector<std::int32_t> labels;
  for (int v = 0; v < 2; ++v)
    for (int i = 0; i < 8; ++i) labels.push_back(i / 2);
  CHECK(method.objective(z).item() ==
        Approx(sup_con(concat({z.online[0], z.online[1]}), labels, {.temperature = 0.1}).item()));
  views.label.assign(8, -1);
  const double alone = method.objective(method.embed(views)).item();
  CHECK(alone == Approx(nt_xent(z.online[0], z.online[1], 0.1).item() * 0.1 / 0.07).epsilon(1e-5));
  views.label.clear();
  CHECK_THROWS_WITH(method.objective(method.embed(views)), Contains("[sup_con] expected a label for each picture"));
}

TEST_CASE("SupCon collapses without its negatives, and not with them", "[learns]") {
  const auto augment = simclr_cifar(12);
  collapses_without_negatives(
      "SupCon",
      sup_con(tiny_encoder(Rng(seeded(5))), augment, {.loss = {.temperature = 0.5}, .dimension = 32}, Rng(seeded(5))),
      0.05);
}

TEST_CASE("SupCon lowers its loss on one batch, and a copy of its state goes on with the same bits", "[learns]") {
  check_one_batch(
      "sup_con", [] { return sup_con(TanhBody{}, no_augment(), {.dimension = 8}, Rng(seeded(1))); }, 2);
}
