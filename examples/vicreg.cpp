// SPDX-License-Identifier: MIT
//
// VICReg (Bardes et al. 2022, arXiv:2105.04906): two views agree, each dimension keeps its variance, none repeats another.
//
//   vicreg --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 256 --epochs 200 --dimension 2048

#include "contrastive/methods/vicreg.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "vicreg";
  recipe.lr = 0.02;
  recipe.warmup_epochs = 0.2;
  recipe.weight_decay = 0.0001;
  recipe.own = VicRegMethodConfig{.dimension = 512};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const AnyAugment views = app::training_views(s, [](int size) { return size < 96 ? byol_cifar(size) : byol(size); });
  return {vicreg(app::encoder_for(s, rng / "encoder", true), views, s.own.as<VicRegMethodConfig>(), rng),
          app::evaluation_view(s, app::normalization_of(s))};
}

}  // namespace

namespace app::methods {

extern const Program vicreg{
    .title = "VICReg",
    .paper = "Bardes et al. 2022",
    .arxiv = "2105.04906",
    .compares = "two views",
    .against_collapse = "variance kept, covariance taken away",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
