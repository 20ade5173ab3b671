// SPDX-License-Identifier: MIT
//
// MAE (He et al. 2022, arXiv:2111.06377): an encoder sees a quarter of the patches, a small decoder predicts the pixels of
// the others.
//
//   mae --data fashion --epochs 20
//   mae --data cifar10 --root DIR --encoder vit_tiny --image-size 32 --batch 256 --epochs 800

#include "contrastive/methods/mae.hpp"

#include "support/methods.hpp"

namespace {

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "mae";
  recipe.encoder = "vit_micro";
  recipe.optimizer = "adamw";
  recipe.lr = 1e-3;
  recipe.beta2 = 0.95;
  recipe.weight_decay = 0.05;
  recipe.exclude_norm_and_bias = true;
  recipe.warmup_epochs = 0.5;
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, contrastive::Rng rng) {
  using namespace contrastive;
  EncoderOptions options = app::encoder_options(s, app::channels_of(s));
  options.vit = mae_vit(options.vit);
  ImageEncoder encoder = make_encoder(s.encoder, options, rng / "encoder");
  const int size = static_cast<int>(s.image_size), patch = encoder.vit().config().patch;
  const std::int64_t patches = std::int64_t{size / patch} * (size / patch);
  require(kept_patches(patches, s.mask_ratio) > 0, "[settings] --mask-ratio must leave one of ", patches,
          " patches to see, got ", s.mask_ratio);
  const MaeConfig config{.mask_ratio = s.mask_ratio,
                         .width = s.decoder_width,
                         .depth = static_cast<int>(s.decoder_depth),
                         .heads = static_cast<int>(std::max<std::int64_t>(1, s.decoder_width / 32))};
  const Normalize normalize = app::normalization_of(s);
  auto method = mae(std::move(encoder), mae_views(size, patch, options.channels, normalize), config, rng);
  return {std::move(method), app::evaluation_view(s, normalize), [](const auto& trained, const Views& views) {
            const MaePictures pictures = mae_pictures(trained, views.view[0], mask_noise(views.view[1]));
            return PictureRows{
                "Reconstructions",
                "What the encoder was shown, what the decoder made of the hidden patches (scaled by each "
                "patch's own mean and spread), and the picture.",
                {"shown", "reconstruction", "picture"},
                {pictures.masked, pictures.reconstruction, pictures.original}};
          }};
}

}  // namespace

const app::Program app::methods::mae{"MAE",
                                     "He et al. 2022",
                                     "2111.06377",
                                     "a prediction and the hidden pixels",
                                     "pixels to predict",
                                     "mask-ratio decoder-width decoder-depth",
                                     recipe(),
                                     compose};
