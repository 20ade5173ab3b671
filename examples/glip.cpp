// SPDX-License-Identifier: MIT
//
// GLIP (Li et al. 2022, arXiv:2112.03857): finds the boxes of an image that the phrases of a prompt name; image and phrases
// see each other on the way.
//
//   glip --data scenes                                      phrases of two words, "red apple"
//   glip --data scenes --fusion none                        the control: image and words meet at the end alone
//   glip --data scenes --phrase-names numbers               the control: names that share nothing
//   glip --data scenes --negative-phrases 0                 the control: only what the image shows is asked for
//   glip --data coco --root COCO/ --image-size 224

#include "contrastive/methods/glip.hpp"

#include <algorithm>

#include "contrastive/text/bpe_tokenizer.hpp"
#include "support/grounding.hpp"
#include "support/run.hpp"
#include "support/sets.hpp"

namespace {

using namespace contrastive;

app::Settings recipe() {
  app::Settings recipe = app::scenes_recipe("glip");
  recipe.label = "phrase";
  recipe.batch = 16;
  recipe.epochs = 5;
  recipe.clip = 5;
  recipe.own = GlipConfig{};
  return recipe;
}

app::Settings without_files() {
  app::Settings settings = recipe();
  settings.data = "shape_scenes";
  return settings;
}

/// The name of each class: its words, or a number that says nothing of it.
std::vector<std::string> phrases_of(const std::vector<std::string>& words, const GlipConfig& config) {
  if (config.names == "words") return words;
  std::vector<std::string> numbers;
  for (std::size_t k = 0; k < words.size(); ++k) numbers.push_back(std::to_string(k));
  Stream(Rng(0) / "numbers of names").shuffle(numbers);  // else a colour would show in the first digit
  return numbers;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const auto& config = s.own.as<GlipConfig>();
  const int size = static_cast<int>(s.image_size);
  const AnyDataset train = app::open_sets(s, true).train;
  require(train.parts().contains(Part::image | Part::boxes), "[settings] ", s.data, " has ", to_string(train.parts()),
          ", and no boxes: --data scenes has");
  require(config.text_width % config.heads == 0 && config.width % config.heads == 0, "[settings] --fusion-heads ",
          config.heads, " must divide --text-width and --region-width");
  const std::vector<app::Shown> shown = app::shown_classes(s, train);
  const BpeTokenizer tokenizer;
  const std::vector<std::string> names = phrases_of(train.class_names(), config);
  const Tensor tokens = phrase_tokens(tokenizer, names, config.context_length);

  std::vector<std::string> trained;
  LabelNumbers numbers;
  for (std::size_t c = 0; c < names.size(); ++c) {
    const bool seen = shown[c] == app::Shown::all;
    numbers.of_class.push_back(seen ? std::ssize(trained) : -1);
    if (seen) trained.push_back(names[c]);
  }
  auto method =
      glip(make_encoder(s.encoder, app::encoder_options(s, 3), rng / "encoder"), tokenizer.size(),
           PhraseView(BoxView(glip_train(size), numbers), phrase_tokens(tokenizer, trained, config.context_length),
                      {config.phrases, config.negatives, config.near}),
           config, rng);
  const auto shared = std::make_shared<decltype(method)>(std::move(method));

  const app::WholeView view(Squash{size}, Normalize{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}});
  const auto ground = [shared](const Tensor& images, const Tensor& prompts) {
    const Device device = shared->online.projector.head.words.bias0.device();
    return grounded(*shared, images.to(device), prompts, {.least = 0});
  };
  const app::Grounder grounder{view, train.class_names(), tokens, ground};

  app::Composition composition(shared, OneView(view));
  composition.held_out = {"grounding", [grounder](const AnyDataset& test, const auto& alive) {
                            return app::grounding_accuracy(grounder, test, alive);
                          }};
  // All names of the set in one prompt, as COCO's rules have it.
  const auto detect = [ground, tokens, words = train.class_names()](const Tensor& images,
                                                                    const std::vector<std::string>& list, const auto&) {
    std::vector<Tensor> rows;
    for (const std::string& word : list) {
      const auto k = std::ranges::find(words, word) - words.begin();
      rows.push_back(tokens.slice(k, k + 1));
    }
    const Tensor prompt = concat(rows).reshape({1, std::ssize(rows), tokens.size(1)});
    app::BoxesOfImages all;
    for (std::int64_t n = 0; n < images.size(0); ++n) {
      app::BoxesOfImages found = ground(images.slice(n, n + 1), prompt);
      all.push_back(std::move(found[0]));
    }
    return std::vector<app::BoxesOfImages>{std::move(all)};
  };
  const app::Detector detector{view, train.class_names(), detect, {{"all names asked", "all_names_", false}}};
  composition.boxes = {OneView(view), [ground, tokenizer, L = config.context_length](
                                          const Tensor& images, const std::vector<std::string>& phrases) {
                         return ground(images, phrase_tokens(tokenizer, phrases, L));
                       }};
  composition.evaluate_own = [grounder, detector, shown](const app::OwnEvaluation& own) {
    app::evaluate_grounding(grounder, own);
    if (!contrastive::detail::is_scenes(own.settings.data)) app::evaluate_detection(detector, shown, own);
  };
  return composition;
}

}  // namespace

namespace app::methods {

extern const Program glip{
    .title = "GLIP",
    .paper = "Li et al. 2022",
    .arxiv = "2112.03857",
    .compares = "places of an image with the tokens of a prompt",
    .against_collapse = "true boxes, and phrases that the image does not show",
    .recipe = recipe(),
    .compose = compose,
    .without_files = without_files(),
};

}  // namespace app::methods
