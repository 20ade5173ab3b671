// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/augment/flip.hpp"
#include "contrastive/augment/phrase_view.hpp"
#include "contrastive/augment/square.hpp"
#include "contrastive/core/setting.hpp"
#include "contrastive/encoders/grounding_head.hpp"
#include "contrastive/media/detection.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/objectives/grounding_loss.hpp"
#include "contrastive/objectives/phrase_scores.hpp"

namespace contrastive {

struct GlipConfig {
  std::string fusion = "both";  // or none, the control
  std::string names = "words";  // or numbers, the control
  std::int64_t depth = 3, width = 64, finest = 4, heads = 4;
  std::int64_t text_width = 64, text_layers = 2, context_length = 8;
  std::int64_t phrases = 8, negatives = 8;
  double near = 0.5, anchor_scale = 4;

  GroundingHeadConfig head(std::int64_t vocabulary) const {
    return {vocabulary,
            width,
            static_cast<int>(finest),
            static_cast<int>(depth),
            fusion == "both",
            static_cast<int>(heads),
            text_width,
            static_cast<int>(text_layers),
            context_length};
  }

  void settings(SettingList& list) {
    list.choice("fusion", fusion, {"both", "none"},
                "both: image and words see each other at each depth; none, the control: they meet at the end alone");
    list.choice("phrase-names", names, {"words", "numbers"},
                "words; or numbers in their place, the control: they share nothing");
    list.number("fusion-depth", depth, 1, 64, "layers of image and of text, with a fusion before each");
    list.number("region-width", width, 8, 4096, "channels of the pyramid of maps, in whole eights");
    list.number("finest-stride", finest, 1, 64, "pixels to a place of its largest map");
    list.number("fusion-heads", heads, 1, 256, "attention heads of fusion and of text");
    list.number("text-width", text_width, 8, 1 << 14, "width of the text tower");
    list.number("text-layers", text_layers, 1, 256, "layers of the text tower before the first fusion");
    list.number("context-length", context_length, 1, 512, "tokens of the longest phrase");
    list.number("prompt-phrases", phrases, 1, 1024, "phrases that a prompt of training has room for");
    list.number("negative-phrases", negatives, 0, 1024,
                "at most so many of them are not shown by the image; 0, the control: none");
    list.number("near-negatives", near, 0, 1, "share of these that have a word of a phrase that is shown");
    list.number("anchor-scale", anchor_scale, 1, 64, "side of an anchor in strides of its map; the paper has 8");
  }
};

/// A projector that looks into the encoder's stages and reads the prompt, view 3.
struct PromptedRegions {
  GroundingHead head;

  template <class Encoder>
  Tensor through(const Encoder& encoder, const Views& views, std::size_t v) const {
    require(views.view.size() == 4, "[glip] expected an image, boxes, their phrases and a prompt (PhraseView), got ",
            views.view.size(), " views");
    return head.of_images(encoder, views.view[v], views.view[3]);
  }
  /// Not used: the head needs the encoder's stages and a prompt.
  Tensor operator()(const Tensor& features) const { return features; }

  template <class F>
  void members(F&& f) {
    head.members(f);
  }
};

/// GLIP's objective: view 1 are boxes, view 2 their phrases' places in the prompt, view 3 the prompt.
struct PhraseGrounding {
  std::vector<int> strides;
  double anchor_scale = 8;

  static bool wants_online(std::size_t view) { return view == 0; }

  /// The maps' places in an image of that size.
  std::vector<AnchorLevel> levels(std::int64_t H, std::int64_t W) const {
    std::vector<AnchorLevel> list;
    for (const int stride : strides)
      list.push_back({(H + stride - 1) / stride, (W + stride - 1) / stride, stride, anchor_scale * stride});
    return list;
  }

  Tensor operator()(const Embeddings& z) const {
    require(!z.online.empty() && z.view.size() == 4, "[glip] expected an image, boxes, phrases and a prompt, got ",
            z.view.size(), " views");
    const Tensor boxes = z.view[1].to(Device::cpu).to(DType::f64), places = z.view[2].to(Device::cpu),
                 prompts = z.view[3].to(Device::cpu);
    const std::int64_t N = prompts.size(0), P = prompts.size(1), L = prompts.size(2), B = places.size(1);
    std::vector<Tensor> own_boxes, token_maps;
    for (std::int64_t n = 0; n < N; ++n) {
      const std::vector<TokenSpan> spans = phrase_spans(prompts.slice(n, n + 1).reshape({P, L}));
      std::vector<double> corners, tokens;
      for (std::int64_t b = 0; b < B; ++b) {
        const std::int64_t p = places.data<std::int64_t>()[n * B + b];
        if (p < 0) continue;
        require(p < P && spans[static_cast<std::size_t>(p)].count > 0, "[glip] box ", b, " of image ", n,
                " is of phrase ", p, ", which the prompt does not have");
        const double* const box = boxes.data<double>() + (n * B + b) * 4;
        for (const double at : {box[0], box[1], box[2] - 1, box[3] - 1}) corners.push_back(at);  // the last pixel
        std::vector<double> map(static_cast<std::size_t>(P * L), 0);
        std::fill_n(map.begin() + p * L, spans[static_cast<std::size_t>(p)].count, 1.0);
        tokens.insert(tokens.end(), map.begin(), map.end());
      }
      const auto K = std::ssize(corners) / 4;
      own_boxes.push_back(Tensor::from<double>(corners, {K, 4}));
      token_maps.push_back(Tensor::from<double>(tokens, {K, P * L}));
    }
    const GroundingOutput out = grounding_output(z.online[0]);
    const GroundingTargets targets =
        grounding_targets(levels(z.view[0].size(1), z.view[0].size(2)), own_boxes, token_maps, out.tokens);
    return grounding_loss(out, targets, distinct_phrases(prompts).mask.to(out.tokens.device())).total();
  }

  template <class F>
  void members(F&&) {}
};

using GlipView = Compose<Squash, RandomFlip, Normalize>;

/// The whole image as a square, mirrored or not.
inline GlipView glip_train(int size) {
  return GlipView(Squash{size}, RandomFlip{}, Normalize{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}});
}

/// GLIP (Li et al. 2022, arXiv:2112.03857; microsoft/GLIP, maskrcnn_benchmark/modeling/rpn/vldyhead.py): finding the boxes of
/// an image that the phrases of a prompt name. Image and text fuse in both directions at several depths; then each place of a
/// pyramid is compared with each token. `image` is an encoder with stages (encoders/stage.hpp), `vocabulary` the number of
/// the tokenizer's ids, `views` a `PhraseView`.
///
///     auto method = glip(image, tokenizer.size(), PhraseView(BoxView(glip_train(64), numbers), tokens, {}), {}, rng);
///     auto found = grounded(method, images, phrase_tokens(tokenizer, {"red apple", "car"}, 8));
template <class Image, class Augmentation>
auto glip(Image image, std::int64_t vocabulary, Augmentation views, const GlipConfig& config, Rng rng) {
  PromptedRegions regions{GroundingHead(image.stage_list(), config.head(vocabulary), rng / "head")};
  PhraseGrounding objective{regions.head.pyramid.strides(), config.anchor_scale};
  return Method(std::move(image), std::move(regions), Identity{}, std::move(objective), std::move(views));
}

/// The boxes that images (N, H, W, C) have of the phrases of a prompt (P, L), or of a prompt each (N, P, L), best first; a label
/// is the phrase's place in the prompt.
template <class M>
std::vector<std::vector<Detection>> grounded(const M& method, const Tensor& images, const Tensor& prompt,
                                             const PhraseBoxOptions& options = {}) {
  const NoGrad no_grad;
  const Eval eval;
  Tensor prompts = prompt.to(Device::cpu);
  const std::int64_t N = images.size(0);
  if (prompts.rank() == 2) {
    const Tensor one = prompts;
    prompts = Tensor({N, one.size(0), one.size(1)}, DType::i32);
    for (std::int64_t n = 0; n < N; ++n) prompts.slice(n, n + 1).copy_from(one.reshape({1, one.size(0), one.size(1)}));
  }
  const GroundingOutput out =
      grounding_output(method.online.projector.head.of_images(method.online.encoder, images, prompts));
  const Tensor anchors = make_anchors(method.objective.levels(images.size(1), images.size(2)));
  std::vector<std::vector<Detection>> all;
  for (std::int64_t n = 0; n < N; ++n) {
    const auto row = [&](const Tensor& x) { return x.slice(n, n + 1).to(Device::cpu).to(DType::f64); };
    // A place without a phrase has no tokens, and no boxes.
    std::vector<TokenSpan> spans;
    std::vector<int> place;
    const std::vector<TokenSpan> every =
        phrase_spans(prompts.slice(n, n + 1).reshape({prompts.size(1), prompts.size(2)}));
    for (std::size_t p = 0; p < every.size(); ++p)
      if (every[p].count > 0) spans.push_back(every[p]), place.push_back(static_cast<int>(p));
    const std::int64_t A = anchors.size(0);
    const PhraseBoxes found = phrase_boxes(phrase_scores(row(out.tokens).reshape({A, out.tokens.size(2)}), spans),
                                           row(out.codes).reshape({A, 4}), row(out.centerness).reshape({A}), anchors,
                                           images.size(1), images.size(2), options);
    std::vector<Detection> boxes;
    for (std::size_t k = 0; k < found.scores.size(); ++k) {
      const double* const at = found.boxes.template data<double>() + 4 * k;
      boxes.push_back({{static_cast<float>(at[0]), static_cast<float>(at[1]), static_cast<float>(at[2] + 1),
                        static_cast<float>(at[3] + 1), place[static_cast<std::size_t>(found.phrases[k])]},
                       found.scores[k]});
    }
    all.push_back(std::move(boxes));
  }
  return all;
}

}  // namespace contrastive
