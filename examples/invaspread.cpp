// SPDX-License-Identifier: MIT
//
// InvaSpread (Ye et al. 2019, arXiv:1904.03436): the pictures of a batch are its classes; no bank.
//
//   invaspread --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 128 --epochs 300

#include "contrastive/methods/invaspread.hpp"

#include "support/methods.hpp"

namespace {

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "invaspread";
  recipe.lr = 0.06;
  recipe.warmup_epochs = 0.2;
  recipe.temperature = 0.1;
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, contrastive::Rng rng) {
  using namespace contrastive;
  const AnyAugment views = app::training_views(s, [](int size) { return invaspread(size); });
  const InvaSpreadConfig config{.temperature = s.temperature, .dimension = s.dimension};
  return {invaspread(app::encoder_for(s, rng / "encoder"), views, config, rng),
          app::evaluation_view(s, app::channels_of(s) == 1 ? Normalize{} : cifar10_statistics)};
}

}  // namespace

const app::Program app::methods::invaspread{"InvaSpread",
                                            "Ye et al. 2019",
                                            "1904.03436",
                                            "two views of one pass",
                                            "every other row of the batch",
                                            "temperature dimension",
                                            recipe(),
                                            compose};
