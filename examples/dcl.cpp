// SPDX-License-Identifier: MIT
//
// DCL (Yeh et al. 2021, arXiv:2110.06848): SimCLR whose denominator leaves the positive out.
//
//   dcl --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 256 --epochs 200

#include "contrastive/methods/dcl.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "dcl";
  recipe.lr = 0.1;
  recipe.warmup_epochs = 0.2;
  recipe.own = DclConfig{.temperature = 0.2, .dimension = 128};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const AnyAugment views =
      app::training_views(s, [](int size) { return size < 96 ? simclr_cifar(size) : simclr(size); });
  return {dcl(app::encoder_for(s, rng / "encoder"), views, s.own.as<DclConfig>(), rng), app::evaluation_view(s)};
}

}  // namespace

namespace app::methods {

extern const Program dcl{
    .title = "DCL",
    .paper = "Yeh et al. 2021",
    .arxiv = "2110.06848",
    .compares = "two views of one pass",
    .against_collapse = "every other row of the batch",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
