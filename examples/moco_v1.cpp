// SPDX-License-Identifier: MIT
//
// MoCo (He et al. 2019, arXiv:1911.05722): the first version, with a linear head, strong jitter without blur, and a
// temperature of 0.07.
//
//   moco_v1 --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 512 --epochs 200

#include "contrastive/methods/moco_v2.hpp"

#include "support/methods.hpp"

namespace {

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "moco_v1";
  recipe.lr = 0.03;
  recipe.temperature = 0.07;
  recipe.schedule = "step";
  recipe.milestones = "120,160";
  recipe.target_momentum = 0.99;
  recipe.groups = 8;
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, contrastive::Rng rng) {
  using namespace contrastive;
  const AnyAugment views = app::training_views(s, [](int size) { return moco_v1(size); });
  const MocoConfig config{.temperature = s.temperature,
                          .momentum = s.target_momentum,
                          .queue = s.queue,
                          .dimension = s.dimension,
                          .mlp = false,
                          .groups = s.groups};
  return {moco_v2(app::encoder_for(s, rng / "encoder"), views, config, rng),
          app::evaluation_view(s, app::channels_of(s) == 1 ? Normalize{} : imagenet_statistics)};
}

}  // namespace

const app::Program app::methods::moco_v1{"MoCo",
                                         "He et al. 2019",
                                         "1911.05722",
                                         "a query and a momentum encoder's key",
                                         "a queue of past keys",
                                         "temperature queue target-momentum groups dimension",
                                         recipe(),
                                         compose};
