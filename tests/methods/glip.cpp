// SPDX-License-Identifier: MIT

// GLIP: names made of seen words, the controls that must fail, prompts whose phrases neither merge nor lose pieces, and what
// order and company of phrases may change.

#include "contrastive/methods/glip.hpp"

#include <cmath>
#include <map>

#include "contrastive/data/batch.hpp"
#include "contrastive/data/loader.hpp"
#include "contrastive/data/scene_phrases.hpp"
#include "contrastive/encoders/image_encoder.hpp"
#include "contrastive/eval/grounding.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "methods/train_on.hpp"
#include "support/differences.hpp"
#include "support/far_device.hpp"
#include "support/learning.hpp"

using namespace contrastive;

namespace {

constexpr std::int64_t context = 3;

/// Each word a token, by its place in a list that grows.
struct WordTokens {
  std::vector<std::int32_t> encode(const std::string& text) const {
    std::vector<std::int32_t> ids;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find(' ', at), text.size());
      if (end > at)
        ids.push_back(
            known->emplace(text.substr(at, end - at), static_cast<std::int32_t>(known->size())).first->second);
      at = end + 1;
    }
    return ids;
  }
  std::shared_ptr<std::map<std::string, std::int32_t>> known = std::make_shared<std::map<std::string, std::int32_t>>();
};
constexpr std::int64_t vocabulary = 512;

ScenePhrases phrase_scenes(const std::string& split, std::size_t count) {
  return ScenePhrases(Scenes({.count = count, .image_size = 32, .split = split, .sprites = "shapes", .most = 3}));
}

GlipConfig tiny_glip() {
  GlipConfig config;
  config.depth = 2, config.width = 32, config.text_width = 32, config.heads = 2, config.text_layers = 1;
  config.context_length = context;
  return config;
}
ConvNet grounding_net(std::uint64_t seed) { return ConvNet(3, {16, 32, 64}, Rng(seed)); }

struct Scores {
  double held_out = 0;  // grounding accuracy on phrases that training never showed
  double seen = 0;
  double ap50 = 0;       // of seen phrases, among those that the image does not show
  double held_ap50 = 0;  // of held-out ones, among these alone
};

/// `numbers`: names without words that they share.
Scores grounding_of(const GlipConfig& config, bool numbers, std::uint64_t seed, std::int64_t steps) {
  const ScenePhrases train = phrase_scenes("train", 1200);
  const WordTokens tokenizer;
  std::vector<std::string> names = train.class_names(), shown;
  if (numbers)
    for (std::size_t k = 0; k < names.size(); ++k) names[k] = "n" + std::to_string(k);
  LabelNumbers of_seen;
  for (int p = 0; p < static_cast<int>(names.size()); ++p) {
    of_seen.of_class.push_back(train.seen(p) ? std::ssize(shown) : -1);
    if (train.seen(p)) shown.push_back(names[static_cast<std::size_t>(p)]);
  }
  auto method = glip(grounding_net(seed), vocabulary,
                     PhraseView(BoxView(glip_train(32), of_seen, {.most = 4}), phrase_tokens(tokenizer, shown, context),
                                {config.phrases, config.negatives, config.near}),
                     config, Rng(seed));
  train_on(method, train, 16, seed, steps,
           [](std::int64_t step) { return 2e-3 * std::min(1.0, static_cast<double>(step + 1) / 20); });

  const Tensor tokens = phrase_tokens(tokenizer, names, context);
  const PhraseView views(BoxView(Compose(Squash{32}, Normalize{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}}),
                                 LabelNumbers::same(names.size()), {.most = 4}),
                         tokens, {});
  std::vector<std::int64_t> held;
  for (int p = 0; p < static_cast<int>(names.size()); ++p)
    if (!train.seen(p) && train.scenes().seen(train.noun_of(p))) held.push_back(p);
  REQUIRE(held.size() >= 4);
  std::vector<std::string> held_names;
  for (const std::int64_t p : held) held_names.push_back(names[static_cast<std::size_t>(p)]);
  const Tensor among_held = phrase_tokens(tokenizer, held_names, context);
  const auto scores_on = [&](const std::string& split, bool seen, double& accuracy, double& ap50) {
    const ScenePhrases set = phrase_scenes(split, 80);
    const AnyDataset any = set;
    const auto counts = [&](int label) { return seen ? train.seen(label) : std::ranges::count(held, label) > 0; };
    GroundingScores scores;
    std::vector<std::vector<Detection>> all_found;
    std::vector<std::vector<TrueBox>> all_truth;
    for (std::size_t i = 0; i < any.size(); ++i) {
      const Views read = allocate_views(views, 1);
      void* const out[] = {read.view[0].view().data, read.view[1].view().data, read.view[2].view().data,
                           read.view[3].view().data};
      const Sample sample = any.sample(i, views.parts());
      views(sample, Rng(7) / i, out, {});
      const std::int32_t* const prompt = read.view[3].data<std::int32_t>();
      const auto class_of = [&](int place) {
        std::int64_t k = 0;
        while (!std::equal(prompt + place * context, prompt + (place + 1) * context,
                           tokens.data<std::int32_t>() + k * context))
          ++k;
        return static_cast<int>(k);
      };
      std::vector<Detection> found = grounded(method, read.view[0], read.view[3], {.least = 0})[0];
      std::vector<TrueBox> truth;
      for (Detection& one : found) one.box.label = class_of(one.box.label);
      for (const Box& box : sample.boxes) truth.push_back({box});
      add_grounding(scores, found, truth, counts);
      if (!seen) {  // all held-out phrases are asked for together: none is found because the others are known
        found = grounded(method, read.view[0], among_held, {.least = 0})[0];
        for (Detection& one : found) one.box.label = static_cast<int>(held[static_cast<std::size_t>(one.box.label)]);
      }
      std::erase_if(found, [&](const Detection& one) { return !counts(one.box.label); });
      std::erase_if(truth, [&](const TrueBox& one) { return !counts(one.box.label); });
      all_found.push_back(std::move(found)), all_truth.push_back(std::move(truth));
    }
    CHECK(scores.phrases >= 80);
    accuracy = scores.accuracy();
    ap50 = coco_average_precision(all_found, all_truth, static_cast<int>(names.size())).ap50;
  };
  Scores all;
  scores_on("combinations", false, all.held_out, all.held_ap50);
  scores_on("test", true, all.seen, all.ap50);
  return all;
}

}  // namespace

TEST_CASE("GLIP finds what it never saw by the words it is made of, and its controls do not", "[learns]") {
  const auto measure = [](const char* what, const GlipConfig& config, bool numbers) {
    const Scores scores = grounding_of(config, numbers, seeded(1), 160);
    std::printf("GLIP, %s: grounding of held-out phrases %.3f, AP50 %.3f; of seen ones %.3f, %.3f\n", what,
                scores.held_out, scores.held_ap50, scores.seen, scores.ap50);
    return scores;
  };
  GlipConfig affirmed = tiny_glip();
  affirmed.negatives = 0;
  const Scores words = measure("words", tiny_glip(), false), numbers = measure("numbers", tiny_glip(), true),
               unopposed = measure("no negatives", affirmed, false);
  CHECK(words.held_out > 0.7);
  CHECK(words.held_ap50 > 1.5 * numbers.held_ap50);  // a number that was never seen says nothing
  CHECK(words.ap50 > 1.1 * unopposed.ap50);          // what is never refused is found everywhere
}

TEST_CASE("with fusion off, neither order nor company of phrases changes a score; with it, order does not") {
  const WordTokens tokenizer;
  const std::vector<std::string> list{"red star", "blue ring", "cross", "green half moon", "red ring"};
  const std::vector<std::string> turned{"red ring", "cross", "red star", "green half moon", "blue ring"};
  const std::vector<std::string> some{"cross", "red star"};
  const Tensor images = init::normal({3, 32, 32, 3}, 1, Rng(2));
  for (const char* fusion : {"none", "both"}) {
    INFO(fusion);
    GlipConfig config = tiny_glip();
    config.fusion = fusion;
    const Tensor all = phrase_tokens(tokenizer, list, context);
    auto method = glip(grounding_net(1), vocabulary,
                       PhraseView(BoxView(glip_train(32), LabelNumbers::same(5)), all, {}), config, Rng(3));
    const auto scores = [&](const std::vector<std::string>& words) {
      const NoGrad no_grad;
      const Eval eval;
      const Tensor prompt = phrase_tokens(tokenizer, words, context);
      std::vector<Tensor> prompts(3, prompt.reshape({1, prompt.size(0), context}));
      const GroundingOutput out =
          grounding_output(method.online.projector.head.of_images(method.online.encoder, images, concat(prompts)));
      const std::int64_t A = out.tokens.size(1);
      return phrase_scores(out.tokens.reshape({3 * A, out.tokens.size(2)}), phrase_spans(prompt));
    };
    const Tensor first = scores(list);
    const auto off = [&](const std::vector<std::string>& words) {
      const Tensor other = scores(words);
      double most = 0;
      for (std::size_t p = 0; p < words.size(); ++p) {
        const auto q = std::ranges::find(list, words[p]) - list.begin();
        for (std::int64_t a = 0; a < first.size(0); ++a)
          most = larger(most, std::abs(other.data<double>()[a * std::ssize(words) + static_cast<std::int64_t>(p)] -
                                       first.data<double>()[a * 5 + q]));
      }
      return most;
    };
    if (std::string(fusion) == "none") {
      CHECK(off(turned) == 0);
      CHECK(off(some) == 0);
    } else {
      CHECK(off(turned) < 1e-6);
      CHECK(off(some) > 1e-6);  // the image has seen less
    }
  }
}

TEST_CASE("phrases neither merge nor lose pieces: each has its own place, whatever it shares") {
  const WordTokens tokenizer;
  const std::vector<std::string> list{"car", "taxi", "car taxi", "taxi car taxi", "car"};
  const Tensor prompt = phrase_tokens(tokenizer, list, 4);
  CHECK(prompt.shape() == Shape{5, 4});
  const std::vector<TokenSpan> spans = phrase_spans(prompt);
  const std::vector<std::pair<std::int64_t, std::int64_t>> want{{0, 1}, {4, 1}, {8, 2}, {12, 3}, {16, 1}};
  for (std::size_t p = 0; p < list.size(); ++p) CHECK(std::pair(spans[p].first, spans[p].count) == want[p]);
  const DistinctPhrases distinct =
      distinct_phrases(concat({prompt, Tensor::zeros({1, 4}, DType::i32)}).reshape({2, 3, 4}));
  CHECK(distinct.tokens.size(0) == 4);  // the second "car" is the first
  CHECK(distinct.row.data<std::int64_t>()[4] == distinct.row.data<std::int64_t>()[0]);
  CHECK(distinct.mask.shape() == Shape{2, 12});
  double tokens = 0;
  for (const float one : distinct.mask.span<float>()) tokens += static_cast<double>(one);
  CHECK(tokens == 8);

  CHECK_THROWS_WITH(phrase_tokens(tokenizer, {}, 4), "[glip] the prompt is empty: expected one phrase or more");
  CHECK_THROWS_WITH(phrase_tokens(tokenizer, {"car", " "}, 4), "[glip] phrase 1 of the prompt is empty: \" \"");
  CHECK_THROWS_WITH(phrase_tokens(tokenizer, {"a b c d e"}, 4),
                    "[glip] the phrase \"a b c d e\" has 5 tokens, expected at most 4 (--context-length)");
}

TEST_CASE("the index of a phrase comes back, and places without a phrase find nothing") {
  const WordTokens tokenizer;
  const Tensor two = phrase_tokens(tokenizer, {"car", "car taxi"}, context);
  auto method = glip(grounding_net(1), vocabulary, PhraseView(BoxView(glip_train(32), LabelNumbers::same(2)), two, {}),
                     tiny_glip(), Rng(3));
  const Tensor images = init::normal({2, 32, 32, 3}, 1, Rng(2)), none = Tensor::zeros({1, context}, DType::i32);
  const Tensor gap = concat({two.slice(0, 1), none, two.slice(1, 2)});
  const auto found = grounded(method, images, two, {.least = 0}),
             with_gap = grounded(method, images, gap, {.least = 0});
  REQUIRE(found.size() == 2);
  bool first = false, second = false;
  for (std::size_t n = 0; n < 2; ++n) {
    REQUIRE(found[n].size() == with_gap[n].size());
    for (std::size_t k = 0; k < found[n].size(); ++k) {
      const Detection& one = found[n][k];
      first = first || one.box.label == 0, second = second || one.box.label == 1;
      CHECK(with_gap[n][k].box.label == (one.box.label == 0 ? 0 : 2));
      CHECK(with_gap[n][k].score == Approx(one.score).epsilon(1e-5));
      CHECK((one.box.left >= 0 && one.box.top >= 0 && one.box.right <= 32 && one.box.bottom <= 32));
      if (k > 0) CHECK(one.score <= found[n][k - 1].score);
    }
  }
  CHECK((first && second));
  CHECK(grounded(method, images, none, {.least = 0})[0].empty());
}

TEST_CASE("all parts of GLIP are trained, with every encoder that has stages; without fusion there is none") {
  const ScenePhrases set = phrase_scenes("train", 8);
  const WordTokens tokenizer;
  const Tensor tokens = phrase_tokens(tokenizer, set.class_names(), context);
  const LabelNumbers numbers = LabelNumbers::same(set.class_names().size());
  for (const char* name : {"small", "resnet20", "vit_micro"})
    for (const char* fusion : {"both", "none"}) {
      INFO(name << " " << fusion);
      GlipConfig config = tiny_glip();
      config.fusion = fusion;
      auto method = glip(make_encoder(name, {.image_size = 32}, Rng(2)), vocabulary,
                         PhraseView(BoxView(glip_train(32), numbers), tokens, {}), config, Rng(3));
      Loader loader(set, method.augment, {.batch = 4, .threads = 0});
      const Tensor loss = method.loss(loader.next()->views);
      CHECK(std::isfinite(loss.item()));
      loss.backward();
      std::size_t fusions = 0;
      each_parameter(method.online.projector, [&](const std::string& parameter, Parameter& p) {
        INFO(parameter);
        CHECK(p.grad().defined());
        fusions += parameter.starts_with("fusions.");
      });
      CHECK(fusions == (std::string(fusion) == "both" ? 36 : 0));
    }
}

TEST_CASE("a step of GLIP on another device has the bits of one here", "[device]") {
  const ScenePhrases set = phrase_scenes("train", 4);
  const WordTokens tokenizer;
  const Tensor tokens = phrase_tokens(tokenizer, set.class_names(), context);
  const auto make = [&] {
    return glip(grounding_net(1), vocabulary,
                PhraseView(BoxView(glip_train(32), LabelNumbers::same(set.class_names().size())), tokens, {}),
                tiny_glip(), Rng(3));
  };
  auto here = make(), there = make();
  Loader loader(set, here.augment, {.batch = 4, .threads = 0});
  Views views = loader.next()->views;
  const Tensor loss = here.loss(views);
  loss.backward();
  const auto boxes = grounded(here, views.view[0], views.view[3]);
  const far_device::Installed installed;
  move_to(there, Device::cuda);
  for (Tensor& view : views.view) view = view.to(Device::cuda);
  const Tensor far = there.loss(views);
  CHECK(far.to(Device::cpu).item() == loss.item());
  far.backward();
  std::vector<Tensor> gradients;
  each_parameter(here, [&](const std::string&, Parameter& p) { gradients.push_back(p.grad()); });
  std::size_t next = 0;
  each_parameter(there, [&](const std::string& name, Parameter& p) {
    INFO(name);
    CHECK(largest_difference(p.grad().to(Device::cpu), gradients[next++]) == 0);
  });
  const auto same = grounded(there, views.view[0], views.view[3]);
  for (std::size_t n = 0; n < boxes.size(); ++n) {
    REQUIRE(same[n].size() == boxes[n].size());
    for (std::size_t k = 0; k < boxes[n].size(); ++k) CHECK(same[n][k].score == boxes[n][k].score);
  }
}

TEST_CASE("the head's gradients are those of differences") {
  GlipConfig config = tiny_glip();
  config.width = 8, config.text_width = 4, config.depth = 1;
  GroundingHead head({{3, 4}, {5, 8}}, config.head(20), Rng(1));
  move_to(head, Device::cpu, DType::f64);
  struct Maps {
    std::vector<Tensor> maps;
    std::vector<Tensor> stage_maps(const Tensor&) const { return maps; }
  };
  const Tensor prompts = Tensor::from<std::int32_t>({4, 7, 0, 9, 0, 0, 9, 0, 0, 0, 0, 0}, {2, 2, 3}),
               images = Tensor::zeros({2, 16, 16, 3}, DType::f64);
  const auto normal = [](Shape shape, std::uint64_t seed) { return init::normal(shape, 1, Rng(seed)).to(DType::f64); };
  const GradcheckResult checked = gradcheck(
      [&](const std::vector<Tensor>& in) {
        GroundingHead own = head;
        static_cast<Tensor&>(own.text.word_embeddings.weight) = in[2];
        return own.of_images(Maps{{in[0], in[1]}}, images, prompts);
      },
      {normal({2, 4, 4, 3}, 1), normal({2, 2, 2, 5}, 2), normal({21, 4}, 3)}, {.tolerance = 1e-4});
  INFO(checked.message);
  CHECK(checked.ok);
}
