// SPDX-License-Identifier: MIT
//
// DINO (Caron et al. 2021, arXiv:2104.14294): a student matches, from all crops, what its moving average says of the
// large ones, centred and sharpened.
//
//   dino --data cifar10 --root DIR --encoder vit_micro --image-size 32 --batch 256 --epochs 200
//   dino --encoder resnet18 --optimizer sgd --lr 0.03 --weight-decay 1e-4 --weight-decay-end -1

#include "contrastive/methods/dino.hpp"

#include "support/methods.hpp"

namespace {

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "dino";
  recipe.optimizer = "adamw";
  recipe.lr = 5e-4;
  recipe.lr_end = 1e-6;
  recipe.warmup_epochs = 0.5;
  recipe.weight_decay = 0.04;
  recipe.weight_decay_end = 0.4;
  recipe.clip_each = 3;
  recipe.exclude_norm_and_bias = true;
  recipe.temperature = 0.1;
  recipe.target_momentum = 0.99;
  recipe.prototypes = 1024;
  recipe.dimension = 128;
  recipe.teacher_temperature = 0.04;
  recipe.teacher_temperature_end = 0.04;
  recipe.freeze_epochs = 0.2;
  recipe.locals = 4;
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, contrastive::Rng rng) {
  using namespace contrastive;
  const AnyAugment views = app::multi_crop_views(
      s, dino_cifar, [](int size, int local, std::size_t locals) { return dino(size, local, locals); });
  const DinoConfig config{.outputs = s.prototypes,
                          .hidden = s.hidden,
                          .bottleneck = s.dimension,
                          .freeze_last_layer = s.freeze_epochs,
                          .student_temperature = s.temperature,
                          .teacher_temperature = {.start = s.teacher_temperature,
                                                  .end = s.teacher_temperature_end,
                                                  .warmup = std::llround(s.teacher_warmup_epochs)},
                          .momentum = s.target_momentum};
  return {dino(app::encoder_for(s, rng / "encoder"), views, config, rng),
          app::evaluation_view(s, app::normalization_of(s)),
          [vit = app::is_vit(s)](const auto& trained, const Views& shown) {
            if (!vit) return PictureRows{};
            PictureRows rows{"Attention maps",
                             "What each head's class token looks at in the teacher's last block.",
                             {"view"},
                             {shown.view[0]}};
            const Tensor maps = trained.encoder().vit().class_attention(shown.view[0]);  // (N, heads, H, W)
            for (std::int64_t head = 0; head < maps.size(1); ++head) {
              rows.columns.push_back(join("head ", head + 1));
              const Tensor one = narrow(maps, 1, head, head + 1).reshape({maps.size(0), maps.size(2), maps.size(3), 1});
              rows.pictures.push_back(one / max(one.reshape({-1}), 0).values.item());
            }
            return rows;
          }};
}

}  // namespace

const app::Program app::methods::dino{"DINO",
                                      "Caron et al. 2021",
                                      "2104.14294",
                                      "a student's output and its moving average's",
                                      "centring and sharpening",
                                      "temperature teacher-temperature teacher-temperature-end teacher-warmup-epochs "
                                      "prototypes target-momentum hidden dimension freeze-epochs locals local-size",
                                      recipe(),
                                      compose};
