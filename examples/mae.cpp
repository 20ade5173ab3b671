// SPDX-License-Identifier: MIT
//
// MAE (He et al. 2022, arXiv:2111.06377): an encoder sees a quarter of the patches, a small decoder predicts the pixels of
// the others.
//
//   mae --data fashion --epochs 20
//   mae --data cifar10 --root DIR --encoder vit_tiny --image-size 32 --batch 256 --epochs 800

#include "contrastive/methods/mae.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "mae";
  recipe.encoder = "vit_micro";
  recipe.optimizer = "adamw";
  recipe.lr = 0.001;
  recipe.beta2 = 0.95;
  recipe.weight_decay = 0.05;
  recipe.exclude_norm_and_bias = true;
  recipe.warmup_epochs = 0.5;
  recipe.own = MaeConfig{.width = 64, .depth = 2};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  EncoderOptions options = app::encoder_options(s, app::channels_of(s));
  options.vit = mae_vit(options.vit);
  ImageEncoder encoder = make_encoder(s.encoder, options, rng / "encoder");
  MaeConfig config = s.own.as<MaeConfig>();
  config.heads = static_cast<int>(std::max<std::int64_t>(1, config.width / 32));
  const int size = static_cast<int>(s.image_size), patch = encoder.vit().config().patch;
  const std::int64_t patches = std::int64_t{size / patch} * (size / patch);
  require(kept_patches(patches, config.mask_ratio) > 0, "[settings] --mask-ratio must leave one of ", patches,
          " patches to see, got ", config.mask_ratio);
  const Normalize normalize = app::normalization_of(s);
  const auto views = mae_views(size, patch, options.channels, normalize);
  return {mae(std::move(encoder), views, config, rng), app::evaluation_view(s, normalize),
          [spec = views.views()[0]](const auto& trained, const Views& shown) {
            const MaePictures pictures = mae_pictures(trained, shown.view[0], mask_noise(shown.view[1]));
            return PictureRows{
                "Reconstructions",
                "What the encoder was shown, what the decoder made of the hidden patches (scaled by each "
                "patch's own mean and spread), and the picture.",
                {"shown", "reconstruction", "picture"},
                {pictures_of(spec, pictures.masked), pictures_of(spec, pictures.reconstruction),
                 pictures_of(spec, pictures.original)}};
          }};
}

}  // namespace

namespace app::methods {

extern const Program mae{
    .title = "MAE",
    .paper = "He et al. 2022",
    .arxiv = "2111.06377",
    .compares = "a prediction and the hidden pixels",
    .against_collapse = "pixels to predict",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
