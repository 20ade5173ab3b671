// SPDX-License-Identifier: MIT
//
// LSeg (Li et al. 2022, arXiv:2201.03546): each pixel is compared with words, whose rows a text tower has made that stands
// still; after training the words may be others.
//
//   lseg --data scenes --text runs/clip
//   lseg --data scenes --text minilm/                       a sentence model as the text tower
//   lseg --data scenes --label phrase --text minilm/        labels of two words, "red apple"
//   lseg --data scenes --encoder vit_micro --patch 8 --blocks bottleneck --text minilm/
//   lseg --data scenes --label-rows random                  the control: rows that say nothing
//   lseg --data scenes_whole --label-rows head              the ceiling: every name is seen, the head is trained

#include "contrastive/methods/lseg.hpp"

#include <algorithm>

#include "contrastive/text/templates.hpp"
#include "support/run.hpp"
#include "support/segmentation.hpp"
#include "support/sets.hpp"
#include "support/sides.hpp"
#include "support/word_rows.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe = app::scenes_recipe("lseg");
  recipe.batch = 32;
  recipe.epochs = 5;
  recipe.lr = 2e-3;
  recipe.own = LsegConfig{};
  return recipe;
}

app::Settings without_files() {
  app::Settings settings = recipe();
  settings.data = "shape_scenes";
  LsegConfig config;
  config.rows = "random";
  settings.own = config;
  return settings;
}

/// Makes the rows of words. Rows that are random or trained are as wide as those of the words would be.
app::RowsOf rows_of(const LsegConfig& config, Rng rng) {
  require(config.rows != "words" || !config.text.empty(),
          "[settings] --text names what makes the rows of labels: a run of images and texts (clip), or weights of a "
          "text tower; --label-rows random needs none");
  app::RowsOf words;
  if (!config.text.empty())
    words = [read = app::load_text_rows(config.text), form = config.template_text](const auto& list) {
      std::vector<std::string> texts;
      for (const std::string& word : list) texts.push_back(fill_template(form, word));
      return read(texts);
    };
  if (config.rows == "words") return words;
  return app::random_rows(words ? words({"word"}).size(1) : 256, rng / "random label");
}

/// The words of a set, and which of them training shows.
struct LabelWords {
  std::vector<std::string> all;  // the classes, then the ground's
  std::vector<app::Shown> shown;
  std::vector<std::string> trained;
  std::vector<std::int64_t> place_of_trained;  // in `all`
  LabelNumbers numbers;                        // of classes in `trained`
};

LabelWords label_words(const app::Settings& s, const std::string& ground) {
  const AnyDataset train = app::open_sets(s, true).train;
  require(train.parts().contains(Part::image | Part::mask), "[settings] ", s.data, " has ", to_string(train.parts()),
          ", and no mask: --data scenes has");
  LabelWords words;
  words.all = train.class_names();
  words.shown = app::shown_classes(s, train);
  for (std::size_t c = 0; c < words.all.size(); ++c) {
    const bool seen = words.shown[c] == app::Shown::all;
    words.numbers.of_class.push_back(seen ? static_cast<std::int64_t>(words.trained.size()) : -1);
    if (!seen) continue;
    words.trained.push_back(words.all[c]);
    words.place_of_trained.push_back(static_cast<std::int64_t>(c));
  }
  if (ground.empty()) return words;
  require(std::ranges::find(words.all, ground) == words.all.end(), "[settings] --ground ", ground,
          " is a class of the set too");
  words.numbers.of_nothing = static_cast<std::int64_t>(words.trained.size());
  words.place_of_trained.push_back(static_cast<std::int64_t>(words.all.size()));
  words.trained.push_back(ground);
  words.all.push_back(ground);
  return words;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const auto& config = s.own.as<LsegConfig>();
  const int size = static_cast<int>(s.image_size);
  require(size % 2 == 0, "[settings] --image-size must be even, got ", size);
  const LabelWords words = label_words(s, config.ground);
  const app::RowsOf rows = rows_of(config, rng);
  auto method = lseg(make_encoder(s.encoder, app::encoder_options(s, 3), rng / "encoder"), rows(words.trained),
                     lseg_train(size, words.numbers), config, rng);
  const auto shared = std::make_shared<decltype(method)>(std::move(method));

  const auto segment = [shared, rows = app::remembered(rows), head = config.rows == "head", trained = words.trained](
                           const Tensor& images, const std::vector<std::string>& list) {
    const NoGrad no_grad;
    const LabelledPixels& objective = shared->objective;
    const Device device = objective.rows().device();
    Tensor found({images.size(0), images.size(1), images.size(2)}, DType::i64);
    std::vector<std::int64_t> known, row;  // a head that was trained has a row for its own words alone
    for (std::size_t k = 0; k < list.size(); ++k) {
      const auto at = std::ranges::find(trained, list[k]) - trained.begin();
      if (head && at == std::ssize(trained)) continue;
      known.push_back(static_cast<std::int64_t>(k)), row.push_back(at);
    }
    if (known.empty()) {
      found.kernels().fill(found.view(), -1);
      return found;
    }
    const Tensor some =
        head ? gather(objective.rows().detach(), Tensor::from<std::int64_t>(row, {std::ssize(row)}).to(device))
             : rows(list).to(device);
    found = label_pixels(pixel_features(shared->online, images.to(device)), some, objective.blocks, images.size(1),
                         images.size(2))
                .to(Device::cpu);
    for (std::int64_t& one : found.span<std::int64_t>()) one = known[static_cast<std::size_t>(one)];
    return found;
  };
  const app::Segmenter segmenter{lseg_center(size), words.all, config.ground.empty() ? -1 : std::ssize(words.all) - 1,
                                 segment};

  app::Composition composition(shared, OneView(lseg_center(size)));
  composition.held_out = {"mIoU",
                          [segmenter, among = words.place_of_trained](const AnyDataset& test, const auto& alive) {
                            return app::mean_iou_of_set(segmenter, test, among, alive);
                          }};
  composition.segment = segment;
  composition.evaluate_own = [segmenter, shown = words.shown](const app::OwnEvaluation& own) {
    app::evaluate_segmentation(segmenter, shown, own);
  };
  return composition;
}

}  // namespace

namespace app::methods {

extern const Program lseg{
    .title = "LSeg",
    .paper = "Li et al. 2022",
    .arxiv = "2201.03546",
    .compares = "each pixel with the words of a list",
    .against_collapse = "true labels, and rows of words that stand still",
    .recipe = recipe(),
    .compose = compose,
    .without_files = without_files(),
};

}  // namespace app::methods
