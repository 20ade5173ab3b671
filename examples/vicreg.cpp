// SPDX-License-Identifier: MIT
//
// VICReg (Bardes et al. 2022, arXiv:2105.04906): two views agree, each dimension keeps its variance, none repeats another.
//
//   vicreg --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 256 --epochs 200 --dimension 2048

#include "contrastive/methods/vicreg.hpp"

#include "support/methods.hpp"

namespace {

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "vicreg";
  recipe.lr = 0.02;
  recipe.warmup_epochs = 0.2;
  recipe.dimension = 512;
  recipe.weight_decay = 1e-4;
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, contrastive::Rng rng) {
  using namespace contrastive;
  const AnyAugment views = app::training_views(s, [](int size) { return size < 96 ? byol_cifar(size) : byol(size); });
  const VicRegMethodConfig config{.dimension = s.dimension};
  return {vicreg(app::encoder_for(s, rng / "encoder", true), views, config, rng),
          app::evaluation_view(s, app::normalization_of(s))};
}

}  // namespace

const app::Program app::methods::vicreg{"VICReg",
                                        "Bardes et al. 2022",
                                        "2105.04906",
                                        "two views",
                                        "variance kept, covariance taken away",
                                        "dimension",
                                        recipe(),
                                        compose};
