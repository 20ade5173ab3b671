// SPDX-License-Identifier: MIT
//
// ViLD (Gu et al. 2021, arXiv:2104.13921): boxes of classes that training never named. Regions are compared with rows of
// words, and brought to where a teacher's images of their crops are.
//
//   vild --teacher runs/clip                                  scenes with new names in them, which have no boxes
//   vild --teacher runs/clip --data scenes                    new names are not in the images of training either
//   vild --teacher runs/clip --crops shuffled                 the control: crops that say nothing
//   vild --teacher runs/clip --crops none                     the text head alone
//   vild --teacher runs/clip --novel none                     the ceiling: every box is shown
//   vild --teacher clip/ --data coco --root DIR --novel "bus, dog" --image-size 224 --encoder resnet18

#include "contrastive/methods/vild.hpp"

#include <algorithm>

#include "contrastive/text/templates.hpp"
#include "contrastive/train/image_text.hpp"
#include "support/detection.hpp"
#include "support/run.hpp"
#include "support/sets.hpp"
#include "support/sides.hpp"
#include "support/word_rows.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe = app::scenes_recipe("vild");
  recipe.data = "scenes_whole";
  recipe.batch = 32;
  recipe.epochs = 4;
  recipe.own = VildConfig{};
  return recipe;
}

app::Settings without_files() {
  app::Settings settings = recipe();
  settings.data = "shape_scenes_whole";
  VildConfig config;
  config.rows = "random", config.crops = "none";
  settings.own = config;
  return settings;
}

/// Classes of the set, and which of them training shows the boxes of.
struct Words {
  std::vector<std::string> all, trained;
  std::vector<app::Shown> shown;
  std::vector<std::int64_t> place_of_trained;  // in `all`
  LabelNumbers numbers;                        // of classes in the list that is trained with
  Tensor keep;                                 // of that list behind the background; not there where all is shown
};

std::vector<app::Shown> shown_of(const app::Settings& s, const VildConfig& config,
                                 const std::vector<std::string>& all) {
  std::vector<app::Shown> shown(all.size(), app::Shown::all);
  if (config.novel == "none") return shown;
  if (config.novel.empty()) return contrastive::detail::is_scenes(s.data) ? app::held_out_classes(s) : shown;
  for (const std::string& name : contrastive::detail::split_list(config.novel, ',')) {
    const auto at = std::ranges::find(all, name) - all.begin();
    require(at < std::ssize(all), "[settings] --novel ", name, " is no class of ", s.data);
    shown[static_cast<std::size_t>(at)] = app::Shown::nothing;
  }
  return shown;
}

Words words_of(const app::Settings& s, const VildConfig& config) {
  const AnyDataset train = app::open_sets(s, true).train;
  require(train.parts().contains(Part::image | Part::boxes), "[settings] ", s.data, " has ", to_string(train.parts()),
          ", and no boxes: --data scenes, coco and voc have");
  Words words;
  words.all = train.class_names();
  words.shown = shown_of(s, config, words.all);
  const bool in_softmax = config.novel_logits == "zero";
  for (std::size_t c = 0; c < words.all.size(); ++c) {
    const bool seen = words.shown[c] == app::Shown::all;
    words.numbers.of_class.push_back(!seen        ? -1
                                     : in_softmax ? static_cast<std::int64_t>(c)
                                                  : std::ssize(words.trained));
    if (!seen) continue;
    words.trained.push_back(words.all[c]);
    words.place_of_trained.push_back(static_cast<std::int64_t>(c));
  }
  require(!words.trained.empty(), "[settings] --novel leaves no class to train with");
  if (!in_softmax || words.trained.size() == words.all.size()) return words;
  words.keep = Tensor::full({std::ssize(words.all) + 1}, 1);
  for (std::size_t c = 0; c < words.all.size(); ++c)
    if (words.numbers.of_class[c] < 0) words.keep.data<float>()[c + 1] = 0;
  return words;
}

/// Regions near the true boxes of each image, or 32 anywhere.
std::vector<std::vector<Proposal>> given_regions(const std::vector<std::vector<Box>>& truth, bool near, int size) {
  const auto side = static_cast<float>(size);
  std::vector<std::vector<Proposal>> given(truth.size());
  for (std::size_t n = 0; n < truth.size(); ++n) {
    Stream draw(Rng(0) / "given boxes" / n);
    if (near)
      for (const Box& box : truth[n]) given[n].push_back({jittered(box, side, side, draw)});
    else
      for (int k = 0; k < 32; ++k) given[n].push_back({random_box(side, side, draw)});
  }
  return given;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const auto& config = s.own.as<VildConfig>();
  const int size = static_cast<int>(s.image_size);
  require(size % 2 == 0, "[settings] --image-size must be even, got ", size);
  require(!config.teacher.empty() || (config.rows == "random" && config.crops == "none"),
          "[settings] --teacher names a run of images and texts (clip, siglip) or weights, whose words and crops are "
          "learned from; --word-rows random with --crops none needs none");
  const Words words = words_of(s, config);
  app::RowsOf rows;
  RegionTeacher teacher;
  std::int64_t D = 256;
  if (!config.teacher.empty()) {
    const ImageTextModel model = app::load_image_text(config.teacher);
    rows = app::remembered([model, form = config.word_template](const std::vector<std::string>& list) {
      const NoGrad no_grad;
      const Eval eval;
      std::vector<std::string> texts;
      for (const std::string& word : list) texts.push_back(fill_template(form, word));
      return normalize(encode_texts(model, texts));
    });
    D = rows({words.all[0]}).size(1);
    if (config.crops != "none") teacher = crop_teacher(model.view, model.image_rows, vild_normalize);
  }
  if (config.rows == "random") rows = app::random_rows(D, rng / "random word");

  auto method = vild(make_encoder(s.encoder, app::encoder_options(s, 3), rng / "encoder"),
                     rows(config.novel_logits == "zero" ? words.all : words.trained), words.keep,
                     vild_train(size, words.numbers), teacher, config, rng);
  const auto shared = std::make_shared<decltype(method)>(std::move(method));

  const bool both = static_cast<bool>(teacher);
  const VildHead own = both ? VildHead::ensemble : VildHead::text;
  // One pass of the network for all ways.
  const auto detect = [shared, rows, trained = words.trained, own, size](
                          const Tensor& images, const std::vector<std::string>& list,
                          const std::vector<std::vector<Box>>& truth, bool all_ways) {
    std::vector<bool> is_base;
    for (const std::string& word : list) is_base.push_back(std::ranges::find(trained, word) != trained.end());
    const RegionsAndWords& parts = shared->objective;
    const Tensor map = vild_map(shared->online, images.to(parts.words.device())), word_rows = rows(list);
    const NamedRegions named = vild_regions(parts, map, word_rows, vild_proposals(parts, map));
    std::vector<app::BoxesOfImages> ways{named.boxes(is_base, own)};
    if (!all_ways) return ways;
    for (const VildHead head : {VildHead::text, VildHead::image}) ways.push_back(named.boxes(is_base, head));
    for (const bool near : {true, false})
      ways.push_back(vild_regions(parts, map, word_rows, given_regions(truth, near, size)).boxes(is_base, own));
    return ways;
  };
  const auto detector = [&](bool all_ways, std::vector<app::DetectionWay> ways) {
    return app::Detector{app::WholeView(Squash{size}, vild_normalize), words.all,
                         [detect, all_ways](const Tensor& images, const std::vector<std::string>& list,
                                            const std::vector<std::vector<Box>>& truth) {
                           return detect(images, list, truth, all_ways);
                         },
                         std::move(ways)};
  };
  const app::DetectionWay best{both ? "ensemble" : "text head", ""};

  app::Composition composition(shared, OneView(CenterView(CenterCrop{size, size}, vild_normalize)));
  composition.boxes = {OneView(app::WholeView(Squash{size}, vild_normalize)),
                       [detect](const Tensor& images, const std::vector<std::string>& words) {
                         return detect(images, words, {}, false)[0];
                       }};
  composition.held_out = {
      "AP50", [one = detector(false, {best}), among = words.place_of_trained](
                  const AnyDataset& test, const auto& alive) { return app::ap50_of_set(one, test, among, alive); }};
  std::vector<app::DetectionWay> ways{best};
  if (both)
    for (const auto& [title, prefix] : {std::pair("text head", "text_head_"),
                                        {"image head", "image_head_"},
                                        {"near true boxes", "near_true_"},
                                        {"random boxes", "random_boxes_"}})
      ways.push_back({title, prefix, false});
  composition.evaluate_own = [all = detector(both, ways), shown = words.shown](const app::OwnEvaluation& evaluation) {
    app::evaluate_detection(all, shown, evaluation);
  };
  return composition;
}

}  // namespace

namespace app::methods {

extern const Program vild{
    .title = "ViLD",
    .paper = "Gu et al. 2021",
    .arxiv = "2104.13921",
    .compares = "regions with words, and with a teacher's crops",
    .against_collapse = "true boxes and labels, and a teacher that stands still",
    .recipe = recipe(),
    .compose = compose,
    .without_files = without_files(),
};

}  // namespace app::methods
