// SPDX-License-Identifier: MIT
//
// SimSiam (Chen and He 2021, arXiv:2011.10566): one network, a predictor and a stop-gradient; no negatives, no
// momentum encoder.
//
//   simsiam --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 512 --epochs 200 --dimension 2048 --hidden 512

#include "contrastive/methods/simsiam.hpp"

#include "support/run.hpp"

int main(int argc, char** argv) {
  using namespace contrastive;
  Settings recipe;
  recipe.method = "simsiam";
  recipe.lr = 0.03;
  recipe.dimension = 512;
  recipe.hidden = 128;
  recipe.fix_predictor_lr = true;
  return app::trainer_main(argc, argv, recipe, "SimSiam (Chen and He 2021)", [](const Settings& s, Rng rng) {
    const AnyAugment views =
        app::training_views(s, [](int size) { return size < 96 ? simsiam_cifar(size) : simsiam(size); });
    const SimsiamConfig config{
        .dimension = s.dimension, .bottleneck = s.hidden, .projector_layers = static_cast<int>(s.head_layers)};
    return app::Composition{simsiam(app::encoder_for(s, rng / "encoder"), views, config, rng),
                            app::evaluation_view(s, app::normalization_of(s))};
  });
}
