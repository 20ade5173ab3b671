// SPDX-License-Identifier: MIT

// Two towers of different kinds: images and words, the smallest CLIP.

#include "contrastive/methods/towers.hpp"

#include <algorithm>
#include <map>
#include <sstream>

#include "contrastive/augment/any_augment.hpp"
#include "contrastive/augment/recipes.hpp"
#include "contrastive/data/batches.hpp"
#include "contrastive/data/loader.hpp"
#include "contrastive/data/shapes.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/embedding.hpp"
#include "contrastive/nn/transformer.hpp"
#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/objectives/learned_scale.hpp"
#include "contrastive/optim/adamw.hpp"
#include "contrastive/optim/parameter_groups.hpp"
#include "support/catch.hpp"
#include "support/learning.hpp"

using namespace contrastive;

namespace {

const std::vector<std::string> sizes{"small", "medium", "large"},
    colours{"red", "orange", "lime", "green", "cyan", "blue", "violet", "pink"},
    shapes{"circle", "square", "triangle", "star", "cross", "ring"}, grounds{"plain", "gradient", "stripes", "checks"};

/// `Shapes` with a caption each: "large red circle stripes", where some say nothing of the size or of the ground.
/// `shift`: the caption is of another picture.
struct Captioned {
  Shapes set;
  std::size_t shift = 0;

  std::size_t size() const { return set.size(); }
  Image image(std::size_t i) const { return set.image(i); }
  std::vector<std::string> texts(std::size_t i) const {
    const ShapeFactors f = set.factors((i + shift) % set.size());
    const auto word = [](const std::vector<std::string>& words, int k) { return words[static_cast<std::size_t>(k)]; };
    std::string text = word(colours, f.colour) + " " + word(shapes, f.shape);
    if (i % 3 != 0) text = word(sizes, f.size) + " " + text;
    if (i % 2 != 0) text += " " + word(grounds, f.background);
    return {text};
  }
  int label(std::size_t i) const { return set.label(i); }
  std::vector<std::string> class_names() const { return set.class_names(); }
  std::string name() const { return "captioned " + set.name(); }
};

/// A number for each word, 1 upwards, and the end's; 0 fills up to five.
struct Words {
  static constexpr std::int64_t length = 5, V = 23;

  std::vector<std::int32_t> operator()(const std::string& text) const {
    static const std::map<std::string, std::int32_t> ids = [] {
      std::map<std::string, std::int32_t> all;
      for (const auto* list : {&sizes, &colours, &shapes, &grounds})
        for (const std::string& word : *list) all.emplace(word, static_cast<std::int32_t>(all.size()) + 1);
      return all;
    }();
    std::vector<std::int32_t> row(length, 0);
    std::istringstream words(text);
    std::size_t n = 0;
    for (std::string word; words >> word;) row[n++] = ids.at(word);
    row[n] = V - 1;
    return row;
  }

  std::vector<ViewSpec> views() const { return {{{length}, ViewKind::tokens, DType::i32}}; }
  std::size_t globals() const { return 1; }
  Parts parts() const { return Part::texts; }
  void operator()(const Sample& sample, Rng, std::span<void* const> out, std::span<Drawn>) const {
    std::ranges::copy((*this)(sample.texts.at(0)), static_cast<std::int32_t*>(out[0]));
  }
};

/// Words to (N, D): a block of attention over those that are there, and the row of the end.
struct WordTower {
  Embedding table;
  Parameter positions;
  TransformerBlock block;

  WordTower(std::int64_t D, Rng rng)
      : table(Words::V, D, rng / "table", 0.1),
        positions(init::normal({Words::length, D}, 0.1, rng / "positions")),
        block(D, 4, 2 * D, rng / "block") {}

  std::int64_t features() const { return table.weight.size(1); }
  Tensor operator()(const Tensor& ids) const {
    const std::int64_t N = ids.size(0), L = ids.size(1);
    const Tensor lengths({N}, DType::i64), ends({N}, DType::i64);
    for (std::int64_t n = 0; n < N; ++n) {
      const std::int32_t* const row = ids.data<std::int32_t>() + n * L;
      lengths.data<std::int64_t>()[n] = L - std::count(row, row + L, 0);
      ends.data<std::int64_t>()[n] = n * L + lengths.data<std::int64_t>()[n] - 1;
    }
    const Tensor words = table(ids);
    const Tensor x = block(words + cast(positions, words.dtype()), lengths);
    return gather(x.reshape({N * L, features()}), ends);
  }
  template <class F>
  void members(F&& f) {
    f("table", table);
    f("positions", positions);
    f("block", block);
  }
};

/// A product and rows of unit length.
struct UnitLinear {
  Linear linear;
  Tensor operator()(const Tensor& x) const { return normalize(linear(x)); }
  template <class F>
  void members(F&& f) {
    f("linear", linear);
  }
};

struct ClipContrast {
  LearnedScale scale;
  Tensor operator()(const Embeddings& z) const { return clip_loss(z.online.at(0), z.online.at(1), scale.log_scale); }
  void after_update(Progress progress) { scale.after_update(progress); }
  template <class F>
  void members(F&& f) {
    f("scale", scale);
  }
};

auto image_tower(Rng rng) {
  return Tower{ConvNet(3, {8, 16, 32}, rng / "encoder"), UnitLinear{Linear(32, 24, rng / "projector", false)}};
}
auto text_tower(Rng rng) {
  return Tower{WordTower(32, rng / "encoder"), UnitLinear{Linear(32, 24, rng / "projector", false)}};
}
auto views() { return SampleViews(center_view(16, 16, {}, 3), Words{}); }
auto smallest_clip(Rng rng) {
  return Method(Towers(image_tower(rng / "image"), text_tower(rng / "text")), Identity{}, ClipContrast{}, views());
}

template <class M>
double train(M& method, const AnyDataset& set, int epochs) {
  Loader loader(set, method.augment, {.batch = 64, .seed = seeded(5), .threads = 1});
  std::vector<ParameterGroup> groups = parameter_groups(method.online, {.weight_decay = 0.01});
  for (ParameterGroup& group : parameter_groups(method.objective, {}, "objective.")) groups.push_back(group);
  AdamW optimizer(std::move(groups), {});
  double loss = 0;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    loader.start(epoch);
    while (const auto batch = loader.next()) {
      const Tensor value = method.loss(batch->views);
      value.backward();
      optimizer.step(3e-3);
      optimizer.clear_grad();
      method.after_step({});
      loss = value.item();
    }
  }
  return loss;
}

/// How often the nearest of all captions "COLOUR SHAPE" names the colour of a held-out picture.
template <class M>
double colours_right(const M& method) {
  const NoGrad no_grad;
  const Eval eval;
  const Shapes test(300, 16, "colour", seeded(9), "test");
  const LoadedSet set = load_all(test, center_view(16, 16, {}, 3));
  std::vector<std::int32_t> ids;
  for (const std::string& colour : colours)
    for (const std::string& shape : shapes)
      for (const std::int32_t id : Words{}(colour + " " + shape)) ids.push_back(id);
  const Tensor captions =
      method.online.template tower<1>()(Tensor::from<std::int32_t>(ids, {48, Words::length}));  // (48, D)
  const Tensor nearest = argmax(matmul(method.online.template tower<0>()(set.images), captions, false, true), 1);
  double right = 0;
  for (std::size_t n = 0; n < set.labels.size(); ++n) right += nearest.data<std::int64_t>()[n] / 6 == set.labels[n];
  return right / static_cast<double>(set.labels.size());
}

}  // namespace

TEST_CASE("two towers learn which words name a picture, and nothing from the captions of others", "[learns]") {
  const auto right = [](std::size_t shift, double* scale = nullptr) {
    auto method = smallest_clip(Rng(seeded(1)));
    train(method, Captioned{Shapes(1024, 16, "shape", seeded(7)), shift}, 8);
    if (scale) *scale = std::exp(method.objective.scale.log_scale.item());
    return colours_right(method);
  };
  double scale = 0;
  check_above("two towers: colours named", right(0, &scale), 1 / 8.0 + 0.1);
  check_below("two towers: colours named after the captions of others", right(1), 1 / 8.0 + 0.15);
  CHECK(scale != 1 / 0.07);
}

TEST_CASE("a learned scale starts where it is told, is trained and stays within its clamp") {
  auto method = smallest_clip(Rng(1));
  CHECK(std::abs(method.objective.scale.log_scale.item() - std::log(1 / 0.07)) < 1e-6);
  method.objective.scale.log_scale.copy_from(Tensor::full({}, 9));
  method.after_step({});
  CHECK(std::abs(method.objective.scale.log_scale.item() - std::log(100.0)) < 1e-6);
  method.objective.scale.log_scale.copy_from(Tensor::full({}, -2));
  method.after_step({});
  CHECK(method.objective.scale.log_scale.item() == 0);
}

TEST_CASE("views go through their towers, whose parts have names; integers stay integers in bf16") {
  auto method = smallest_clip(Rng(1));
  std::vector<std::string> names;
  each_parameter(method, [&](const std::string& name, Parameter&) { names.push_back(name); });
  for (const char* name : {"0.encoder.layers.0.conv.weight", "1.encoder.table.weight", "1.projector.linear.weight",
                           "objective.scale.log_scale"})
    CHECK(std::ranges::count(names, name) == 1);
  Loader loader(Captioned{Shapes(32, 16)}, method.augment, {.batch = 16, .threads = 0});
  const Views batch = loader.next()->views;
  for (const DType precision : {DType::f32, DType::bf16}) {
    method.precision = precision;
    const Embeddings z = method.embed(batch);
    REQUIRE(z.online.size() == 2);
    for (const Tensor& x : z.online) {
      CHECK(x.shape() == Shape{16, 24});
      CHECK(x.dtype() == DType::f32);
    }
    CHECK(z.view[1].dtype() == DType::i32);
  }
  Views one = batch;
  one.view.pop_back();
  CHECK_THROWS_WITH(method.embed(one), Contains("[towers] expected a view for each of 2 towers, got 1"));
}

TEST_CASE("a frozen tower gives what the tower gives in evaluation, and is neither trained nor changed") {
  const Captioned set{Shapes(64, 16)};
  auto tower = image_tower(Rng(2) / "image");
  Method method(Towers(Frozen(tower, 64), text_tower(Rng(2) / "text")), Identity{}, ClipContrast{}, views());
  for (const ParameterGroup& group : parameter_groups(method.online))
    for (const std::string& name : group.names) CHECK(name.starts_with("1."));
  std::vector<Tensor> before;
  each_state(tower, [&](const std::string&, Tensor& x) { before.push_back(x.detach().clone()); });
  const double loss = train(method, set, 2);
  CHECK(std::isfinite(loss));
  std::size_t k = 0;
  each_state(tower, [&](const std::string& name, Tensor& x) {
    INFO(name);
    const Tensor then = before[k++];
    CHECK(x.dtype() == then.dtype());
    if (is_float(x.dtype()))
      CHECK(std::ranges::equal(x.detach().to(DType::f64).span<double>(), then.to(DType::f64).span<double>()));
  });
  // Kept rows are those that the tower computes; other weights make it compute them again.
  Loader loader(set, method.augment, {.batch = 32, .threads = 0});
  const Views batch = loader.next()->views;
  const auto embedded = [&] { return method.embed(batch).online[0]; };
  const auto computed = [&] {
    const NoGrad no_grad;
    const Eval eval;
    return tower(batch.view[0]);
  };
  const auto equal = [](const Tensor& a, const Tensor& b) {
    return a.shape() == b.shape() && std::ranges::equal(a.detach().span<float>(), b.detach().span<float>());
  };
  CHECK(equal(embedded(), embedded()));
  CHECK(max(abs(embedded().detach() - computed()).reshape({-1}), 0).values.item() < 1e-5);
  tower.projector.linear.weight.copy_from(init::normal({24, 32}, 1, Rng(5)));
  CHECK(equal(embedded(), computed()));
}
