// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/augment/box_view.hpp"
#include "contrastive/augment/recipes.hpp"
#include "contrastive/core/setting.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/methods/pixel_features.hpp"
#include "contrastive/methods/regions.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/objectives/proposals.hpp"
#include "contrastive/objectives/region_words.hpp"
#include "contrastive/ops/roi_align.hpp"

namespace contrastive {

struct VildConfig {
  std::string teacher = {};  // a run or weights of images and texts
  std::string rows = "words";
  std::string crops = "own";
  std::string word_template = "{}";
  std::string novel = {};
  std::string novel_logits = "zero";
  std::int64_t region_width = 64, region_hidden = 256;
  std::int64_t distilled = 6;
  double distill_weight = 0.5;

  void settings(SettingList& list) {
    list.text(
        "teacher", teacher,
        "a run of images and texts, or weights (CLIP, SigLIP), which stands still: its texts classify regions, and "
        "its images of crops are learned from");
    list.choice("word-rows", rows, {"words", "random"}, "rows of words: of the teacher, or random, which needs none");
    list.choice(
        "crops", crops, {"own", "shuffled", "none"},
        "crops that a region learns from: its own; another region's, the control; or none, the text head alone");
    list.text("word-template", word_template, "what the text tower reads, {} for the word: \"a photo of a {}.\"");
    list.text("novel", novel,
              "classes whose boxes training never sees, separated by commas; empty: those that scenes hold out; none");
    list.choice("novel-logits", novel_logits, {"zero", "none"},
                "of such classes in training: 0 in the softmax, as in the official code, or none, as in the paper");
    list.number("region-width", region_width, 4, 4096, "channels of the map that regions are cut from");
    list.number("region-hidden", region_hidden, 4, 65536, "hidden width of both heads");
    list.number("distilled", distilled, 1, 300, "regions of an image that learn from crops in a step");
    list.number("distill-weight", distill_weight, 0, 1e4, "weight of the distillation beside the text head's loss");
  }
};

/// Makes a row of each region of normalised images (N, H, W, C): (K, 5) to (K, D).
using RegionTeacher = std::function<Tensor(const Tensor& images, const Tensor& regions)>;

/// ViLD's parts behind the map of features, and its losses: view 0 is the image, views 1 and 2 its boxes and their labels
/// (BoxView), places in the list of words.
struct RegionsAndWords {
  ProposalHead proposals;
  Mlp text_head, image_head;  // of the features that RoIAlign cuts out
  Parameter background;       // (D)
  Buffer words;               // (V, D), which stand still
  Buffer keep;                // (1 + V): 0 for words that training must not show; not there where all are shown
  RegionTeacher teacher;
  bool shuffled = false;
  std::int64_t distilled = 6;
  double distill_weight = 0.5;

  static constexpr double stride = 2;      // of the map
  static constexpr std::int64_t side = 5;  // cells of a region

  static bool wants_online(std::size_t view) { return view == 0; }

  /// Rows (K, side * side * C) of regions (K, 5) of a map.
  Tensor cut_out(const Tensor& map, const Tensor& regions) const {
    const Tensor cells = roi_align(map, regions, {.height = side, .width = side, .scale = 1 / stride, .samples = 1});
    return cells.reshape({regions.size(0), side * side * map.size(3)});
  }

  Tensor operator()(const Embeddings& z) const {
    require(!z.online.empty() && z.view.size() == 3,
            "[vild] expected an image, its boxes and their labels (BoxView), got ", z.view.size(), " views");
    const Tensor &map = z.online[0], &boxes = z.view[1], &labels = z.view[2];
    const PlaceBoxes places = proposals(map, stride);
    Tensor loss = proposal_loss(places, place_targets(boxes, labels, places));

    const TrainingRegions some =
        training_regions(boxes, labels, best_proposals(places, 8), places, z.sample, z.progress, distilled);
    const Tensor cut = cut_out(map, some.regions);
    const Tensor logits = region_logits(text_head(cut), words, background);
    loss = loss + region_cross_entropy(logits, some.labels.to(map.device()), keep);
    if (!teacher || distill_weight == 0) return loss;
    const auto K = std::ssize(some.distilled);
    const Tensor which = Tensor::from<std::int64_t>(some.distilled, {K});
    Tensor rows = teacher(z.view[0], gather(some.regions, which));
    if (shuffled && K > 1) rows = concat({rows.slice(K / 2, K), rows.slice(0, K / 2)});
    return loss +
           region_distillation(image_head(gather(cut, which.to(map.device()))), rows.to(map.device())) * distill_weight;
  }

  template <class F>
  void members(F&& f) {
    f("proposals", proposals);
    f("text_head", text_head);
    f("image_head", image_head);
    f("background", background);
    f("words", words);
    f("keep", keep);
  }
};

inline const Normalize vild_normalize{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}};

using VildView = Compose<RandomResizedCrop, RandomFlip, Normalize>;

/// A crop (0.5, 1) and a flip of image and boxes alike.
inline BoxView<VildView> vild_train(int size, LabelNumbers numbers, std::int64_t most_boxes = 32) {
  return {VildView(RandomResizedCrop{size, {0.5, 1.0}}, RandomFlip{}, vild_normalize),
          std::move(numbers),
          {.most = most_boxes}};
}

/// ViLD (Gu et al. 2021, arXiv:2104.13921; tensorflow/tpu, models/official/detection/projects/vild): boxes of whatever object,
/// whose features two heads bring into a teacher's space. The text head is classified by rows of words that stand still,
/// with a trained row for the background; the image head comes to where the teacher's images of the crops are. After
/// training the words may be others. `rows`: (V, D), one a word; `keep`, if given, (1 + V), says which may be shown; `views`
/// gives an image, its boxes and labels (BoxView); `image` is an encoder with stages. Without a `teacher` the image head
/// is not trained.
///
///     auto method = vild(image, rows, {}, vild_train(64, numbers), teacher_of(model), {}, rng);
///     auto found = vild_boxes(method.online, method.objective, images, text_rows(other_words), shown,
///                             VildHead::ensemble);
template <class Image, class Augmentation>
auto vild(Image image, const Tensor& rows, const Tensor& keep, Augmentation views, RegionTeacher teacher,
          const VildConfig& config, Rng rng) {
  require(rows.rank() == 2 && rows.size(0) >= 1, "[vild] expected rows (V, D) of a word or more, got ", rows.shape());
  const std::int64_t D = rows.size(1), C = config.region_width,
                     cells = RegionsAndWords::side * RegionsAndWords::side * C;
  PixelFeatures map{DenseDecoder(image.stage_list(), C, C, rng / "decoder")};
  const auto head = [&](const char* name) {
    return Mlp(cells, {{config.region_hidden, true, false, true}, {D, true, false, false}}, rng / name);
  };
  RegionsAndWords objective{ProposalHead(C, rng / "proposals"),
                            head("text head"),
                            head("image head"),
                            Parameter(init::normal({D}, 0.01, rng / "background")),
                            Buffer(rows.clone()),
                            {},
                            std::move(teacher)};
  if (keep.defined()) objective.keep = Buffer(keep.clone());
  objective.shuffled = config.crops == "shuffled";
  objective.distilled = config.distilled, objective.distill_weight = config.distill_weight;
  return Method(std::move(image), std::move(map), Identity{}, std::move(objective), std::move(views));
}

enum class VildHead { ensemble, text, image };

/// Regions of each image, and the probabilities of the words of a list for them, (K, V), by either head.
struct NamedRegions {
  std::vector<std::vector<Proposal>> regions;
  Tensor text, image;

  /// The boxes of each image that carry the words, the best 100; a label is a place in the list. `is_base` says of each word
  /// whether training showed it. The score is that of the head times the region's. Boxes of a word that overlap a better one
  /// by more than 0.5 are left out.
  std::vector<std::vector<Detection>> boxes(const std::vector<bool>& is_base, VildHead head) const {
    std::vector<std::vector<Detection>> found(regions.size());
    if (!text.defined()) return found;
    const Tensor scores = head == VildHead::ensemble ? ensemble_scores(text, image, is_base)
                                                     : (head == VildHead::text ? text : image).to(DType::f64);
    std::int64_t first = 0;
    for (std::size_t n = 0; n < regions.size(); ++n) {
      const auto count = std::ssize(regions[n]);
      found[n] = best_words(regions[n], scores.slice(first, first + count), 100, 0.5);
      first += count;
    }
    return found;
  }
};

/// The map of features of images (N, H, W, C), from which regions are cut, in evaluation mode.
template <class Image>
Tensor vild_map(const Tower<Image, PixelFeatures>& tower, const Tensor& images) {
  const NoGrad no_grad;
  const Eval eval;
  return tower.projector.of_images(tower.encoder, images);
}
/// The method's own proposals, the best 32 of each image.
inline std::vector<std::vector<Proposal>> vild_proposals(const RegionsAndWords& parts, const Tensor& map) {
  const NoGrad no_grad;
  const Eval eval;
  return best_proposals(parts.proposals(map, RegionsAndWords::stride), 32);
}
/// The words of rows (V, D) for regions of a map.
inline NamedRegions vild_regions(const RegionsAndWords& parts, const Tensor& map, const Tensor& rows,
                                 std::vector<std::vector<Proposal>> proposals) {
  const NoGrad no_grad;
  const Eval eval;
  const Tensor regions = region_rows(proposals);
  NamedRegions named{std::move(proposals), {}, {}};
  if (regions.size(0) == 0) return named;
  const Tensor cut = parts.cut_out(map, regions), words = rows.to(map.device());
  named.text = text_head_scores(region_logits(parts.text_head(cut), words, parts.background)).to(Device::cpu);
  named.image = image_head_scores(region_logits(parts.image_head(cut), words)).to(Device::cpu);
  return named;
}

/// The boxes of images that carry the words of a list, rows (V, D).
template <class Image>
std::vector<std::vector<Detection>> vild_boxes(const Tower<Image, PixelFeatures>& tower, const RegionsAndWords& parts,
                                               const Tensor& images, const Tensor& rows,
                                               const std::vector<bool>& is_base, VildHead head) {
  const Tensor map = vild_map(tower, images);
  return vild_regions(parts, map, rows, vild_proposals(parts, map)).boxes(is_base, head);
}

}  // namespace contrastive
