// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/augment/mask_view.hpp"
#include "contrastive/augment/recipes.hpp"
#include "contrastive/core/setting.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/methods/pixel_features.hpp"
#include "contrastive/objectives/pixel_labels.hpp"

namespace contrastive {

/// LSeg's objective: view 0 is the image, view 1 the label of each pixel. The labels are rows of words, which stand still,
/// or rows of their own, which are trained: a segmenter with a fixed head.
struct LabelledPixels {
  Buffer words;    // (V, D)
  Parameter head;  // (V, D), in place of words
  LabelBlocks blocks;

  static bool wants_online(std::size_t view) { return view == 0; }
  const Tensor& rows() const { return head.defined() ? static_cast<const Tensor&>(head) : words; }

  Tensor operator()(const Embeddings& z) const {
    require(!z.online.empty() && z.view.size() == 2, "[lseg] expected an image and its labels (MaskView), got ",
            z.view.size(), " views");
    return label_cross_entropy(z.online[0], rows(), blocks, z.view[1]);
  }
  /// Guessing among V labels has a loss of log V.
  std::string complaint(double loss, std::int64_t) const {
    const double chance = std::log(static_cast<double>(rows().size(0)));
    if (loss <= 0.98 * chance) return {};
    return join("the loss is ", loss, ", which is chance (log of the labels: ", chance,
                "): do the masks belong to the images, and is the learning rate right?");
  }

  template <class F>
  void members(F&& f) {
    f("words", words);
    f("head", head);
    f("blocks", blocks);
  }
};

struct LsegConfig {
  std::string text = {};       // a run or weights whose text tower makes the rows of labels
  std::string rows = "words";  // or random, head
  std::string template_text = "{}";
  std::string ground = "background";
  std::int64_t decoder_width = 64;
  std::string blocks = "none", activation = "relu";
  std::int64_t depth = 1;  // of the blocks

  LabelBlockConfig block_config() const {
    LabelBlockConfig config{.depth = blocks == "none" ? 0 : static_cast<int>(depth)};
    if (blocks == "bottleneck") config.kind = LabelBlockKind::bottleneck;
    if (activation == "leaky_relu") config.activation = LabelActivation::leaky_relu;
    if (activation == "tanh") config.activation = LabelActivation::tanh;
    return config;
  }

  void settings(SettingList& list) {
    list.text("text", text,
              "a run of images and texts, or weights of a text tower (CLIP's, or a sentence model with its vocab.txt), "
              "which stands still and makes a row of each label");
    list.choice("label-rows", rows, {"words", "random", "head"},
                "rows of labels: words, by --text; random, the control; or head, trained for the seen labels alone");
    list.text("label-template", template_text, "what the text tower reads, {} for the label: \"a photo of a {}.\"");
    list.text("ground", ground, "label of pixels that belong to no class; empty: they are left out");
    list.number("decoder-width", decoder_width, 1, 4096, "channels of the decoder");
    list.choice("blocks", blocks, {"none", "depthwise", "bottleneck"},
                "blocks on the label logits: none, depthwise or bottleneck");
    list.choice("block-activation", activation, {"relu", "leaky_relu", "tanh"},
                "between blocks: relu, leaky_relu or tanh");
    list.number("block-depth", depth, 1, 16, "how often the blocks are applied");
  }
};

using LsegView = Compose<RandomResizedCrop, RandomFlip, Normalize>;

/// A crop (0.5, 1) and a flip of image and labels alike. The mean and deviation 0.5 are the official code's.
inline MaskView<LsegView> lseg_train(int size, LabelNumbers numbers) {
  const Normalize half{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}};
  return {LsegView(RandomResizedCrop{size, {0.5, 1.0}}, RandomFlip{}, half), std::move(numbers)};
}
/// Short side to `size`, the middle: nothing is drawn.
inline CenterView lseg_center(int size) {
  return CenterView(CenterCrop{size, size}, Normalize{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}});
}

/// LSeg (Li et al. 2022, arXiv:2201.03546; isl-org/lang-seg, modules/models/lseg_net.py): a feature for each pixel, compared
/// with the rows of a list of labels, which a text tower that stands still has made; cross entropy over the list. After
/// training the list may be any other. `rows`: (V, D), one a label; `views` gives an image, then its labels (MaskView);
/// `image` is an encoder with stages (encoders/stage.hpp). With `head` the rows are where a trained head starts.
///
///     auto method = lseg(image, text_rows({"apple", "dog", "background"}), lseg_train(64, numbers), {}, rng);
///     Tensor found = label_pixels(pixel_features(method.online, images), text_rows(other_names), {}, H, W);
template <class Image, class Augmentation>
auto lseg(Image image, const Tensor& rows, Augmentation views, const LsegConfig& config, Rng rng) {
  require(rows.rank() == 2 && rows.size(0) >= 2, "[lseg] expected rows (V, D) of two labels or more, got ",
          rows.shape());
  PixelFeatures pixels{DenseDecoder(image.stage_list(), config.decoder_width, rows.size(1), rng / "decoder")};
  LabelledPixels objective{{}, {}, LabelBlocks(config.block_config(), rng / "blocks")};
  if (config.rows == "head")
    objective.head = Parameter(rows.clone());
  else
    objective.words = Buffer(rows.clone());
  return Method(std::move(image), std::move(pixels), Identity{}, std::move(objective), std::move(views));
}

/// The features of images' pixels, (N, H / 2, W / 2, D), in evaluation mode.
template <class Image>
Tensor pixel_features(const Tower<Image, PixelFeatures>& tower, const Tensor& images) {
  const NoGrad no_grad;
  const Eval eval;
  return tower.projector.of_images(tower.encoder, images);
}

}  // namespace contrastive
