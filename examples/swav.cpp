// SPDX-License-Identifier: MIT
//
// SwAV (Caron et al. 2020, arXiv:2006.09882): each view predicts to which prototypes Sinkhorn assigns the others.
//
//   swav --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 256 --epochs 200 --locals 4 --prototypes 512

#include "contrastive/methods/swav.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

struct Own : SwavConfig {
  app::LocalCrops crops{.locals = 4};

  Own() : SwavConfig{.hidden = 512, .dimension = 128, .prototypes = 512, .queue_from = 0, .freeze_epochs = 0.5} {}
  void settings(SettingList& list) {
    SwavConfig::settings(list);
    crops.settings(list);
  }
};

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "swav";
  recipe.lr = 0.1;
  recipe.warmup_epochs = 0.2;
  recipe.weight_decay = 1e-06;
  recipe.own = Own{};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const Own& config = s.own.as<Own>();
  require(config.queue == 0 || config.queue % s.batch == 0, "[settings] --queue must be a multiple of ", s.batch,
          " (--batch), or 0, got ", config.queue);
  const AnyAugment views = app::multi_crop_views(
      s, config.crops, swav_cifar, [](int size, int local, std::size_t locals) { return swav(size, local, locals); });
  return {swav(app::encoder_for(s, rng / "encoder"), views, config, rng),
          app::evaluation_view(s, app::normalization_of(s))};
}

}  // namespace

namespace app::methods {

extern const Program swav{
    .title = "SwAV",
    .paper = "Caron et al. 2020",
    .arxiv = "2006.09882",
    .compares = "a view's prototypes and the codes of another",
    .against_collapse = "codes shared out equally by Sinkhorn",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
