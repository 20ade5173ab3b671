// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/core/setting.hpp"
#include "contrastive/encoders/group_vit.hpp"
#include "contrastive/methods/clip.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/objectives/multi_label_loss.hpp"

namespace contrastive {

/// Into the space that images and texts share by a projector with batch norm, to unit rows: (N, width) -> (N, D).
struct UnitMlp {
  Mlp mlp;

  UnitMlp() = default;
  UnitMlp(std::int64_t width, std::int64_t hidden, std::int64_t D, Rng rng)
      : mlp(width, {{.out = hidden}, {.out = D, .norm = false, .relu = false}}, rng) {}

  Tensor operator()(const Tensor& x) const { return normalize(mlp(x)); }
  template <class F>
  void members(F&& f) {
    mlp.members(f);
  }
};

/// Several texts of a sample through one tower, their rows side by side: ids (N, T, L) -> (N, T D). A batch of single texts
/// (n, L) gives (n, D).
template <class TextTower>
struct EachText {
  TextTower tower;

  Tensor operator()(const Tensor& ids) const {
    if (ids.rank() == 2) return tower(ids);
    require(ids.rank() == 3, "[each_text] expected token ids (N, T, L), got ", ids.shape());
    return tower(ids.reshape({ids.size(0) * ids.size(1), ids.size(2)})).reshape({ids.size(0), -1});
  }
  template <class F>
  void members(F&& f) {
    tower.members(f);
  }
};

/// GroupViT's objective: view 0 is the image, view 1 its caption and prompts of the caption's nouns (`OfPrompts`). CLIP's
/// loss on images and captions, and the multi-label loss on images and prompts, whose scale is its own unless `one_scale`.
struct CaptionAndPrompts {
  LearnedScale scale, prompt_scale;
  double prompt_weight = 1;
  bool one_scale = false, equal_are_negatives = false;
  bool shuffle_captions = false;  // each image gets the texts of the next one: a control

  Tensor operator()(const Embeddings& z) const {
    require(z.online.size() == 2 && z.view[1].rank() == 3, "[group_vit] expected an image and texts (N, T, L), got ",
            z.online.size(), " views");
    const Tensor& images = z.online[0];
    const std::int64_t N = images.size(0), T = z.view[1].size(1), D = images.size(1);
    const Tensor texts = moved(z.online[1]).reshape({N, T, D});
    const Tensor captions = narrow(texts, 1, 0, 1).reshape({N, D});
    const auto same = equal_are_negatives ? std::vector<std::int64_t>()
                                          : numbers_of_equal(moved(narrow(z.view[1], 1, 0, 1).reshape({N, -1})));
    const Tensor loss = clip_loss(images, captions, scale.log_scale, RowLength::unit, same);
    if (T == 1) return loss;
    const Tensor& of_prompts = one_scale ? scale.log_scale : prompt_scale.log_scale;
    return loss + multi_label_loss(images, narrow(texts, 1, 1, T), of_prompts) * prompt_weight;
  }
  void after_update(Progress progress) {
    scale.after_update(progress);
    prompt_scale.after_update(progress);
  }
  std::vector<std::pair<std::string, double>> scalars() const {
    return {{"scale", scale.value()}, {"prompt_scale", prompt_scale.value()}};
  }
  /// Guessing among N pairs, and among all prompts of N images with P each.
  std::string complaint(double loss, std::int64_t N) const {
    const double chance = (1 + prompt_weight) * std::log(static_cast<double>(N));
    if (loss > 0.98 * chance)
      return join("the loss is ", loss, ", which is chance (", chance,
                  " or more): do the captions belong to the images, and is the learning rate right?");
    return scale.complaint();
  }

  template <class F>
  void members(F&& f) {
    f("scale", scale);
    f("prompt_scale", prompt_scale);
  }

 private:
  Tensor moved(const Tensor& x) const { return shuffle_captions ? of_the_next(x) : x; }
};

struct GroupVitSettings {
  std::int64_t dimension = 256, projector_hidden = 4096;  // of the shared space, and inside the projectors
  std::int64_t embed_width = 384, depth1 = 6, depth2 = 3, depth3 = 3, groups1 = 64, groups2 = 8;
  std::string text_encoder = "transformer";
  std::int64_t text_width = 256, text_layers = 12, text_heads = 4, context_length = 77;
  std::int64_t prompts = 3;
  double prompt_weight = 1;
  std::string assignment = "hard", nouns = {}, templates = "imagenet80", ground = "background";
  double background = 0.95;
  bool one_scale = false, equal_are_negatives = false, shuffle_captions = false;

  void settings(SettingList& list) {
    list.number("dimension", dimension, 1, 1 << 14, "width of the space that images and texts share");
    list.number("projector-hidden", projector_hidden, 1, 1 << 16, "width inside the projectors of both towers");
    list.number("embed-width", embed_width, 8, 1 << 14, "width of the image encoder");
    list.number("depth1", depth1, 1, 64, "blocks of the first stage");
    list.number("depth2", depth2, 1, 64, "blocks of the second stage");
    list.number("depth3", depth3, 1, 64, "blocks after the last grouping");
    list.number("groups1", groups1, 1, 1024, "group tokens and groups of the first stage");
    list.number("groups2", groups2, 1, 1024, "group tokens and groups of the second stage");
    list.choice("text-encoder", text_encoder, {"transformer", "bag"},
                "transformer, or bag: the mean of the vectors of a text's tokens, whatever their order");
    list.number("text-width", text_width, 8, 1 << 14, "width of the text encoder");
    list.number("text-layers", text_layers, 1, 256, "layers of the text transformer");
    list.number("text-heads", text_heads, 1, 1024, "attention heads of the text transformer");
    list.number("context-length", context_length, 3, 4096, "tokens of a text, start and end included");
    list.number("prompts", prompts, 0, 64, "nouns of a caption that are asked for; 0: the caption alone");
    list.number("prompt-weight", prompt_weight, 0, 1e4, "weight of the loss on prompts");
    list.text(
        "nouns", nouns,
        "nouns that captions are searched for: imagenet, cifar100 and their kind, or a file with one a line; empty: "
        "the set's classes");
    list.text("templates", templates, "templates of prompts: imagenet80, imagenet7, simple, or a file");
    list.text("ground", ground, "word of pixels that no other word fits; empty: every pixel has one of the others");
    list.number("background-below", background, 0, 1, "score below which a group is the ground");
    list.choice("assignment", assignment, {"hard", "soft"}, "of segments to groups: hard, or soft, a control");
    list.flag("one-scale", one_scale, "captions and prompts share one learned scale");
    list.flag("equal-are-negatives", equal_are_negatives,
              "images with the same caption are negatives of each other, as in the official code");
    list.flag("shuffle-captions", shuffle_captions, "each image learns from the texts of another: a control");
  }
};

/// GroupViT (Xu et al. 2022, arXiv:2202.11094; NVlabs/GroupViT): segments of an image are gathered into groups in two
/// stages, each segment into one group, and the mean of the last groups is compared with captions and with prompts of their
/// nouns. Nothing but captions is learned from; after training each group is compared with words. `views` gives an image,
/// then texts (N, T, L) (`OfPrompts`); `text` is an encoder of token ids.
template <class Text, class Augmentation>
auto group_vit(GroupVit image, Text text, Augmentation views, const GroupVitSettings& config, Rng rng) {
  const std::int64_t of_image = image.features(), of_text = text.features(), D = config.dimension;
  return Method(
      Towers(Tower{std::move(image), UnitMlp(of_image, config.projector_hidden, D, rng / "image")},
             EachText<Tower<Text, UnitMlp>>{
                 {std::move(text), UnitMlp(of_text, config.projector_hidden, D, rng / "text")}}),
      Identity{},
      CaptionAndPrompts{
          {}, {}, config.prompt_weight, config.one_scale, config.equal_are_negatives, config.shuffle_captions},
      std::move(views));
}

/// The groups of an image in the space of words, in evaluation mode.
struct GroupRows {
  Tensor groups;             // (N, G, D), unit rows
  Tensor image;              // (N, D), unit rows of the groups' mean
  std::vector<Tensor> soft;  // of each stage (N, S, G), for `patch_groups` (eval/group_segmentation.hpp)
};
inline GroupRows group_rows(const Tower<GroupVit, UnitMlp>& tower, const Tensor& images) {
  const NoGrad no_grad;
  const Eval eval;
  GroupVitOutput found = tower.encoder.grouped(images);
  const Shape shape = found.groups.shape();
  const Tensor rows = tower.projector(found.groups.reshape({shape[0] * shape[1], shape[2]}));
  return {rows.reshape({shape[0], shape[1], rows.size(1)}), tower.projector(mean(found.groups, 1)),
          std::move(found.soft)};
}

}  // namespace contrastive
