// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "contrastive/encoders/bert.hpp"
#include "contrastive/encoders/pyramid.hpp"
#include "contrastive/nn/phrases.hpp"
#include "contrastive/nn/word_region.hpp"

namespace contrastive {

struct GroundingHeadConfig {
  std::int64_t vocabulary = 49408;  // ids of the tokenizer
  std::int64_t width = 64;          // of the pyramid
  int finest = 4;                   // pixels to a place of its largest map, or the next more that the encoder has
  int depth = 3;                    // layers of image and of text
  bool fused = true;                // with a fusion before each
  int heads = 4;
  std::int64_t text_width = 64;
  int text_layers = 2;              // before the first fusion
  std::int64_t context_length = 8;  // tokens of the longest phrase
};

/// Looks into an encoder's stages, reads a prompt of phrases, and says of each place of a
/// pyramid how well it fits each token, where its box is and how central it lies in it (microsoft/GLIP,
/// modeling/rpn/vldyhead.py, VLDyHead).
struct GroundingHead {
  FeaturePyramid pyramid;
  Bert text;
  std::vector<BiAttentionBlock> fusions;  // none without fusion
  std::vector<TransformerBlock> text_layers;
  std::vector<PyramidConv> image_layers;
  WordRegion words;
  Linear box, central;
  std::vector<Parameter> box_scales;  // one a map

  GroundingHead() = default;
  GroundingHead(const std::vector<Stage>& stages, const GroundingHeadConfig& config, Rng rng)
      : pyramid(stages, config.width, 3, config.finest, rng / "pyramid"),
        text({.vocabulary = config.vocabulary + 1,
              .positions = config.context_length,
              .types = 1,
              .width = config.text_width,
              .layers = config.text_layers,
              .heads = config.heads,
              .hidden = 4 * config.text_width},
             rng / "text"),
        words(config.width, config.text_width, rng / "words"),
        box(config.width, 4, rng / "box"),
        central(config.width, 1, rng / "central") {
    const int heads = config.heads;
    for (int i = 0; i < config.depth; ++i) {
      const Rng own = rng / "layers" / static_cast<std::uint64_t>(i);
      if (config.fused)
        fusions.emplace_back(config.width, config.text_width, config.width, heads,
                             1 / static_cast<double>(config.depth), own / "fusion");
      text_layers.emplace_back(config.text_width, heads, 4 * config.text_width, own / "text",
                               BlockOptions{.eps = 1e-12, .post_norm = true});
      image_layers.emplace_back(config.width, own / "image");
    }
    for (std::size_t i = 0; i < pyramid.strides().size(); ++i) box_scales.emplace_back(Tensor::full({1}, 1));
  }

  /// Images (N, H, W, C) and prompts (N, P, L) to (N, A, P L + 5): token logits, box codes and centerness of each place.
  template <class Encoder>
  Tensor of_images(const Encoder& encoder, const Tensor& images, const Tensor& prompts) const {
    require(images.rank() == 4 && prompts.rank() == 3 && images.size(0) == prompts.size(0),
            "[glip] expected images (N, H, W, C) and prompts (N, P, L), got ", images.shape(), " and ",
            prompts.shape());
    const DistinctPhrases phrases = distinct_phrases(prompts);
    const std::int64_t N = prompts.size(0), P = prompts.size(1), L = prompts.size(2), D = words.bias_lang.size(0);
    const Device device = images.device();
    std::vector<Tensor> maps = pyramid(encoder.stage_maps(images), images.size(1), images.size(2));
    const Tensor row = phrases.row.to(device), mask = phrases.mask.to(device);
    Tensor lengths = phrases.lengths.to(device);
    Tensor tokens = text.tokens(phrases.tokens.to(device));  // (U, L, D)
    // A phrase reads itself alone; what differs from prompt to prompt comes in by the fusion, if there is one.
    if (!fusions.empty()) {
      tokens = gather(tokens, row.reshape({N * P}));
      lengths = gather(phrases.lengths.reshape({phrases.lengths.size(0), 1}), phrases.row.reshape({N * P}))
                    .reshape({N * P})
                    .to(device);
    }
    for (std::size_t i = 0; i < image_layers.size(); ++i) {
      if (!fusions.empty()) {
        const ImageAndText fused = fusions[i](rows_of_levels(maps), tokens.reshape({N, P * L, D}), mask);
        maps = levels_of_rows(fused.image, maps);
        tokens = fused.text.reshape({N * P, L, D});
      }
      tokens = text_layers[i](tokens, lengths);
      maps = image_layers[i](maps);
    }
    if (fusions.empty()) tokens = gather(tokens, row.reshape({N * P}));
    std::vector<Tensor> codes;
    for (std::size_t i = 0; i < maps.size(); ++i) codes.push_back(box(maps[i]) * cast(box_scales[i], maps[i].dtype()));
    const Tensor places = rows_of_levels(maps);
    return concat({words(places, tokens.reshape({N, P * L, D})), rows_of_levels(codes), central(places)}, 2);
  }
  template <class F>
  void members(F&& f) {
    f("pyramid", pyramid);
    f("text", text);
    f("fusions", fusions);
    f("text_layers", text_layers);
    f("image_layers", image_layers);
    f("words", words);
    f("box", box);
    f("central", central);
    f("box_scales", box_scales);
  }
};

}  // namespace contrastive
