// SPDX-License-Identifier: MIT
//
// BYOL (Grill et al. 2020, arXiv:2006.07733): a network predicts a moving average of itself that sees another view;
// no negatives.
//
//   byol --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 256 --epochs 200 --hidden 4096 --dimension 256
//   byol --channel-groups 8 --optimizer adamw --lr 0.001 --target-momentum 0.996     without batch statistics

#include "contrastive/methods/byol.hpp"

#include "support/methods.hpp"

namespace {

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "byol";
  recipe.lr = 0.06;
  recipe.warmup_epochs = 0.2;
  recipe.target_momentum = 0.97;
  recipe.exclude_norm_and_bias = true;
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, contrastive::Rng rng) {
  using namespace contrastive;
  const AnyAugment views = app::training_views(s, [](int size) { return size < 96 ? byol_cifar(size) : byol(size); });
  const ByolConfig config{.hidden = s.hidden,
                          .dimension = s.dimension,
                          .momentum = s.target_momentum,
                          .same_start = !s.other_start,
                          .channel_groups = s.channel_groups};
  return {byol([&](Rng stream) { return app::encoder_for(s, stream); }, views, config, rng),
          app::evaluation_view(s, app::normalization_of(s))};
}

}  // namespace

const app::Program app::methods::byol{"BYOL",
                                      "Grill et al. 2020",
                                      "2006.07733",
                                      "a prediction and a moving average of itself",
                                      "predictor and momentum",
                                      "target-momentum other-start channel-groups hidden dimension fix-predictor-lr",
                                      recipe(),
                                      compose};
