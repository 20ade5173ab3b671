// SPDX-License-Identifier: MIT
//
// SigLIP (Zhai et al. 2023, arXiv:2303.15343): an image tower and a text tower; each pair of an image and a caption is
// judged on its own, by a sigmoid.
//
//   siglip --data scenes --epochs 10

#include "contrastive/methods/siglip.hpp"

#include "contrastive/augment/text_view.hpp"
#include "contrastive/text/bpe_tokenizer.hpp"
#include "contrastive/text/clean.hpp"
#include "support/image_text.hpp"
#include "support/run.hpp"

namespace {

using namespace contrastive;

constexpr Normalize siglip_statistics{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}};

/// CLIP's vocabulary on SigLIP's canonical texts. SigLIP's own, a SentencePiece model, is not ours to ship.
struct CanonicalTokenizer {
  BpeTokenizer tokenizer;
  void write(std::string_view text, std::span<std::int32_t> row) const {
    tokenizer.write(canonicalize_text(text), row);
  }
};

app::Settings recipe() {
  app::Settings recipe;
  recipe.method = "siglip";
  recipe.texts = true;
  recipe.data = "scenes";
  recipe.samples = 20000;
  recipe.encoder = "siglip_micro";
  recipe.image_size = 64;
  recipe.batch = 128;
  recipe.epochs = 10;
  recipe.optimizer = "adamw";
  recipe.lr = 1e-3;
  recipe.lr_scaling = "none";
  recipe.beta2 = 0.95;
  recipe.weight_decay = 1e-4;
  recipe.exclude_norm_and_bias = true;
  recipe.warmup_epochs = 0.5;
  recipe.own = SiglipConfig{.text_width = 192, .text_layers = 4, .text_heads = 3, .context_length = 24};
  return recipe;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const auto& config = s.own.as<SiglipConfig>();
  const int size = static_cast<int>(s.image_size);
  const ImageEncoder image = make_encoder(s.encoder, app::encoder_options(s, 3), rng / "encoder");
  const SiglipText text({.vocabulary = 49408,
                         .context_length = config.context_length,
                         .width = config.text_width,
                         .layers = static_cast<int>(config.text_layers),
                         .heads = static_cast<int>(config.text_heads),
                         .hidden = 4 * config.text_width,
                         .output = image.features()},
                        rng / "text");
  const auto texts = of_text(CanonicalTokenizer(), config.context_length);
  const SampleViews views(clip_train(size, siglip_statistics), texts);
  return app::image_text(
      siglip(image, text, AnyAugment(views), config.initial_bias(s.batch), config.equal_are_negatives),
      center_view(size, size, siglip_statistics, 3, Filter::bicubic), app::middle_of(size),
      [texts](const auto& list) { return texts.ids(list); });
}

}  // namespace

namespace app::methods {

extern const Program siglip{
    .title = "SigLIP",
    .paper = "Zhai et al. 2023",
    .arxiv = "2303.15343",
    .compares = "each image with each caption of the batch, a pair at a time",
    .against_collapse = "pairs that do not belong together",
    .recipe = recipe(),
    .compose = compose,
};

}  // namespace app::methods
