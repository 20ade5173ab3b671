// SPDX-License-Identifier: MIT
//
// Barlow Twins (Zbontar et al. 2021, arXiv:2103.03230): the correlations between two views' dimensions become the identity.
//
//   barlow_twins --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 256 --epochs 200 --dimension 2048

#include "contrastive/methods/barlow_twins.hpp"

#include "support/methods.hpp"

namespace {

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "barlow_twins";
  recipe.lr = 0.06;
  recipe.warmup_epochs = 0.2;
  recipe.dimension = 512;
  recipe.weight_decay = 1e-4;
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, contrastive::Rng rng) {
  using namespace contrastive;
  const AnyAugment views = app::training_views(s, [](int size) { return size < 96 ? byol_cifar(size) : byol(size); });
  const BarlowTwinsMethodConfig config{.scale = 0.1, .dimension = s.dimension};
  return {barlow_twins(app::encoder_for(s, rng / "encoder", true), views, config, rng),
          app::evaluation_view(s, app::normalization_of(s))};
}

}  // namespace

const app::Program app::methods::barlow_twins{"Barlow Twins",
                                              "Zbontar et al. 2021",
                                              "2103.03230",
                                              "dimensions across two views",
                                              "dimensions that do not repeat each other",
                                              "dimension",
                                              recipe(),
                                              compose};
