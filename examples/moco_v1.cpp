// SPDX-License-Identifier: MIT
//
// MoCo (He et al. 2019, arXiv:1911.05722): the first version, with a linear head, strong jitter without blur, and a
// temperature of 0.07.
//
//   moco_v1 --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 512 --epochs 200

#include "contrastive/methods/moco_v2.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "moco_v1";
  recipe.lr = 0.03;
  recipe.schedule = "step";
  recipe.milestones = "120,160";
  recipe.own =
      MocoConfig{.temperature = 0.07, .momentum = 0.99, .queue = 4096, .dimension = 128, .mlp = false, .groups = 8};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const MocoConfig& config = s.own.as<MocoConfig>();
  app::require_groups(s, config.groups);
  app::require_queue(s, config.queue, s.batch);
  const AnyAugment views = app::training_views(s, [](int size) { return moco_v1(size); });
  return {moco_v2(app::encoder_for(s, rng / "encoder"), views, config, rng),
          app::evaluation_view(s, app::channels_of(s) == 1 ? Normalize{} : imagenet_statistics)};
}

}  // namespace

namespace app::methods {

extern const Program moco_v1{
    .title = "MoCo",
    .paper = "He et al. 2019",
    .arxiv = "1911.05722",
    .compares = "a query and a momentum encoder's key",
    .against_collapse = "a queue of past keys",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
