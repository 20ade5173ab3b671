// SPDX-License-Identifier: MIT
//
// CLIP (Radford et al. 2021, arXiv:2103.00020): an image tower and a text tower; each image finds its caption among those
// of the batch, and each caption its image.
//
//   clip --data scenes --epochs 10
//   clip --data scenes --lock-image runs/simclr           LiT: the image encoder of another run, which stands still
//   clip --data scenes --text-encoder bag                  a control: titles as sets of words
//   clip --data scenes --lock-text minilm/                 a sentence model as the text tower
//   clip --data scenes --start-text minilm/ --start-image runs/simclr --lr 1e-4     the same, trained further
//   clip --start clip/open_clip_model.safetensors --keep 0.5 --lr 1e-5 --data captions --root DIR --captions FILE
//   clip --data scenes --teacher runs/clip --encoder small
//   clip --data captions --root DIR --captions FILE --encoder clip_vit_b32 --image-size 224 --text-layers 12

#include "contrastive/methods/clip.hpp"

#include "contrastive/augment/text_view.hpp"
#include "contrastive/encoders/text_encoder.hpp"
#include "contrastive/text/bpe_tokenizer.hpp"
#include "support/image_text.hpp"
#include "support/pretrained.hpp"
#include "support/run.hpp"
#include "support/sides.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "clip";
  recipe.texts = true;
  recipe.data = "scenes";
  recipe.samples = 20000;
  recipe.encoder = "clip_vit_micro";
  recipe.image_size = 64;
  recipe.batch = 128;
  recipe.epochs = 10;
  recipe.optimizer = "adamw";
  recipe.lr = 1e-3;
  recipe.lr_scaling = "none";
  recipe.beta2 = 0.98;
  recipe.adam_epsilon = 1e-6;
  recipe.weight_decay = 0.2;
  recipe.exclude_norm_and_bias = true;
  recipe.warmup_epochs = 0.5;
  recipe.own = ClipConfig{.dimension = 256, .text_width = 256, .text_layers = 4, .text_heads = 4};
  return recipe;
}

/// A text encoder to be trained from the start.
TextEncoder text_encoder(const ClipConfig& config, std::int64_t vocabulary, Rng rng) {
  return make_text_encoder(config.text_encoder,
                           {.vocabulary = vocabulary,
                            .context_length = config.context_length,
                            .width = config.text_width,
                            .layers = static_cast<int>(config.text_layers),
                            .heads = static_cast<int>(config.text_heads),
                            .activation = Activation::gelu},
                           rng);
}

/// The composition of either kind of towers. `texts` makes rows of ids.
template <class Texts>
app::Composition composed(const ClipConfig& config, Texts texts, app::Side<ImageEncoder> image,
                          app::Side<TextEncoder> text, const AnyAugment& train, AnyAugment view,
                          std::string preparation, Rng rng, const app::PublishedTowers* published = nullptr) {
  auto method = clip(std::move(image), std::move(text), AnyAugment(SampleViews(train, texts)), config, rng);
  if (published) {
    method.online.template tower<0>().projector = published->image_projection;
    method.online.template tower<1>().projector = published->text_projection;
    method.objective.scale.log_scale.copy_from(published->log_scale);
  }
  if (!config.teacher.empty()) {
    const ImageTextModel teacher = app::load_image_text(config.teacher);
    const Shape theirs = teacher.view.views().at(0).one, ours = view.views().at(0).one;
    require(theirs == ours, "[settings] --teacher ", config.teacher, " sees images of ", theirs, ", the student of ",
            ours);
    method.objective.teacher = {teacher.image_rows, teacher.id_rows, teacher.scale};
  }
  app::Composition composition = app::image_text(std::move(method), std::move(view), std::move(preparation),
                                                 [texts](const auto& list) { return texts.ids(list); });
  if (!config.start.empty() && !published) app::load_start(config.start, composition.method);
  if (config.keep > 0) composition.after_training = app::kept_from_here(composition.method, config.keep);
  return composition;
}

/// Throws where the settings give an encoder two origins.
void check_starts(const ClipConfig& config) {
  require(config.keep == 0 || !config.start.empty(), "[settings] --keep is a share of the weights of --start");
  require(config.lock_image.empty() || config.start_image.empty(),
          "[settings] an image encoder stands still (--lock-image) or is trained further (--start-image), not both");
  require(config.lock_text.empty() || config.start_text.empty(),
          "[settings] a text encoder stands still (--lock-text) or is trained further (--start-text), not both");
  if (config.start.empty() || app::is_run(config.start)) return;
  require(config.lock_image.empty() && config.lock_text.empty() && config.start_image.empty() &&
              config.start_text.empty() && config.projection == "linear",
          "[settings] --start ", config.start,
          " brings both encoders and linear projections: no --lock-image, "
          "--lock-text, --start-image, --start-text or --projection residual");
}

app::Composition compose(const app::Settings& s, std::int64_t samples, Rng rng) {
  const auto& config = s.own.as<ClipConfig>();
  const int size = static_cast<int>(s.image_size);
  const Rng heads = rng / "projections";
  check_starts(config);
  if (!config.start.empty() && !app::is_run(config.start)) {
    const app::PublishedTowers towers = app::load_towers(config.start);
    return composed(config, of_text(towers.tokenizer, towers.context_length), towers.image, TextEncoder(towers.text),
                    towers.view, towers.view, towers.preparation, heads, &towers);
  }
  EncoderOptions options = app::encoder_options(s, 3);
  options.patch_dropout = config.patch_dropout;
  const auto with_text = [&](auto texts, const app::Side<TextEncoder>& text) {
    if (!config.lock_image.empty()) {
      app::Locked locked = app::load_locked_image(config.lock_image);
      return composed(config, texts, {std::move(locked.encoder), samples}, text, locked.view, locked.view,
                      locked.preparation, heads);
    }
    if (!config.start_image.empty()) {
      app::StartedImage started = app::load_start_image(config.start_image);
      return composed(config, texts, std::move(started.encoder), text, started.train, started.view, started.preparation,
                      heads);
    }
    return composed(config, texts, make_encoder(s.encoder, options, rng / "encoder"), text, clip_train(size),
                    clip_view(size), app::middle_of(size), heads);
  };
  if (!config.lock_text.empty()) {
    app::LockedText locked = app::load_locked_text(config.lock_text);
    return with_text(of_text(locked.tokenizer, locked.context_length), {std::move(locked.encoder), 0});
  }
  if (!config.start_text.empty()) {
    app::StartedText started = app::load_start_text(config.start_text);
    return with_text(of_text(started.tokenizer, started.context_length), std::move(started.encoder));
  }
  const BpeTokenizer tokenizer;
  return with_text(of_text(tokenizer, config.context_length), text_encoder(config, tokenizer.size(), rng / "text"));
}

}  // namespace

namespace app::methods {

extern const Program clip{
    .title = "CLIP",
    .paper = "Radford et al. 2021",
    .arxiv = "2103.00020",
    .compares = "an image and its caption with those of the batch",
    .against_collapse = "negatives in the batch, both ways",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
