// SPDX-License-Identifier: MIT
//
// DINO (Caron et al. 2021, arXiv:2104.14294): a student matches, from all crops, what its moving average says of the
// large ones, centred and sharpened.
//
//   dino --data cifar10 --root DIR --encoder vit_micro --image-size 32 --batch 256 --epochs 200
//   dino --encoder resnet18 --optimizer sgd --lr 0.03 --weight-decay 1e-4 --weight-decay-end -1

#include "contrastive/methods/dino.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

struct Own : DinoConfig {
  app::LocalCrops crops{.locals = 4};

  Own() : DinoConfig{.outputs = 1024, .hidden = 512, .bottleneck = 128, .freeze_last_layer = 0.2, .momentum = 0.99} {}
  void settings(SettingList& list) {
    DinoConfig::settings(list);
    crops.settings(list);
  }
};

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "dino";
  recipe.optimizer = "adamw";
  recipe.lr = 0.0005;
  recipe.lr_end = 1e-06;
  recipe.warmup_epochs = 0.5;
  recipe.weight_decay = 0.04;
  recipe.weight_decay_end = 0.4;
  recipe.clip_each = 3;
  recipe.exclude_norm_and_bias = true;
  recipe.own = Own{};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const Own& config = s.own.as<Own>();
  const AnyAugment views = app::multi_crop_views(
      s, config.crops, dino_cifar, [](int size, int local, std::size_t locals) { return dino(size, local, locals); });
  return {dino(app::encoder_for(s, rng / "encoder"), views, config, rng),
          app::evaluation_view(s, app::normalization_of(s)),
          [vit = app::is_vit(s), spec = views.views()[0]](const auto& trained, const Views& shown) {
            if (!vit) return PictureRows{};
            PictureRows rows{"Attention maps",
                             "What each head's class token looks at in the teacher's last block.",
                             {"view"},
                             {pictures_of(spec, shown.view[0])}};
            const Tensor maps = trained.encoder().vit().class_attention(shown.view[0]);  // (N, heads, H, W)
            for (std::int64_t head = 0; head < maps.size(1); ++head) {
              rows.columns.push_back(join("head ", head + 1));
              const Tensor one = narrow(maps, 1, head, head + 1).reshape({maps.size(0), maps.size(2), maps.size(3), 1});
              rows.pictures.push_back(pictures_of({}, one / max(one.reshape({-1}), 0).values.item()));
            }
            return rows;
          }};
}

}  // namespace

namespace app::methods {

extern const Program dino{
    .title = "DINO",
    .paper = "Caron et al. 2021",
    .arxiv = "2104.14294",
    .compares = "a student's output and its moving average's",
    .against_collapse = "centring and sharpening",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
