// SPDX-License-Identifier: MIT
//
// SimCLR (Chen et al. 2020, arXiv:2002.05709): two views of each picture through one network; NT-Xent pulls them
// together and pushes everything else in the batch away.
//
//   simclr --data fashion --epochs 3            the quickstart, minutes on two cores
//   simclr --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 512 --epochs 100

#include "contrastive/methods/simclr.hpp"

#include "support/methods.hpp"

namespace {

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "simclr";
  recipe.lr = 0.1;
  recipe.warmup_epochs = 0.2;
  recipe.temperature = 0.2;
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, contrastive::Rng rng) {
  using namespace contrastive;
  const AnyAugment views =
      app::training_views(s, [](int size) { return size < 96 ? simclr_cifar(size) : simclr(size); });
  const SimclrConfig config{
      .temperature = s.temperature, .head_layers = static_cast<int>(s.head_layers), .dimension = s.dimension};
  return {simclr(app::encoder_for(s, rng / "encoder", true), views, config, rng), app::evaluation_view(s)};
}

}  // namespace

const app::Program app::methods::simclr{"SimCLR",
                                        "Chen et al. 2020",
                                        "2002.05709",
                                        "two views of one pass",
                                        "every other row of the batch",
                                        "temperature head-layers dimension",
                                        recipe(),
                                        compose};
