// SPDX-License-Identifier: MIT
//
// MoCo v2 (Chen et al. 2020, arXiv:2003.04297): queries against the keys of a momentum encoder and a queue of past
// ones. The recipe is that of the authors' CIFAR-10 demonstration.
//
//   moco_v2 --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 512 --epochs 200

#include "contrastive/methods/moco_v2.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

struct Own : MocoConfig {
  bool symmetric = false;

  Own() : MocoConfig{.temperature = 0.1, .momentum = 0.99, .queue = 4096, .dimension = 128, .groups = 8} {}
  void settings(SettingList& list) {
    MocoConfig::settings(list);
    list.flag("symmetric", symmetric, "each view is query and key in turn; both enter the queue");
  }
};

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "moco_v2";
  recipe.lr = 0.03;
  recipe.own = Own{};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const Own& config = s.own.as<Own>();
  app::require_groups(s, config.groups);
  app::require_queue(s, config.queue, config.symmetric ? 2 * s.batch : s.batch);
  const AnyAugment views =
      app::training_views(s, [](int size) { return size < 96 ? moco_v2_cifar(size) : moco_v2(size); });
  const AnyAugment evaluation = app::evaluation_view(s, app::normalization_of(s));
  if (config.symmetric)
    return {moco_v2_symmetric(app::encoder_for(s, rng / "encoder"), views, config, rng), evaluation};
  return {moco_v2(app::encoder_for(s, rng / "encoder"), views, config, rng), evaluation};
}

}  // namespace

namespace app::methods {

extern const Program moco_v2{
    .title = "MoCo v2",
    .paper = "Chen et al. 2020",
    .arxiv = "2003.04297",
    .compares = "a query and a momentum encoder's key",
    .against_collapse = "a queue of past keys",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
