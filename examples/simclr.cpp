// SPDX-License-Identifier: MIT
//
// SimCLR (Chen et al. 2020, arXiv:2002.05709): two views of each picture through one network; NT-Xent pulls them
// together and pushes everything else in the batch away.
//
//   simclr --data fashion --epochs 3            the quickstart, minutes on two cores
//   simclr --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 512 --epochs 100

#include "contrastive/methods/simclr.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "simclr";
  recipe.lr = 0.1;
  recipe.warmup_epochs = 0.2;
  recipe.own = SimclrConfig{.temperature = 0.2};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const AnyAugment views =
      app::training_views(s, [](int size) { return size < 96 ? simclr_cifar(size) : simclr(size); });
  return {simclr(app::encoder_for(s, rng / "encoder", true), views, s.own.as<SimclrConfig>(), rng),
          app::evaluation_view(s)};
}

}  // namespace

namespace app::methods {

extern const Program simclr{
    .title = "SimCLR",
    .paper = "Chen et al. 2020",
    .arxiv = "2002.05709",
    .compares = "two views of one pass",
    .against_collapse = "every other row of the batch",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
