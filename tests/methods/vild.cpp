// SPDX-License-Identifier: MIT

// ViLD: what is trained and what stands still, classes that no box was ever shown of, and the controls that must fail.

#include "contrastive/methods/vild.hpp"

#include <cmath>

#include "contrastive/augment/square.hpp"
#include "contrastive/data/loader.hpp"
#include "contrastive/data/scene_phrases.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/eval/detection.hpp"
#include "contrastive/optim/adamw.hpp"
#include "contrastive/optim/parameter_groups.hpp"
#include "support/learning.hpp"

using namespace contrastive;

namespace {

/// Scenes of shapes, whose classes are here their colours: as drawn, and eight tints.
ScenePhrases scenes(const std::string& split, std::size_t count) {
  return ScenePhrases(
      Scenes({.count = count, .image_size = 32, .split = split, .sprites = "shapes", .most = 2, .hold_out = false}));
}
LabelNumbers colours_of(const ScenePhrases& set) {
  LabelNumbers numbers;
  for (int p = 0; p < static_cast<int>(set.class_names().size()); ++p) numbers.of_class.push_back(set.colour_of(p) + 1);
  return numbers;
}
/// True for colours whose boxes training shows.
const std::vector<bool> shown{true, true, false, true, true, true, false, true, true};

VildConfig tiny() {
  VildConfig config;
  config.region_width = 16, config.region_hidden = 64;
  return config;
}
ConvNet tiny_net(std::uint64_t seed) { return ConvNet(3, {16, 32, 64}, Rng(seed)); }
Tensor word_rows(std::int64_t V, std::uint64_t seed) {
  return normalize(init::normal({V, 24}, 1, Rng(seed) / "words"));
}

/// Rows for regions by someone who knows all boxes of the batch: the word of the one that a region overlaps most.
struct KnowsAll {
  Tensor boxes, labels, words;

  Tensor operator()(const Tensor&, const Tensor& regions) const {
    const Tensor rows({regions.size(0), words.size(1)});
    for (std::int64_t k = 0; k < regions.size(0); ++k) {
      const float* const r = regions.data<float>() + 5 * k;
      const std::int64_t B = boxes.size(1);
      double best = 0.3;
      Tensor row = Tensor::full({1, words.size(1)}, -1);  // of nothing
      for (std::int64_t b = B * static_cast<std::int64_t>(r[0]); b < B * (1 + static_cast<std::int64_t>(r[0])); ++b) {
        const float* const p = boxes.data<float>() + 4 * b;
        const std::int64_t label = labels.data<std::int64_t>()[b];
        const double overlap = label < 0 ? 0 : iou({r[1], r[2], r[3], r[4]}, {p[0], p[1], p[2], p[3]});
        if (overlap > best) best = overlap, row = words.slice(label, label + 1);
      }
      rows.slice(k, k + 1).copy_from(row);
    }
    return normalize(rows);
  }
};

struct Trained {
  double novel[3], base[3];  // by VildHead: share of boxes near true ones that get the right word of all
};

/// Short training on boxes of shown classes, with a teacher that knows all.
Trained trained(std::uint64_t seed, std::int64_t steps, const std::string& crops) {
  const auto V = static_cast<std::int64_t>(shown.size());
  const Tensor words = word_rows(V, seed);
  Tensor keep = Tensor::full({V + 1}, 1);
  for (std::int64_t c = 0; c < V; ++c) keep.data<float>()[c + 1] = shown[static_cast<std::size_t>(c)] ? 1 : 0;
  const auto truth = std::make_shared<KnowsAll>();
  truth->words = words;
  VildConfig config = tiny();
  config.crops = crops;
  const ScenePhrases train = scenes("train", 1600);
  auto method = vild(
      tiny_net(seed), words, keep, vild_train(32, colours_of(train)),
      [truth](const Tensor& images, const Tensor& regions) { return (*truth)(images, regions); }, config, Rng(seed));
  AdamW optimizer(parameter_groups(method));
  Loader loader(train, method.augment, {.batch = 16, .seed = seed, .threads = 1});
  std::int64_t step = 0;
  for (int epoch = 0; step < steps; ++epoch)
    for (loader.start(epoch); auto batch = loader.next(); ++step) {
      if (step == steps) break;
      Views views = batch->views;
      truth->boxes = views.view[1].clone(), truth->labels = views.view[2].clone();
      for (std::int64_t& label : views.view[2].span<std::int64_t>())
        if (label >= 0 && !shown[static_cast<std::size_t>(label)]) label = -1;
      method.loss(views, {step, steps}).backward();
      optimizer.step(3e-3);
      optimizer.clear_grad();
    }

  Trained result{};
  const ScenePhrases test = scenes("test", 150);
  const Compose<Squash, Normalize> whole(Squash{32}, vild_normalize);
  double count[2] = {};
  for (std::size_t i = 0; i < test.size(); ++i) {
    const Tensor image({1, 32, 32, 3});
    whole(test.scenes().image(i), Rng(0), image.data<float>());
    std::vector<std::vector<Proposal>> given(1);
    Stream draw(Rng(seed) / "near" / i);
    std::vector<Box> boxes = test.sample(i, Part::boxes, {}).boxes;
    for (Box& box : boxes) box.label = test.colour_of(box.label) + 1;
    for (const Box& box : boxes) given[0].push_back({jittered(box, 32, 32, draw)});
    for (const Box& box : boxes) ++count[shown[static_cast<std::size_t>(box.label)] ? 0 : 1];
    const NamedRegions named = vild_regions(method.objective, vild_map(method.online, image), words, given);
    for (int head = 0; head < 3; ++head) {
      const auto found = named.boxes(shown, static_cast<VildHead>(head));
      for (std::size_t b = 0; b < boxes.size(); ++b) {
        // The best word of the region, of all words.
        const auto best = std::ranges::find_if(found[0], [&](const Detection& one) {
          return one.box.left == given[0][b].box.left && one.box.top == given[0][b].box.top;
        });
        const bool right = best != found[0].end() && best->box.label == boxes[b].label;
        (shown[static_cast<std::size_t>(boxes[b].label)] ? result.base : result.novel)[head] += right;
      }
    }
  }
  REQUIRE(count[1] > 15);
  for (int head = 0; head < 3; ++head) result.base[head] /= count[0], result.novel[head] /= count[1];
  return result;
}

}  // namespace

TEST_CASE("ViLD names colours that no box was shown of by what crops taught; text alone and wrong crops do not",
          "[learns]") {
  const Trained own = trained(seeded(1), 250, "own"), wrong = trained(seeded(1), 250, "shuffled");
  const auto print = [](const char* what, const Trained& t) {
    std::printf("ViLD, %s: new %.3f ensemble, %.3f text head, %.3f image head; shown %.3f, %.3f, %.3f\n", what,
                t.novel[0], t.novel[1], t.novel[2], t.base[0], t.base[1], t.base[2]);
  };
  print("own crops", own);
  print("shuffled crops", wrong);
  CHECK(own.novel[0] > own.novel[1] + 0.2);
  CHECK(own.novel[0] > wrong.novel[0] + 0.2);
  CHECK(own.base[0] > 0.9 * own.base[1]);
}

TEST_CASE("ViLD trains heads, proposals and the background; words and teacher stand still") {
  const ScenePhrases set = scenes("train", 16);
  const Tensor words = word_rows(9, 1);
  const RegionTeacher teacher = [](const Tensor&, const Tensor& regions) {
    return Tensor::full({regions.size(0), 24}, 1);
  };
  for (const bool taught : {true, false}) {
    INFO(taught);
    auto method = vild(tiny_net(1), words, {}, vild_train(32, colours_of(set)), taught ? teacher : RegionTeacher(),
                       tiny(), Rng(2));
    Loader loader(set, method.augment, {.batch = 8, .threads = 0});
    const auto batch = loader.next();
    const Tensor loss = method.loss(batch->views, {3, 10});
    CHECK(std::isfinite(loss.item()));
    loss.backward();
    each_parameter(method, [&](const std::string& name, Parameter& p) {
      INFO(name);
      CHECK(p.grad().defined() == (taught || !name.starts_with("objective.image_head")));
    });
    std::vector<std::string> buffers;
    each_buffer(method.objective, [&](const std::string& name, Buffer&) {
      if (name.find("bn.") == name.npos) buffers.push_back(name);
    });
    CHECK(buffers == std::vector<std::string>{"words"});
    // The regions of a step depend on its number and the samples alone.
    CHECK(method.loss(batch->views, {3, 10}).item() == Approx(loss.item()).epsilon(1e-5));
  }
}

TEST_CASE("a step's regions: near true boxes, proposals, and boxes anywhere, each with its label") {
  const Tensor boxes = Tensor::from<float>({4, 4, 20, 20, 0, 0, 0, 0}, {1, 2, 4}),
               labels = Tensor::from<std::int64_t>({6, -1}, {1, 2});
  const PlaceBoxes map{{}, {}, 1, 16, 16, 2};
  const std::vector<std::vector<Proposal>> proposals{{{{4, 4, 20, 18}, 0.9F}, {{20, 20, 30, 30}, 0.4F}}};
  const auto some = [&](std::int64_t step, std::int64_t sample) {
    return training_regions(boxes, labels, proposals, map, {sample}, {step, 100}, 3);
  };
  const TrainingRegions one = some(5, 7);
  REQUIRE(one.regions.shape() == Shape{2 + 2 + 4, 5});
  CHECK(one.distilled.size() == 3);
  for (const std::int64_t k : one.distilled) CHECK(k < 4);
  const auto label = [&](std::int64_t k) { return one.labels.data<std::int64_t>()[k]; };
  CHECK(label(2) == 7);  // the word's place and one
  CHECK(label(3) == 0);
  for (std::int64_t k = 0; k < 8; ++k) {
    const float* const r = one.regions.data<float>() + 5 * k;
    CHECK((r[0] == 0 && r[1] >= 0 && r[2] >= 0 && r[3] > r[1] && r[4] > r[2] && r[3] <= 32 && r[4] <= 32));
    CHECK((label(k) == 7) == (iou({r[1], r[2], r[3], r[4]}, {4, 4, 20, 20}) >= 0.5));
  }
  const auto same = [&](const TrainingRegions& other) {
    return std::ranges::equal(one.regions.span<float>(), other.regions.span<float>());
  };
  CHECK(same(some(5, 7)));
  CHECK(!same(some(6, 7)));
  CHECK(!same(some(5, 8)));
}

TEST_CASE("the teacher sees the region at once and 1.5 times its size, as its own view has it") {
  // Left half black, right half white; the teacher gives the mean of the red it sees, and one.
  const Tensor images = Tensor::full({1, 16, 32, 3}, -1);
  for (std::int64_t i = 0; i < 16 * 32; ++i)
    if (i % 32 >= 16)
      for (int c = 0; c < 3; ++c) images.data<float>()[3 * i + c] = 1;
  const auto view = OneView(CenterView(CenterCrop{8, 8}, Normalize{}));
  std::vector<double> seen;
  const auto teacher = crop_teacher(
      view,
      [&](const Tensor& crops) {
        REQUIRE(crops.shape() == Shape{4, 8, 8, 3});
        const Tensor rows({4, 2});
        for (std::int64_t k = 0; k < 4; ++k) {
          seen.push_back(mean(crops.slice(k, k + 1)).item());
          rows.data<float>()[2 * k] = static_cast<float>(seen.back()), rows.data<float>()[2 * k + 1] = 1;
        }
        return rows;
      },
      vild_normalize);
  const Tensor rows = teacher(images, Tensor::from<float>({0, 20, 4, 28, 12, 0, 8, 4, 16, 12}, {2, 5}));
  CHECK(seen[0] == Approx(1).margin(0.01));        // white
  CHECK(seen[1] == Approx(0).margin(0.01));        // black
  CHECK(seen[2] == Approx(1).margin(0.01));        // 18..30
  CHECK(seen[3] == Approx(1.0 / 6).margin(0.03));  // 6..18: a sixth is white
  CHECK(rows.data<float>()[0] == Approx(std::sqrt(0.5)).margin(0.01));
}
