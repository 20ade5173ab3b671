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
  app::Settings recipe;
  recipe.method = "vild";
  recipe.texts = true;
  recipe.data = "scenes_whole";
  recipe.samples = 20000;
  recipe.encoder = "small";
  recipe.image_size = 64;
  recipe.batch = 32;
  recipe.epochs = 4;
  recipe.optimizer = "adamw";
  recipe.lr = 1e-3;
  recipe.lr_scaling = "none";
  recipe.weight_decay = 0.01;
  recipe.exclude_norm_and_bias = true;
  recipe.warmup_epochs = 0.2;
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

  const auto boxes = [shared, rows, trained = words.trained](const Tensor& images, const std::vector<std::string>& list,
                                                             VildHead head,
                                                             const std::vector<std::vector<Proposal>>* given) {
    std::vector<bool> is_base;
    for (const std::string& word : list) is_base.push_back(std::ranges::find(trained, word) != trained.end());
    return vild_boxes(shared->online, shared->objective, images.to(shared->objective.words.device()), rows(list),
                      is_base, head, given);
  };
  const auto detector = [&](VildHead head) {
    return app::Detector{app::WholeView(Squash{size}, vild_normalize), words.all,
                         [boxes, head](const Tensor& images, const std::vector<std::string>& list) {
                           return boxes(images, list, head, nullptr);
                         }};
  };
  // Told where to look: near the true boxes, or anywhere.
  const auto told = [&](bool near) {
    app::Detector one = detector(VildHead::ensemble);
    one.detect_near = [boxes, near, side = static_cast<float>(size)](const Tensor& images,
                                                                     const std::vector<std::string>& list,
                                                                     const std::vector<std::vector<Box>>& truth) {
      std::vector<std::vector<Proposal>> given(truth.size());
      for (std::size_t n = 0; n < truth.size(); ++n) {
        Stream draw(Rng(0) / "given boxes" / n);
        if (near)
          for (const Box& box : truth[n])
            given[n].push_back({jittered({box.left, box.top, box.right, box.bottom}, side, side, draw)});
        else
          for (int k = 0; k < 32; ++k) given[n].push_back({random_box(side, side, draw)});
      }
      return boxes(images, list, VildHead::ensemble, &given);
    };
    return one;
  };

  app::Composition composition(shared, OneView(CenterView(CenterCrop{size, size}, vild_normalize)));
  const bool both = static_cast<bool>(teacher);
  const app::Detector own = detector(both ? VildHead::ensemble : VildHead::text);
  composition.held_out = {"AP50", [own, among = words.place_of_trained](const AnyDataset& test, const auto& alive) {
                            return app::ap50_of_set(own, test, among, alive);
                          }};
  composition.evaluate_own = [own, both, shown = words.shown, text = detector(VildHead::text),
                              image = detector(VildHead::image), near = told(true),
                              anywhere = told(false)](const app::OwnEvaluation& evaluation) {
    if (!both) return app::evaluate_detection(own, shown, evaluation, {"text head", ""});
    app::evaluate_detection(own, shown, evaluation, {"ensemble", ""});
    app::evaluate_detection(text, shown, evaluation, {"text head", "text_head_", false});
    app::evaluate_detection(image, shown, evaluation, {"image head", "image_head_", false});
    app::evaluate_detection(near, shown, evaluation, {"near true boxes", "near_true_", false});
    app::evaluate_detection(anywhere, shown, evaluation, {"random boxes", "random_boxes_", false});
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
