// SPDX-License-Identifier: MIT
//
// MoCo v3 (Chen, Xie and He 2021, arXiv:2104.02057): queries predicted from one view against all momentum keys of the
// other; no queue. With a vision transformer its patch projection stays as it was drawn.
//
//   moco_v3 --data cifar10 --root DIR --encoder resnet18 --image-size 32 --batch 256 --epochs 200 --hidden 4096 --dimension 256
//   moco_v3 --encoder vit_micro --optimizer adamw --lr 1.5e-4 --weight-decay 0.1 --warmup-epochs 1
//   moco_v3 --config configs/moco_v3_imagenet_vit_small.json --root DIR

#include "contrastive/methods/moco_v3.hpp"

#include "support/run.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "moco_v3";
  recipe.lr = 0.1;
  recipe.warmup_epochs = 0.2;
  recipe.own = MocoV3Config{.temperature = 0.2, .momentum = 0.97, .hidden = 512, .dimension = 128};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const bool vit = app::is_vit(s);
  const AnyAugment views = app::training_views(s, [&](int size) {
    return size < 96 ? AnyAugment(byol_cifar(size)) : AnyAugment(moco_v3(size, vit ? 0.08 : 0.2));
  });
  MocoV3Config config = s.own.as<MocoV3Config>();
  const MocoV3Config heads = vit ? MocoV3Config::vit() : MocoV3Config{};
  config.projector_layers = heads.projector_layers;
  config.predictor_norm = heads.predictor_norm;
  EncoderOptions options = app::encoder_options(s, app::channels_of(s));
  options.zero_init_residual = true;
  options.vit.positions = ViTPositions::sincos_moco_v3;
  options.vit.init = ViTInit::moco_v3;
  options.vit.frozen_patches = true;
  return {moco_v3(make_encoder(s.encoder, options, rng / "encoder"), views, config, rng),
          app::evaluation_view(s, app::normalization_of(s))};
}

}  // namespace

namespace app::methods {

extern const Program moco_v3{
    .title = "MoCo v3",
    .paper = "Chen, Xie and He 2021",
    .arxiv = "2104.02057",
    .compares = "a prediction and a momentum encoder's key",
    .against_collapse = "the other keys of the batch",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
