// SPDX-License-Identifier: MIT
//
// SupCon (Khosla et al. 2020, arXiv:2004.11362): all views of all pictures of a class are positives. Needs labels.
//
//   sup_con --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 512 --epochs 200

#include "contrastive/methods/sup_con.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "sup_con";
  recipe.lr = 0.1;
  recipe.warmup_epochs = 0.2;
  recipe.own = SupConMethodConfig{.loss = {.temperature = 0.1}};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const AnyAugment views =
      app::training_views(s, [](int size) { return size < 96 ? simclr_cifar(size) : simclr(size); });
  return {sup_con(app::encoder_for(s, rng / "encoder"), views, s.own.as<SupConMethodConfig>(), rng),
          app::evaluation_view(s)};
}

}  // namespace

namespace app::methods {

extern const Program sup_con{
    .title = "SupCon",
    .paper = "Khosla et al. 2020",
    .arxiv = "2004.11362",
    .compares = "all views of a class",
    .against_collapse = "every other class of the batch",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
