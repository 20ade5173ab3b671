// SPDX-License-Identifier: MIT
//
// DCL (Yeh et al. 2021, arXiv:2110.06848): SimCLR whose denominator leaves the positive out.
//
//   dcl --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 256 --epochs 200

#include "contrastive/methods/dcl.hpp"

#include "support/methods.hpp"

namespace {

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "dcl";
  recipe.lr = 0.1;
  recipe.warmup_epochs = 0.2;
  recipe.temperature = 0.2;
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, contrastive::Rng rng) {
  using namespace contrastive;
  const AnyAugment views =
      app::training_views(s, [](int size) { return size < 96 ? simclr_cifar(size) : simclr(size); });
  const DclConfig config{.temperature = s.temperature, .dimension = s.dimension};
  return {dcl(app::encoder_for(s, rng / "encoder"), views, config, rng), app::evaluation_view(s)};
}

}  // namespace

const app::Program app::methods::dcl{"DCL",
                                     "Yeh et al. 2021",
                                     "2110.06848",
                                     "two views of one pass",
                                     "every other row of the batch",
                                     "temperature dimension",
                                     recipe(),
                                     compose};
