// SPDX-License-Identifier: MIT

// Methods on one batch.

#include "contrastive/methods/barlow_twins.hpp"
#include "contrastive/methods/byol.hpp"
#include "contrastive/methods/dcl.hpp"
#include "contrastive/methods/dino.hpp"
#include "contrastive/methods/moco_v3.hpp"
#include "contrastive/methods/nnclr.hpp"
#include "contrastive/methods/sup_con.hpp"
#include "contrastive/methods/swav.hpp"
#include "contrastive/methods/vicreg.hpp"
#include "contrastive/optim/sgd.hpp"
#include "methods/support.hpp"

using namespace contrastive;

TEST_CASE("each recipe lowers its loss on one batch, and a copy of its state goes on with the same bits", "[learns]") {
  const auto check = [](const std::string& name, auto make, std::size_t views_count) {
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
    for (std::int64_t at = 1; at < 200; ++at) last = step(method, at);
    check_below("one batch, " + name + ": loss at last less the first", last - first, 0);
    // What `each_state` lists is all there is.
    auto again = make();
    std::vector<Tensor> state;
    each_state(method, [&](const std::string&, Tensor& t) { state.push_back(t.clone()); });
    std::size_t i = 0;
    each_state(again, [&](const std::string&, Tensor& t) { t.copy_from(state[i++]); });
    CHECK(step(method, 200) == step(again, 200));
    CHECK(step(method, 201) == step(again, 201));
  };
  check(
      "swav",
      [] {
        return swav(TanhBody{}, no_augment(),
                    {.hidden = 16, .dimension = 8, .prototypes = 12, .queue = 16, .queue_from = 2, .freeze_epochs = 1},
                    Rng(seeded(1)));
      },
      4);
  check(
      "byol, group norm",
      [] {
        return byol([](Rng) { return TanhBody{}; }, no_augment(), {.hidden = 32, .dimension = 8, .channel_groups = 16},
                    Rng(seeded(1)));
      },
      2);
  check(
      "moco_v3", [] { return moco_v3(TanhBody{}, no_augment(), {.hidden = 16, .dimension = 8}, Rng(seeded(1))); }, 2);
  check(
      "dino",
      [] {
        return dino(TanhBody{}, no_augment(), {.outputs = 20, .hidden = 16, .bottleneck = 8, .freeze_last_layer = 0},
                    Rng(seeded(1)));
      },
      4);
  check(
      "nnclr",
      [] {
        return nnclr(TanhBody{}, no_augment(),
                     {.queue = 32, .projector_hidden = 16, .predictor_hidden = 16, .dimension = 8}, Rng(seeded(1)));
      },
      2);
  check(
      "barlow_twins", [] { return barlow_twins(TanhBody{}, no_augment(), {.dimension = 16}, Rng(seeded(1))); }, 2);
  check(
      "vicreg", [] { return vicreg(TanhBody{}, no_augment(), {.dimension = 16}, Rng(seeded(1))); }, 2);
  check(
      "sup_con", [] { return sup_con(TanhBody{}, no_augment(), {.dimension = 8}, Rng(seeded(1))); }, 2);
  check(
      "dcl", [] { return dcl(TanhBody{}, no_augment(), {.dimension = 8}, Rng(seeded(1))); }, 2);
}
