// SPDX-License-Identifier: MIT
//
// GLIP (Li et al. 2022, arXiv:2112.03857): finds the boxes of an image that the phrases of a prompt name; image and phrases
// see each other on the way.
//
//   glip --data scenes                                      phrases of two words, "red apple"
//   glip --data scenes --fusion none                        the control: image and words meet at the end alone
//   glip --data phrases --root DIR --captions FILE         captions whose phrases have boxes (Flickr30k Entities)
//   glip --data scenes --phrase-names numbers               the control: names that share nothing
//   glip --data scenes --negative-phrases 0                 the control: only what the image shows is asked for
//   glip --data coco --root COCO/ --image-size 224

#include "contrastive/methods/glip.hpp"

#include <algorithm>
#include <cstdio>
#include <set>

#include "contrastive/augment/own_phrases.hpp"
#include "contrastive/data/batch.hpp"
#include "contrastive/eval/grounding.hpp"
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

/// Each of some images asked for its own phrases, which are known by their places.
GroundingScores own_grounding(const AnyAugment& views, const app::Grounder& grounder, const AnyDataset& set,
                              const std::function<void()>& alive, std::size_t most) {
  GroundingScores scores;
  for (std::size_t i = 0; i < std::min(most, set.size()); ++i) {
    if (alive) alive();
    Views read = contrastive::detail::room_for(views, 1);
    if (!contrastive::detail::read_views(views, Rng(0) / "ground" / i, read, 0, [&](const CropPlan& plan) {
          return set.sample_or_report(i, views.parts(), plan);
        }))
      continue;
    std::vector<TrueBox> truth;
    for (std::int64_t b = 0; b < read.view[2].size(1); ++b) {
      const float* const at = read.view[1].data<float>() + b * 4;
      const auto place = static_cast<int>(read.view[2].data<std::int64_t>()[b]);
      if (place >= 0) truth.push_back({{at[0], at[1], at[2], at[3], place}});
    }
    add_grounding(scores, grounder.ground(read.view[0], read.view[3]).at(0), truth, [](int) { return true; });
  }
  return scores;
}

app::Composition compose(const app::Settings& s, std::int64_t, Rng rng) {
  const auto& config = s.own.as<GlipConfig>();
  const int size = static_cast<int>(s.image_size);
  const AnyDataset train = app::open_sets(s, true).train;
  const bool own_phrases = s.data == "phrases";
  require(train.parts().contains(Part::image | Part::boxes), "[settings] ", s.data, " has ", to_string(train.parts()),
          ", and no boxes: --data scenes has");
  require(config.text_width % config.heads == 0 && config.width % config.heads == 0, "[settings] --fusion-heads ",
          config.heads, " must divide --text-width and --region-width");
  const std::vector<app::Shown> shown = app::shown_classes(s, train);
  const BpeTokenizer tokenizer;
  const TokensOfPhrases tokens_of = [tokenizer, L = config.context_length](const std::vector<std::string>& list) {
    return phrase_tokens(tokenizer, list, L);
  };
  std::vector<std::string> names = phrases_of(train.class_names(), config);
  if (own_phrases) {
    require(config.names == "words", "[settings] --phrase-names numbers is for sets with classes, not for ", s.data);
    std::set<std::string> all;
    for (std::size_t i = 0; i < train.size(); ++i)
      for (const std::string& phrase : train.sample(i, Part::texts).texts) all.insert(phrase);
    names.assign(all.begin(), all.end());
  }
  const Tensor tokens = tokens_of(names);

  std::vector<std::string> trained;
  LabelNumbers numbers;
  for (std::size_t c = 0; c < shown.size(); ++c) {
    const bool seen = shown[c] == app::Shown::all;
    numbers.of_class.push_back(seen ? std::ssize(trained) : -1);
    if (seen) trained.push_back(names[c]);
  }
  const PhraseOptions prompts{config.phrases, config.negatives, config.near};
  const AnyAugment views =
      own_phrases ? AnyAugment(OwnPhrases(glip_train(size), {}, tokens_of, config.context_length, tokens, prompts))
                  : AnyAugment(PhraseView(BoxView(glip_train(size), numbers), tokens_of(trained), prompts));
  auto method =
      glip(make_encoder(s.encoder, app::encoder_options(s, 3), rng / "encoder"), tokenizer.size(), views, config, rng);
  const auto shared = std::make_shared<decltype(method)>(std::move(method));

  const app::WholeView view(Squash{size}, Normalize{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}});
  const auto ground = [shared](const Tensor& images, const Tensor& prompts) {
    const Device device = shared->online.projector.head.words.bias0.device();
    return grounded(*shared, images.to(device), prompts, {.least = 0});
  };
  const app::Grounder grounder{view, train.class_names(), tokens, ground};

  app::Composition composition(shared, OneView(view));
  composition.boxes = {OneView(view),
                       [ground, tokens_of](const Tensor& images, const std::vector<std::string>& phrases) {
                         return ground(images, tokens_of(phrases));
                       }};
  if (own_phrases) {
    const AnyAugment asked =
        OwnPhrases(view, {}, tokens_of, config.context_length, Tensor(), {.phrases = config.phrases});
    composition.held_out = {"grounding", [asked, grounder](const AnyDataset& test, const auto& alive) {
                              return own_grounding(asked, grounder, test, alive, 200).accuracy();
                            }};
    composition.evaluate_own = [asked, grounder](const app::OwnEvaluation& own) {
      if (!own.sets.test.defined()) return;
      const GroundingScores scores = own_grounding(asked, grounder, own.sets.test, own.alive, 1000);
      own.summary["grounding_test"] = scores.accuracy(), own.summary["pointing_test"] = scores.pointing();
      own.summary["phrases_test"] = scores.phrases;
      std::printf("\n  %-32s %10s %10s %8s\n  %-32s %8.1f %% %8.1f %% %8lld\n", "phrases of", "grounding", "pointing",
                  "phrases", "the test part", 100 * scores.accuracy(), 100 * scores.pointing(),
                  static_cast<long long>(scores.phrases));
    };
    return composition;
  }
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
