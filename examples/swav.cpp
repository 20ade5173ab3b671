// SPDX-License-Identifier: MIT
//
// SwAV (Caron et al. 2020, arXiv:2006.09882): each view predicts to which prototypes Sinkhorn assigns the others.
//
//   swav --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 256 --epochs 200 --locals 4 --prototypes 512

#include "contrastive/methods/swav.hpp"

#include "support/methods.hpp"

namespace {

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "swav";
  recipe.lr = 0.1;
  recipe.warmup_epochs = 0.2;
  recipe.temperature = 0.1;
  recipe.weight_decay = 1e-6;
  recipe.freeze_epochs = 0.5;
  recipe.locals = 4;
  recipe.queue = 0;
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, contrastive::Rng rng) {
  using namespace contrastive;
  const AnyAugment views = app::multi_crop_views(
      s, swav_cifar, [](int size, int local, std::size_t locals) { return swav(size, local, locals); });
  const SwavConfig config{.hidden = s.hidden,
                          .dimension = s.dimension,
                          .prototypes = s.prototypes,
                          .temperature = s.temperature,
                          .sinkhorn = {.epsilon = s.epsilon},
                          .queue = s.queue,
                          .queue_from = s.queue_start,
                          .freeze_epochs = s.freeze_epochs};
  return {swav(app::encoder_for(s, rng / "encoder"), views, config, rng),
          app::evaluation_view(s, app::normalization_of(s))};
}

}  // namespace

const app::Program app::methods::swav{
    "SwAV",
    "Caron et al. 2020",
    "2006.09882",
    "a view's prototypes and the codes of another",
    "codes shared out equally by Sinkhorn",
    "temperature queue queue-start prototypes epsilon freeze-epochs hidden dimension locals local-size",
    recipe(),
    compose};
