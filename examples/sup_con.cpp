// SPDX-License-Identifier: MIT
//
// SupCon (Khosla et al. 2020, arXiv:2004.11362): all views of all pictures of a class are positives. Needs labels.
//
//   sup_con --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 512 --epochs 200

#include "contrastive/methods/sup_con.hpp"

#include "support/methods.hpp"

namespace {

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "sup_con";
  recipe.lr = 0.1;
  recipe.warmup_epochs = 0.2;
  recipe.temperature = 0.1;
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, contrastive::Rng rng) {
  using namespace contrastive;
  const AnyAugment views =
      app::training_views(s, [](int size) { return size < 96 ? simclr_cifar(size) : simclr(size); });
  const SupConMethodConfig config{.loss = {.temperature = s.temperature}, .dimension = s.dimension};
  return {sup_con(app::encoder_for(s, rng / "encoder"), views, config, rng), app::evaluation_view(s)};
}

}  // namespace

const app::Program app::methods::sup_con{"SupCon",
                                         "Khosla et al. 2020",
                                         "2004.11362",
                                         "all views of a class",
                                         "every other class of the batch",
                                         "temperature dimension",
                                         recipe(),
                                         compose};
