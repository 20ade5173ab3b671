// SPDX-License-Identifier: MIT
//
// TiCo (Zhu et al. 2022, arXiv:2206.10698): follow a momentum encoder's embedding of the other view, and keep out of the
// directions in which embeddings lie already.
//
//   tico --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 256 --epochs 200 --dimension 256

#include "contrastive/methods/tico.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "tico";
  recipe.lr = 0.06;
  recipe.warmup_epochs = 0.2;
  recipe.own = TicoConfig{.momentum = 0.97, .hidden = 512, .dimension = 128};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const AnyAugment views = app::training_views(s, [](int size) { return size < 96 ? byol_cifar(size) : byol(size); });
  return {tico(app::encoder_for(s, rng / "encoder"), views, s.own.as<TicoConfig>(), rng),
          app::evaluation_view(s, app::normalization_of(s))};
}

}  // namespace

namespace app::methods {

extern const Program tico{
    .title = "TiCo",
    .paper = "Zhu et al. 2022",
    .arxiv = "2206.10698",
    .compares = "an embedding and a momentum encoder's",
    .against_collapse = "a running covariance to keep out of",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
