// SPDX-License-Identifier: MIT
//
// NNCLR (Dwibedi et al. 2021, arXiv:2104.14548): the positive is the nearest neighbour of the other view in a support set.
//
//   nnclr --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 256 --epochs 200 --queue 65536

#include "contrastive/methods/nnclr.hpp"

#include "support/methods.hpp"

namespace {

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "nnclr";
  recipe.lr = 0.1;
  recipe.warmup_epochs = 0.2;
  recipe.temperature = 0.2;
  recipe.queue = 16384;
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, contrastive::Rng rng) {
  using namespace contrastive;
  const AnyAugment views =
      app::training_views(s, [](int size) { return size < 96 ? simclr_cifar(size) : simclr(size); });
  const NnclrConfig config{.temperature = s.temperature,
                           .queue = s.queue,
                           .projector_hidden = s.hidden,
                           .predictor_hidden = s.hidden,
                           .dimension = s.dimension};
  return {nnclr(app::encoder_for(s, rng / "encoder"), views, config, rng), app::evaluation_view(s)};
}

}  // namespace

const app::Program app::methods::nnclr{"NNCLR",
                                       "Dwibedi et al. 2021",
                                       "2104.14548",
                                       "a prediction and the other view's neighbour",
                                       "every other row of the batch",
                                       "temperature queue hidden dimension fix-predictor-lr",
                                       recipe(),
                                       compose};
