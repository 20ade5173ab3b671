// SPDX-License-Identifier: MIT
//
// MoCo v2 (Chen et al. 2020, arXiv:2003.04297): queries against the keys of a momentum encoder and a queue of past
// ones. The recipe is that of the authors' CIFAR-10 demonstration.
//
//   moco_v2 --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 512 --epochs 200

#include "contrastive/methods/moco_v2.hpp"

#include "support/methods.hpp"

namespace {

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "moco_v2";
  recipe.lr = 0.03;
  recipe.temperature = 0.1;
  recipe.target_momentum = 0.99;
  recipe.groups = 8;
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, contrastive::Rng rng) {
  using namespace contrastive;
  const AnyAugment views =
      app::training_views(s, [](int size) { return size < 96 ? moco_v2_cifar(size) : moco_v2(size); });
  const MocoConfig config{.temperature = s.temperature,
                          .momentum = s.target_momentum,
                          .queue = s.queue,
                          .dimension = s.dimension,
                          .groups = s.groups};
  const AnyAugment evaluation = app::evaluation_view(s, app::normalization_of(s));
  if (s.symmetric) return {moco_v2_symmetric(app::encoder_for(s, rng / "encoder"), views, config, rng), evaluation};
  return {moco_v2(app::encoder_for(s, rng / "encoder"), views, config, rng), evaluation};
}

}  // namespace

const app::Program app::methods::moco_v2{"MoCo v2",
                                         "Chen et al. 2020",
                                         "2003.04297",
                                         "a query and a momentum encoder's key",
                                         "a queue of past keys",
                                         "temperature queue target-momentum groups symmetric dimension",
                                         recipe(),
                                         compose};
