// SPDX-License-Identifier: MIT
//
// InvaSpread (Ye et al. 2019, arXiv:1904.03436): the pictures of a batch are its classes; no bank.
//
//   invaspread --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 128 --epochs 300

#include "contrastive/methods/invaspread.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "invaspread";
  recipe.lr = 0.06;
  recipe.warmup_epochs = 0.2;
  recipe.own = InvaSpreadConfig{.temperature = 0.1, .dimension = 128};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const AnyAugment views = app::training_views(s, [](int size) { return invaspread(size); });
  return {invaspread(app::encoder_for(s, rng / "encoder"), views, s.own.as<InvaSpreadConfig>(), rng),
          app::evaluation_view(s, app::channels_of(s) == 1 ? Normalize{} : cifar10_statistics)};
}

}  // namespace

namespace app::methods {

extern const Program invaspread{
    .title = "InvaSpread",
    .paper = "Ye et al. 2019",
    .arxiv = "1904.03436",
    .compares = "two views of one pass",
    .against_collapse = "every other row of the batch",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
