// SPDX-License-Identifier: MIT
//
// SimSiam (Chen and He 2021, arXiv:2011.10566): one network, a predictor and a stop-gradient; no negatives, no
// momentum encoder.
//
//   simsiam --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 512 --epochs 200 --dimension 2048 --hidden 512

#include "contrastive/methods/simsiam.hpp"

#include "support/methods.hpp"

namespace {

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "simsiam";
  recipe.lr = 0.03;
  recipe.dimension = 512;
  recipe.hidden = 128;
  recipe.fix_predictor_lr = true;
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, contrastive::Rng rng) {
  using namespace contrastive;
  const AnyAugment views =
      app::training_views(s, [](int size) { return size < 96 ? simsiam_cifar(size) : simsiam(size); });
  const SimsiamConfig config{
      .dimension = s.dimension, .bottleneck = s.hidden, .projector_layers = static_cast<int>(s.head_layers)};
  return {simsiam(app::encoder_for(s, rng / "encoder", true), views, config, rng),
          app::evaluation_view(s, app::normalization_of(s))};
}

}  // namespace

const app::Program app::methods::simsiam{"SimSiam",
                                         "Chen and He 2021",
                                         "2011.10566",
                                         "a prediction and the other view",
                                         "predictor and stop-gradient",
                                         "head-layers hidden dimension fix-predictor-lr",
                                         recipe(),
                                         compose};
