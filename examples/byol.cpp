// SPDX-License-Identifier: MIT
//
// BYOL (Grill et al. 2020, arXiv:2006.07733): a network predicts a moving average of itself that sees another view;
// no negatives.
//
//   byol --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 256 --epochs 200 --hidden 4096 --dimension 256
//   byol --channel-groups 8 --optimizer adamw --lr 0.001 --target-momentum 0.996     without batch statistics

#include "contrastive/methods/byol.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "byol";
  recipe.lr = 0.06;
  recipe.warmup_epochs = 0.2;
  recipe.exclude_norm_and_bias = true;
  recipe.own = ByolConfig{.hidden = 512, .dimension = 128, .momentum = 0.97, .other_start = false};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const AnyAugment views = app::training_views(s, [](int size) { return size < 96 ? byol_cifar(size) : byol(size); });
  return {byol([&](Rng stream) { return app::encoder_for(s, stream); }, views, s.own.as<ByolConfig>(), rng),
          app::evaluation_view(s, app::normalization_of(s))};
}

}  // namespace

namespace app::methods {

extern const Program byol{
    .title = "BYOL",
    .paper = "Grill et al. 2020",
    .arxiv = "2006.07733",
    .compares = "a prediction and a moving average of itself",
    .against_collapse = "predictor and momentum",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
