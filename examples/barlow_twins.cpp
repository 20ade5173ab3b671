// SPDX-License-Identifier: MIT
//
// Barlow Twins (Zbontar et al. 2021, arXiv:2103.03230): the correlations between two views' dimensions become the identity.
//
//   barlow_twins --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 256 --epochs 200 --dimension 2048

#include "contrastive/methods/barlow_twins.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "barlow_twins";
  recipe.lr = 0.06;
  recipe.warmup_epochs = 0.2;
  recipe.weight_decay = 0.0001;
  recipe.own = BarlowTwinsMethodConfig{.scale = 0.1, .dimension = 512};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const AnyAugment views = app::training_views(s, [](int size) { return size < 96 ? byol_cifar(size) : byol(size); });
  return {barlow_twins(app::encoder_for(s, rng / "encoder", true), views, s.own.as<BarlowTwinsMethodConfig>(), rng),
          app::evaluation_view(s, app::normalization_of(s))};
}

}  // namespace

namespace app::methods {

extern const Program barlow_twins{
    .title = "Barlow Twins",
    .paper = "Zbontar et al. 2021",
    .arxiv = "2103.03230",
    .compares = "dimensions across two views",
    .against_collapse = "dimensions that do not repeat each other",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
