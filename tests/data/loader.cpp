// SPDX-License-Identifier: MIT
#include "contrastive/data/loader.hpp"

#include <atomic>
#include <stdexcept>

#include "contrastive/augment/any_augment.hpp"
#include "contrastive/augment/recipes.hpp"
#include "contrastive/augment/wave_window.hpp"
#include "contrastive/data/batches.hpp"
#include "contrastive/data/image_folder.hpp"
#include "contrastive/data/open.hpp"
#include "contrastive/data/subset.hpp"
#include "data/support.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

/// Picture i is one pixel of value i; the pictures of `bad` cannot be read.
struct Numbers {
  std::size_t count = 100;
  std::vector<std::size_t> bad = {};

  std::size_t size() const { return count; }
  Image image(std::size_t i) const {
    if (std::find(bad.begin(), bad.end(), i) != bad.end()) fail("[decode] number-", i, ".png: the file is truncated");
    Image image(1, 1, 3);
    image.pixels.assign(3, static_cast<std::uint8_t>(i));
    return image;
  }
  int label(std::size_t i) const { return static_cast<int>(i % 10); }
  std::vector<std::string> class_names() const { return std::vector<std::string>(10, "x"); }
  std::string name() const { return "numbers"; }
};

struct Record {
  std::int64_t epoch, step;
  std::vector<std::int64_t> samples, labels;
  std::vector<float> values;
  friend bool operator==(const Record&, const Record&) = default;
};

Record record(const Batch& batch) {
  Record r{batch.epoch, batch.step, batch.views.sample, batch.views.label, {}};
  for (const Tensor& view : batch.views.view) {
    const auto values = view.span<float>();
    r.values.insert(r.values.end(), values.begin(), values.end());
  }
  return r;
}

template <class L>
std::vector<Record> run(L& loader, std::int64_t first_epoch, std::int64_t epochs, std::int64_t step = 0) {
  std::vector<Record> records;
  for (std::int64_t epoch = first_epoch; epoch < epochs; ++epoch, step = 0) {
    loader.start(epoch, step);
    while (auto batch = loader.next()) records.push_back(record(*batch));
  }
  return records;
}

}  // namespace

TEST_CASE("batches do not depend on the number of threads", "[loader]") {
  LoaderOptions options{.batch = 16, .seed = 5, .threads = 0};
  Loader alone(AnyDataset(Numbers{}), Probe{}, options);
  const auto expected = run(alone, 0, 3);
  REQUIRE(expected.size() == 18);
  for (int threads : {1, 2, 3}) {
    options.threads = threads;
    options.prefetch = static_cast<std::size_t>(threads);
    Loader loader(AnyDataset(Numbers{}), Probe{}, options);
    CHECK(run(loader, 0, 3) == expected);
  }
}

TEST_CASE("an epoch is a permutation, another one each time", "[loader]") {
  Loader loader(AnyDataset(Numbers{}), Probe{}, {.batch = 20, .seed = 1, .threads = 2});
  const auto records = run(loader, 0, 2);
  REQUIRE(records.size() == 10);
  std::vector<std::vector<std::int64_t>> epochs(2);
  for (const Record& r : records) {
    auto& epoch = epochs[static_cast<std::size_t>(r.epoch)];
    epoch.insert(epoch.end(), r.samples.begin(), r.samples.end());
    for (std::size_t k = 0; k < r.samples.size(); ++k) {
      CHECK(r.labels[k] == r.samples[k] % 10);
      CHECK(static_cast<std::int64_t>(r.values[12 * k]) == r.samples[k]);  // the picture of that index
    }
  }
  CHECK(epochs[0] != epochs[1]);
  for (auto& epoch : epochs) {
    std::sort(epoch.begin(), epoch.end());
    for (std::size_t i = 0; i < 100; ++i) CHECK(epoch[i] == static_cast<std::int64_t>(i));
  }
  // The same sample is augmented anew in the next epoch.
  CHECK(records[0].values != records[5].values);
}

TEST_CASE("a run goes on in the middle of an epoch", "[loader]") {
  const LoaderOptions options{.batch = 16, .seed = 9, .threads = 2};
  Loader whole_run(AnyDataset(Numbers{}), Probe{}, options);
  const auto expected = run(whole_run, 0, 3);
  for (std::int64_t stop : {0, 1, 5, 6, 10, 17}) {
    Loader loader(AnyDataset(Numbers{}), Probe{}, options);
    const auto rest = run(loader, stop / 6, 3, stop % 6);
    CHECK(rest == std::vector<Record>(expected.begin() + stop, expected.end()));
  }
  // The same loader goes back and forth.
  CHECK(run(whole_run, 1, 2, 3) == std::vector<Record>(expected.begin() + 9, expected.begin() + 12));
  // At the end of an epoch there is nothing left.
  whole_run.start(0, 6);
  CHECK_FALSE(whole_run.next().has_value());
  CHECK_THROWS_WITH(whole_run.start(0, 7), Contains("no step 7"));
}

TEST_CASE("the last batch is left out or short", "[loader]") {
  Loader full(AnyDataset(Numbers{}), Probe{}, {.batch = 30, .threads = 1});
  CHECK(full.steps_per_epoch() == 3);
  Loader ragged(AnyDataset(Numbers{}), Probe{}, {.batch = 30, .threads = 1, .shuffle = false, .drop_last = false});
  CHECK(ragged.steps_per_epoch() == 4);
  const auto records = run(ragged, 0, 1);
  REQUIRE(records.size() == 4);
  CHECK(records[3].samples.size() == 10);
  CHECK(records[3].samples[0] == 90);
  CHECK(records[3].values.size() == 2 * 10 * 12);
}

TEST_CASE("a picture that cannot be read gives its place to the next", "[loader]") {
  const Numbers numbers{20, {3, 4, 19}};
  const AnyDataset set(numbers);
  Loader loader(set, Probe{}, {.batch = 20, .threads = 2, .shuffle = false});
  const auto records = run(loader, 0, 2);
  REQUIRE(records.size() == 2);
  CHECK(records[0].samples[3] == 5);
  CHECK(records[0].samples[4] == 5);
  CHECK(records[0].samples[19] == 0);
  CHECK(records[0].labels[3] == 5);
  CHECK(loader.unreadable() == 3);
  for (std::size_t k = 0; k < 20; ++k)
    CHECK(static_cast<std::int64_t>(records[1].values[12 * k]) == records[1].samples[k]);
  // The two copies of picture 5 and the original are augmented differently.
  CHECK(records[0].values[12 * 3] != records[0].values[12 * 5]);

  Loader strict(AnyDataset(numbers), Probe{}, {.batch = 5, .threads = 2, .shuffle = false, .strict = true});
  CHECK_THROWS_WITH(run(strict, 0, 1), Contains("number-3.png"));
  Loader hopeless(AnyDataset(Numbers{3, {0, 1, 2}}), Probe{}, {.batch = 2, .threads = 1});
  CHECK_THROWS_WITH(run(hopeless, 0, 1), Contains("none of the 3 samples"));
}

namespace {
/// `Numbers` that counts how often a bad picture was tried. Picture 5 is damaged below its first row.
struct Counted : Numbers {
  std::shared_ptr<std::atomic<int>> tries = std::make_shared<std::atomic<int>>(0);
  Image image(std::size_t i, const CropPlan& plan = {}) const {
    if (i == 5 && (!plan || plan(4, 4).height > 1)) ++*tries, fail("[decode] number-5.png: damaged");
    if (std::find(bad.begin(), bad.end(), i) != bad.end()) ++*tries;
    return Numbers::image(i);
  }
};
}  // namespace

TEST_CASE("a picture that no plan can read is tried in the first epoch only", "[loader]") {
  const Counted counted{{20, {3, 4, 19}}};
  const AnyDataset set(counted);
  const LoaderOptions options{.batch = 5, .seed = 1, .threads = 0};
  Loader loader(set, Probe{}, options);
  const auto records = run(loader, 0, 1);
  // Each of 3, 4 and 19 once and once more with the smallest plan; 5 for itself, for 3 and for 4, and the plan reads.
  CHECK(*counted.tries == 3 * 2 + 3);
  const auto later = run(loader, 1, 4);
  CHECK(*counted.tries == 3 * 2 + 3 + 3 * 3);
  CHECK(loader.unreadable() == 4);
  // What is remembered changes nothing: a run that starts in the middle takes the same pictures.
  Loader resumed(AnyDataset(Counted{{20, {3, 4, 19}}}), Probe{}, options);
  CHECK(run(resumed, 2, 4, 2) == std::vector<Record>(later.begin() + 6, later.end()));
  // A part of the set shares what is known, and what is counted.
  const int before = *counted.tries;
  const AnyDataset part = Subset{set, {0, 1, 2, 3, 4}};
  CHECK_FALSE(part.image_or_report(3).has_value());
  CHECK(part.image_or_report(2).has_value());
  CHECK(*counted.tries == before);
  CHECK(part.unreadable() == 4);
  // The damaged one is read where its damage is not looked at.
  CHECK(set.image_or_report(5, [](int, int) { return Region{0, 0, 1, 4}; }).has_value());
  CHECK_FALSE(set.image_or_report(5).has_value());
}

TEST_CASE("loaders stop at once, wherever they are", "[loader]") {
  for (int round = 0; round < 20; ++round) {
    Loader loader(AnyDataset(Numbers{}), Probe{}, {.batch = 10, .threads = 3, .prefetch = 4});
    for (int step = 0; step < round % 4; ++step) REQUIRE(loader.next().has_value());
    if (round % 5 == 0) loader.start(7, 2);
  }
}

TEST_CASE("what an augmentation throws surfaces in next", "[loader]") {
  struct Broken : Probe {
    void operator()(const Image& image, Rng, std::span<float* const>, std::span<Drawn>) const {
      if (image.pixels[0] == 42) throw std::runtime_error("forty-two");
    }
  };
  Loader loader(AnyDataset(Numbers{}), Broken{}, {.batch = 10, .threads = 2});
  CHECK_THROWS_WITH(run(loader, 0, 1), Contains("forty-two"));
}

TEST_CASE("loaders refuse what cannot work", "[loader]") {
  CHECK_THROWS_WITH(Loader(AnyDataset(Numbers{100, {}}), Probe{}, LoaderOptions{.batch = 101}),
                    Contains("batch 101 is larger than the data set") && Contains("numbers, 100 samples"));
  CHECK_THROWS_WITH(Loader(AnyDataset(Numbers{}), Probe{}, LoaderOptions{.batch = 0}), Contains("at least 1"));
  CHECK_THROWS_WITH(Loader(AnyDataset(Numbers{0, {}}), Probe{}, LoaderOptions{.batch = 1}), Contains("empty"));
  CHECK_THROWS_WITH(Loader(AnyDataset(Numbers{}), WaveWindow{4}, LoaderOptions{.batch = 2}),
                    Contains("[loader] numbers has image; the views are made of sound"));
}

namespace {
/// Number i as an image, in digits, and as a sound; image and text say how often they were read.
struct Told {
  std::shared_ptr<std::atomic<int>> images = std::make_shared<std::atomic<int>>(0);
  std::shared_ptr<std::atomic<int>> texts_read = std::make_shared<std::atomic<int>>(0);

  std::size_t size() const { return 20; }
  Image image(std::size_t i) const {
    ++*images;
    return Numbers{}.image(i);
  }
  std::vector<std::string> texts(std::size_t i) const {
    ++*texts_read;
    if (i == 5) fail("text 5 is gone");
    return {std::to_string(i), "again"};
  }
  Sound sound(std::size_t i) const { return {.samples = std::vector<float>(3, static_cast<float>(i))}; }
  int label(std::size_t i) const { return static_cast<int>(i % 10); }
  std::vector<std::string> class_names() const { return Numbers{}.class_names(); }
  std::string name() const { return "told"; }
};

/// The first text in three numbers: its length, then what the stream drew twice.
struct Digits {
  std::vector<ViewSpec> views() const { return {{{3}, ViewKind::tokens, DType::i32}}; }
  std::size_t globals() const { return 1; }
  Parts parts() const { return Part::texts; }
  void operator()(const Sample& sample, Rng rng, std::span<void* const> out, std::span<Drawn>) const {
    Stream draw(rng / 0);
    auto* const ids = static_cast<std::int32_t*>(out[0]);
    ids[0] = static_cast<std::int32_t>(std::stoi(sample.texts.at(0)));
    ids[1] = static_cast<std::int32_t>(draw.below(1000)), ids[2] = static_cast<std::int32_t>(draw.below(1000));
  }
};
}  // namespace

TEST_CASE("views of several parts come side by side, each of the same sample", "[loader]") {
  const Told told;
  const SampleViews augment(Probe{}, Digits{}, WaveWindow{2});
  CHECK(augment.parts() == (Part::image | Part::texts | Part::sound));
  CHECK(augment.globals() == 4);
  const AnyDataset set(told);
  Loader loader(set, augment, {.batch = 10, .seed = 3, .threads = 2});
  Loader alone(set, Probe{}, {.batch = 10, .seed = 3, .threads = 0});
  for (int step = 0; step < 2; ++step) {
    const auto batch = loader.next(), image_alone = alone.next();
    REQUIRE((batch && image_alone));
    const Views& views = batch->views;
    REQUIRE(views.view.size() == 4);
    CHECK(views.view[2].dtype() == DType::i32);
    CHECK(views.view[2].shape() == Shape{10, 3});
    CHECK(views.view[3].shape() == Shape{10, 2, 1});
    for (std::size_t n = 0; n < 10; ++n) {
      const std::int64_t i = views.sample[n];
      CHECK(views.label[n] == i % 10);
      CHECK(i != 5);  // its text cannot be read: the next sample took its place
      CHECK(views.view[2].data<std::int32_t>()[3 * n] == i);
      CHECK(views.view[3].data<float>()[2 * n + 1] == static_cast<float>(i));
      if (image_alone->views.sample[n] == i)  // the first part draws as it does alone
        for (std::size_t v = 0; v < 2; ++v)
          CHECK(std::equal(views.view[v].data<float>() + 12 * n, views.view[v].data<float>() + 12 * (n + 1),
                           image_alone->views.view[v].data<float>() + 12 * n));
    }
  }
  CHECK(set.unreadable() == 1);
}

TEST_CASE("parts that nobody asked for are not read, and those that are not there are named", "[loader]") {
  const Told told;
  const AnyDataset set(told);
  CHECK(set.parts() == (Part::image | Part::texts | Part::sound));
  const Sample sample = set.sample(7, Part::sound);
  CHECK(sample.sound.samples.size() == 3);
  CHECK(sample.label == 7);
  CHECK((sample.texts.empty() && sample.image.pixels.empty()));
  CHECK((*told.images == 0 && *told.texts_read == 0));
  CHECK(set.image(7).pixels[0] == 7);
  CHECK((*told.images == 1 && *told.texts_read == 0));
  CHECK_THROWS_WITH(set.sample(0, Part::image | Part::depth),
                    Contains("[data] told has image, texts, sound, but no depth"));
  const AnyDataset some = Subset{set, {4, 5}};
  CHECK(some.sample(0, Part::texts).texts == std::vector<std::string>{"4", "again"});
  CHECK(some.sample_or_report(1, Part::sound).has_value());  // only its text cannot be read
  CHECK_FALSE(some.sample_or_report(1, Part::texts).has_value());
  CHECK(some.sample_or_report(1, Part::sound).has_value());
  CHECK(some.unreadable() == 1);
  CHECK_THROWS_WITH(load_all(some, Digits{}, true), Contains("text 5 is gone"));
  CHECK(load_all(some, Digits{}).images.shape() == Shape{1, 3});
}

namespace {
struct First {
  std::vector<ViewSpec> views() const { return {Probe{}.views()[0]}; }
  std::size_t globals() const { return 1; }
  void operator()(const Image& image, Rng, std::span<float* const> out, std::span<Drawn>) const {
    std::fill_n(out[0], 12, static_cast<float>(image.pixels[0]));
  }
};
}  // namespace

TEST_CASE("evaluation sees every readable picture once and in order", "[loader]") {
  const AnyDataset set(Numbers{50, {0, 7, 8, 49}});
  std::vector<std::int64_t> seen;
  for_each_batch(
      set, First{}, 8,
      [&](const Tensor& images, std::span<const std::int64_t> labels, std::span<const std::int64_t> samples) {
        REQUIRE(images.size(0) == static_cast<std::int64_t>(labels.size()));
        for (std::size_t row = 0; row < labels.size(); ++row) {
          CHECK(images.data<float>()[12 * row] == static_cast<float>(samples[row]));
          CHECK(labels[row] == samples[row] % 10);
          seen.push_back(samples[row]);
        }
      });
  CHECK(seen.size() == 46);
  CHECK(std::is_sorted(seen.begin(), seen.end()));
  const LoadedSet loaded = load_all(set, First{});
  CHECK(loaded.images.shape() == Shape{46, 2, 2, 3});
  CHECK(loaded.samples == seen);
  CHECK(set.unreadable() == 4);
  CHECK_THROWS_WITH(load_all(set, First{}, true), Contains("number-"));
  CHECK_THROWS_WITH(load_all(set, Probe{}), Contains("one view"));
}

#if defined(CONTRASTIVE_WITH_JPEG)
namespace {
/// Hides that an augmentation can plan, so that pictures are decoded whole.
template <class A>
struct Unplanned {
  A held;
  std::vector<ViewSpec> views() const { return held.views(); }
  std::size_t globals() const { return held.globals(); }
  void operator()(const Image& image, Rng rng, std::span<float* const> out, std::span<Drawn> drawn) const {
    held(image, rng, out, drawn);
  }
};

/// Copies of one JPEG of 80 x 64.
ImageFolder photographs(const TemporaryFolder& folder, int count) {
  const auto file = read_file(golden_path("decode/progressive_420_big.jpg"));
  for (int i = 0; i < count; ++i) folder.write(std::to_string(100 + i) + ".jpg", std::string(as_text(file)));
  return ImageFolder(folder.path());
}
}  // namespace

TEST_CASE("decoding only what the crops look at changes no bit", "[loader]") {
  TemporaryFolder folder;
  const AnyDataset set = photographs(folder, 32);
  const LoaderOptions options{.batch = 16, .seed = 3, .threads = 2};
  const auto augment = simclr(48);  // crops are never twice as large: full scale
  Loader planned(set, augment, options);
  Loader erased(set, AnyAugment(augment), options);
  Loader full(set, Unplanned<std::remove_cv_t<decltype(augment)>>{augment}, options);
  Loader erased_full(set, AnyAugment(Unplanned<std::remove_cv_t<decltype(augment)>>{augment}), options);
  const auto expected = run(full, 0, 2);
  CHECK(run(planned, 0, 2) == expected);
  CHECK(run(erased, 0, 2) == expected);
  CHECK(run(erased_full, 0, 2) == expected);
}

TEST_CASE("small views of large crops come from a reduced decode and show the same", "[loader]") {
  TemporaryFolder folder;
  const AnyDataset set = photographs(folder, 32);
  const LoaderOptions options{.batch = 32, .seed = 3, .threads = 1};
  const TwoViews augment(Compose(RandomResizedCrop{.size = 8, .area = {0.5, 1.0}}, Normalize{}));
  Loader planned(set, augment, options);
  Loader full(set, Unplanned<std::remove_cv_t<decltype(augment)>>{augment}, options);
  const auto a = planned.next(), b = full.next();
  REQUIRE((a && b));
  double difference = 0;
  std::size_t other = 0;
  const auto va = a->views.view[0].span<float>(), vb = b->views.view[0].span<float>();
  for (std::size_t i = 0; i < va.size(); ++i) {
    difference += std::abs(va[i] - vb[i]) / static_cast<double>(va.size());
    other += va[i] != vb[i];
  }
  CHECK(difference < 0.02);
  CHECK(other > 0);  // it was reduced
  for (std::size_t n = 0; n < 32; ++n) CHECK(a->views.drawn[n][0].crop == b->views.drawn[n][0].crop);
}
#endif
