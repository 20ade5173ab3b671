// SPDX-License-Identifier: MIT

// LSeg: what is trained and what stands still, labels that training never showed, and the control that must fail.

#include "contrastive/methods/lseg.hpp"

#include <cmath>

#include "contrastive/data/loader.hpp"
#include "contrastive/data/scene_phrases.hpp"
#include "contrastive/encoders/image_encoder.hpp"
#include "contrastive/eval/segmentation.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "methods/train_on.hpp"
#include "support/differences.hpp"
#include "support/learning.hpp"

using namespace contrastive;

namespace {

ScenePhrases phrases(const std::string& split, std::size_t count) {
  return ScenePhrases(Scenes({.count = count, .image_size = 32, .split = split, .sprites = "shapes", .most = 3}));
}

/// A bag of words: colour and noun of a phrase, each a coordinate of its own.
Tensor bag_of_words(const ScenePhrases& set, const std::vector<int>& list) {
  const std::int64_t nouns = static_cast<std::int64_t>(set.scenes().class_names().size());
  const Tensor rows = Tensor::zeros({static_cast<std::int64_t>(list.size()), nouns + 9});
  for (std::size_t k = 0; k < list.size(); ++k) {
    float* const row = rows.data<float>() + static_cast<std::int64_t>(k) * (nouns + 9);
    row[set.noun_of(list[k])] = 1;
    row[nouns + 1 + set.colour_of(list[k])] = 1;
  }
  return normalize(rows);
}
Tensor random_rows(const std::vector<int>& list, std::int64_t D, std::uint64_t seed) {
  std::vector<Tensor> rows;
  for (const int phrase : list)
    rows.push_back(init::normal({1, D}, 1, Rng(seed) / "row" / static_cast<std::uint64_t>(phrase)));
  return normalize(concat(rows));
}

LsegConfig tiny() {
  LsegConfig config;
  config.decoder_width = 16;
  return config;
}
ConvNet tiny_net(std::uint64_t seed) { return ConvNet(3, {16, 32, 64}, Rng(seed)); }

/// Share of the pixels of held-out phrases that are found among these phrases.
template <class RowsOf>
double trained_on_phrases(RowsOf&& rows_of, std::uint64_t seed, std::int64_t steps) {
  const ScenePhrases train = phrases("train", 800), test = phrases("combinations", 60);
  std::vector<int> seen, held;
  LabelNumbers numbers;
  for (int p = 0; p < static_cast<int>(train.class_names().size()); ++p) {
    const bool shown = train.seen(p);
    numbers.of_class.push_back(shown ? static_cast<std::int64_t>(seen.size()) : -1);
    if (shown)
      seen.push_back(p);
    else if (train.scenes().seen(train.noun_of(p)))
      held.push_back(p);
  }
  REQUIRE(held.size() >= 4);
  auto method = lseg(tiny_net(seed), rows_of(train, seen), lseg_train(32, numbers), tiny(), Rng(seed));
  train_on(method, train, 16, seed, steps, [](std::int64_t) { return 3e-3; });

  const Tensor held_rows = rows_of(train, held);
  LabelNumbers held_numbers;
  held_numbers.of_class.assign(train.class_names().size(), -1);
  for (std::size_t k = 0; k < held.size(); ++k)
    held_numbers.of_class[static_cast<std::size_t>(held[k])] = static_cast<std::int64_t>(k);
  const MaskView<CenterView> view(lseg_center(32), held_numbers);
  SegmentationCounts counts(static_cast<std::int64_t>(held.size()));
  const AnyDataset set = test;
  for (std::size_t i = 0; i < set.size(); ++i) {
    const Tensor image({1, 32, 32, 3}), truth({1, 32, 32}, DType::i64);
    void* const out[] = {image.view().data, truth.view().data};
    view(set.sample(i, view.parts()), Rng(0), out, {});
    counts.add(label_pixels(pixel_features(method.online, image), held_rows, method.objective.blocks, 32, 32), truth);
  }
  CHECK(counts.labelled() > 1000);
  return counts.pixel_accuracy();
}

}  // namespace

TEST_CASE("LSeg names what it never saw by the words it is made of; with random rows it guesses", "[learns]") {
  const auto words = [](const ScenePhrases& set, const std::vector<int>& list) { return bag_of_words(set, list); };
  const auto random = [](const ScenePhrases&, const std::vector<int>& list) {
    return random_rows(list, 21, seeded(5));
  };
  const double composed = trained_on_phrases(words, seeded(1), 200),
               guessed = trained_on_phrases(random, seeded(1), 200);
  std::printf("LSeg, pixels of held-out phrases: %.3f by words, %.3f by random rows\n", composed, guessed);
  CHECK(composed > 0.4);
  CHECK(composed > 1.5 * guessed);
}

TEST_CASE("LSeg trains its image side alone; with a head the rows too") {
  const ScenePhrases set = phrases("train", 16);
  std::vector<int> list;
  for (int p = 0; p < static_cast<int>(set.class_names().size()); ++p) list.push_back(p);
  for (const bool head : {false, true}) {
    INFO(head);
    LsegConfig config = tiny();
    config.rows = head ? "head" : "words";
    config.blocks = "bottleneck";
    auto method =
        lseg(tiny_net(1), bag_of_words(set, list), lseg_train(32, LabelNumbers::same(list.size())), config, Rng(2));
    Loader loader(set, method.augment, {.batch = 8, .threads = 0});
    const Tensor loss = method.loss(loader.next()->views);
    CHECK(std::isfinite(loss.item()));
    loss.backward();
    std::size_t trained = 0;
    each_parameter(method, [&](const std::string& name, Parameter& p) {
      INFO(name);
      CHECK(p.grad().defined());
      trained += name.starts_with("objective.");
    });
    CHECK(trained == (head ? 3 : 2));
    std::vector<std::string> buffers;
    each_buffer(method.objective, [&](const std::string& name, Buffer&) { buffers.push_back(name); });
    CHECK(buffers == (head ? std::vector<std::string>{} : std::vector<std::string>{"words"}));
    CHECK(method.embed(loader.next()->views).online[0].shape() == Shape{8, 16, 16, 21});
  }
}

TEST_CASE("every encoder with stages gives features of half the image's size, and others say that they have none") {
  const Tensor rows = random_rows({1, 2, 3}, 12, 1);
  const Tensor images = init::normal({2, 32, 32, 3}, 1, Rng(1));
  for (const char* name : {"small", "resnet20", "resnet18", "vit_micro", "clip_vit_micro"})
    for (const int patch : {4, 8}) {
      const bool vit = std::string(name).find("vit") != std::string::npos;
      if (!vit && patch == 8) continue;
      INFO(name << " " << patch);
      EncoderOptions options{.image_size = 32};
      if (vit) options.vit.patch = patch;
      auto method =
          lseg(make_encoder(name, options, Rng(2)), rows, lseg_train(32, LabelNumbers::same(3)), tiny(), Rng(3));
      CHECK(pixel_features(method.online, images).shape() == Shape{2, 16, 16, 12});
      Views views;
      views.view = {images, Tensor::zeros({2, 32, 32}, DType::i64)};
      method.loss(views).backward();
      std::size_t without = 0;
      each_parameter(method.online.projector,
                     [&](const std::string&, Parameter& p) { without += !p.grad().defined(); });
      CHECK(without == 0);
    }
  CHECK_THROWS_WITH(lseg(make_encoder("siglip_micro", {.image_size = 32}, Rng(2)), rows,
                         lseg_train(32, LabelNumbers::same(3)), tiny(), Rng(3)),
                    Contains("[encoder] this encoder has no stages for a dense decoder"));
}

TEST_CASE("the dense decoder's gradients are those of differences") {
  const Tensor a = init::normal({2, 4, 4, 3}, 1, Rng(1)).to(DType::f64),
               b = init::normal({2, 2, 2, 5}, 1, Rng(2)).to(DType::f64),
               rows = init::normal({2, 5, 6}, 1, Rng(3)).to(DType::f64);
  DenseDecoder maps({{3, 2}, {5, 4}}, 4, 3, Rng(4)), tokens({{6, 2, true, 4}, {6, 8, true, 4}}, 4, 3, Rng(5));
  move_to(maps, Device::cpu, DType::f64), move_to(tokens, Device::cpu, DType::f64);
  const KeepStatistics keep;
  const GradcheckResult one = gradcheck(
      [&](const std::vector<Tensor>& in) {
        return maps({in[0], in[1]}, 8, 8);
      },
      {a, b}, {.tolerance = 1e-5});
  INFO(one.message);
  CHECK(one.ok);
  const GradcheckResult two = gradcheck(
      [&](const std::vector<Tensor>& in) {
        return tokens({in[0], in[1]}, 8, 8);
      },
      {rows, rows * 0.5}, {.tolerance = 1e-5});
  INFO(two.message);
  CHECK(two.ok);
}
