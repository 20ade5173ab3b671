// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/methods/clip.hpp"
#include "contrastive/objectives/siglip_loss.hpp"

namespace contrastive {

/// SigLIP's objective: view 0 is the image, view 1 the text. Each of the N^2 pairs is judged on its own, with a learned
/// scale and bias. Other pairs of equal captions are not judged unless `equal_are_negatives`, as in the official code.
struct PairwiseSigmoid {
  LearnedScale scale{std::log(10.0)};
  Parameter bias{Tensor::full({}, -10)};
  bool equal_are_negatives = false;

  /// `initial_bias`: -10 in the paper, for batches of thousands; log(1 / (N - 1)) says of a batch of N what chance says.
  explicit PairwiseSigmoid(double initial_bias = -10, bool equal = false)
      : bias(Tensor::full({}, initial_bias)), equal_are_negatives(equal) {}

  Tensor operator()(const Embeddings& z) const {
    require(z.online.size() == 2, "[siglip] expected an image and a text, got ", z.online.size(), " views");
    const auto same = equal_are_negatives ? std::vector<std::int64_t>() : numbers_of_equal(z.view[1]);
    return siglip_loss(z.online[0], z.online[1], scale.log_scale, bias, RowLength::unit, same);
  }
  void after_update(Progress progress) { scale.after_update(progress); }
  std::vector<std::pair<std::string, double>> scalars() const {
    return {{"scale", scale.value()}, {"bias", bias.item()}};
  }
  /// The least loss of one answer for all pairs: a probability of 1/N for each.
  std::string complaint(double loss, std::int64_t N) const {
    const double p = 1 / static_cast<double>(N), chance = -std::log(p) - (1 / p - 1) * std::log1p(-p);
    if (loss > 0.98 * chance)
      return join("the loss is ", loss, ", which a constant answer reaches too (", chance,
                  "): do the captions belong to the images, and is the learning rate right?");
    return scale.complaint();
  }

  template <class F>
  void members(F&& f) {
    f("scale", scale);
    f("bias", bias);
  }
};

struct SiglipConfig {
  std::int64_t text_width = 768, text_layers = 12, text_heads = 12, context_length = 64;
  double bias = 0;
  bool equal_are_negatives = false;

  void settings(SettingList& list) {
    list.number("text-width", text_width, 8, 1 << 14, "width of the text transformer");
    list.number("text-layers", text_layers, 1, 256, "layers of the text transformer");
    list.number("text-heads", text_heads, 1, 1024, "attention heads of the text transformer");
    list.number("context-length", context_length, 3, 4096, "tokens of a text, padding included");
    list.number("bias", bias, -100, 0, "start of the bias; 0: -log(batch - 1); the paper's batches of 32,768: -10");
    list.flag("equal-are-negatives", equal_are_negatives,
              "images with the same caption are negatives of each other, as in the official code");
  }
  double initial_bias(std::int64_t batch) const { return bias < 0 ? bias : -std::log(static_cast<double>(batch - 1)); }
};

/// SigLIP (Zhai et al. 2023, arXiv:2303.15343; google-research/big_vision, trainers/proj/image_text/siglip.py): two towers
/// whose rows are made of unit length; a sigmoid for each pair in place of the softmax over the batch. `image` and `text`
/// give rows of one width; `initial_bias` as of `PairwiseSigmoid`.
template <class Image, class Text, class Augmentation>
auto siglip(Image image, Text text, Augmentation views, double initial_bias = -10, bool equal_are_negatives = false) {
  require(image.features() == text.features(), "[siglip] the towers' rows differ in width: ", image.features(), " and ",
          text.features());
  return Method(Towers(Tower{std::move(image), UnitProjection()}, Tower{std::move(text), UnitProjection()}), Identity{},
                PairwiseSigmoid(initial_bias, equal_are_negatives), std::move(views));
}

}  // namespace contrastive
