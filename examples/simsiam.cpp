// SPDX-License-Identifier: MIT
//
// SimSiam (Chen and He 2021, arXiv:2011.10566): one network, a predictor and a stop-gradient; no negatives, no
// momentum encoder.
//
//   simsiam --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 512 --epochs 200 --dimension 2048 --hidden 512

#include "contrastive/methods/simsiam.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "simsiam";
  recipe.lr = 0.03;
  recipe.own = SimsiamConfig{.dimension = 512, .bottleneck = 128, .projector_layers = 2, .fix_predictor_lr = true};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const AnyAugment views =
      app::training_views(s, [](int size) { return size < 96 ? simsiam_cifar(size) : simsiam(size); });
  return {simsiam(app::encoder_for(s, rng / "encoder", true), views, s.own.as<SimsiamConfig>(), rng),
          app::evaluation_view(s, app::normalization_of(s))};
}

}  // namespace

namespace app::methods {

extern const Program simsiam{
    .title = "SimSiam",
    .paper = "Chen and He 2021",
    .arxiv = "2011.10566",
    .compares = "a prediction and the other view",
    .against_collapse = "predictor and stop-gradient",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
