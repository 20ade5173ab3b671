// SPDX-License-Identifier: MIT

// After pre-training: a classifier on few labels, and its student.

#include "contrastive/eval/finetune.hpp"

#include <cstring>
#include <map>

#include "contrastive/augment/recipes.hpp"
#include "contrastive/data/array_dataset.hpp"
#include "contrastive/data/shapes.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/methods/sup_con.hpp"
#include "contrastive/optim/sgd.hpp"
#include "support/catch.hpp"
#include "support/learning.hpp"

using namespace contrastive;

namespace {

constexpr int side = 16;

AnyDataset shapes(std::size_t count, const std::string& split) {
  return Shapes(count, side, "colour", seeded(0), split);
}
auto centre() { return center_view(side, side, Normalize{}); }
ConvNet encoder(std::vector<int> widths, std::uint64_t seed) { return ConvNet(3, widths, Rng(seed)); }

}  // namespace

TEST_CASE("a share of the labels is the same for every class, and depends on the seed alone", "[eval]") {
  const AnyDataset all = Shapes(1200, side, "shape");
  const auto indices = [&](double share, std::uint64_t seed) {
    const AnyDataset part = labelled_share(all, share, seed);
    std::vector<std::vector<std::uint8_t>> pictures;
    for (std::size_t i = 0; i < part.size(); ++i) pictures.push_back(part.image(i).pixels);
    return pictures;
  };
  const AnyDataset tenth = labelled_share(all, 0.1);
  CHECK(tenth.size() == 120);
  std::map<int, int> counts;
  for (std::size_t i = 0; i < tenth.size(); ++i) ++counts[tenth.label(i)];
  for (const auto& [label, count] : counts) CHECK(count == 20);
  CHECK(counts.size() == 6);
  CHECK(labelled_share(all, 0.0001).size() == 6);  // one of each
  CHECK(indices(0.02, 1) == indices(0.02, 1));
  CHECK(indices(0.02, 1) != indices(0.02, 2));
  const AnyDataset uneven = ArrayDataset{.title = "uneven",
                                         .height = 1,
                                         .width = 1,
                                         .channels = 1,
                                         .pixels = std::vector<std::uint8_t>(80),
                                         .labels = std::vector<int>(80, 2),
                                         .classes = {"empty", "none", "all", "void"}};
  CHECK(labelled_share(uneven, 0.5).size() == 40);  // classes without pictures take no share
  CHECK_THROWS_WITH(labelled_share(all, 0), Contains("the share must be 1e-09 to 1, got 0"));
}

TEST_CASE("a fine-tuned network is a copy; a linear one leaves what it stands on alone", "[eval]") {
  const AnyDataset train = shapes(64, "train"), test = shapes(64, "test");
  const ConvNet start = encoder({4, 8}, 1);
  const Mlp head(8, {{.out = 12, .bias = false}, {.out = 6, .bias = false}}, Rng(2));
  const Tensor one = Tensor::zeros(centre().views()[0].shape(1));
  const auto state = [](auto& module) {
    std::vector<Tensor> all;
    each_state(module, [&](const std::string&, Tensor& t) { all.push_back(t.clone()); });
    return all;
  };
  const auto equal_states = [](const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
    bool same = a.size() == b.size();
    for (std::size_t i = 0; same && i < a.size(); ++i)
      same = std::memcmp(a[i].view().data, b[i].view().data,
                         static_cast<std::size_t>(a[i].count()) * size_of(a[i].dtype())) == 0;
    return same;
  };
  ConvNet before = clone(start);
  for (const bool linear : {true, false})
    for (const bool lars : {true, false}) {
      auto network = make_classifier(start, first_layers(head), 8, one);
      CHECK(network.linear.weight.shape() == Shape{8, 12});
      CHECK(top1_of(network, test, centre()) < 0.3);  // zeros: all of one class
      auto encoder_before = state(network.encoder);
      const auto linear_before = state(network.linear);
      const TrainedScore score =
          fine_tune(network, train, centre(), test, centre(),
                    {.lr = 0.1, .lars = lars, .epochs = 2, .batch = 32, .linear_only = linear, .threads = 0});
      CHECK(score.losses.size() == 4);
      CHECK(score.losses[0] == Approx(std::log(8.0)).epsilon(1e-5));
      CHECK(equal_states(state(network.encoder), encoder_before) == linear);
      CHECK_FALSE(equal_states(state(network.linear), linear_before));
      CHECK(score.top1 == top1_of(network, test, centre()));
    }
  ConvNet after = start;
  CHECK(equal_states(state(before), state(after)));
  CHECK_THROWS_WITH(first_layers(head, 3), Contains("3 of a head of 2 layers"));
  auto few = make_classifier(start, Identity{}, 3, one);
  CHECK_THROWS_WITH(fine_tune(few, train, centre(), test, centre()), Contains("has 8 classes, the classifier 3"));
}

TEST_CASE("fine-tuning scores a test part by the names of its classes", "[eval]") {
  // Pictures of one value, 40 a class; the test part lacks the first class and has one that is not taught.
  const auto part = [](const std::string& title, const std::vector<std::pair<std::string, int>>& classes) {
    ArrayDataset set{.title = title, .height = side, .width = side, .channels = 3};
    for (const auto& [name, value] : classes) {
      for (int i = 0; i < 40; ++i) {
        set.pixels.insert(set.pixels.end(), side * side * 3, static_cast<std::uint8_t>(value + i % 8));
        set.labels.push_back(static_cast<int>(set.classes.size()));
      }
      set.classes.push_back(name);
    }
    return set;
  };
  const AnyDataset train = part("train", {{"black", 0}, {"grey", 120}, {"white", 240}});
  const AnyDataset test = part("test", {{"blue", 60}, {"grey", 120}, {"white", 240}});
  auto network = make_classifier(encoder({4, 8}, 1), Identity{}, 3, Tensor::zeros(centre().views()[0].shape(1)));
  const FineTuneOptions options{.lr = 0.1, .epochs = 20, .batch = 40, .threads = 0};
  CHECK(fine_tune(network, train, centre(), test, centre(), options).top1 == 1);
  const AnyDataset fewer = part("test", {{"white", 240}});
  auto again = make_classifier(encoder({4, 8}, 1), Identity{}, 3, Tensor::zeros(centre().views()[0].shape(1)));
  CHECK(fine_tune(again, train, centre(), fewer, centre(), options).top1 == 1);
}

// Pre-trained by SupCon, which is told the labels of all pictures: what SimCLR teaches so small an encoder in seconds is
// worth less than another draw of the few labels (0.05). The bounds are twice that.
TEST_CASE("few labels go further on an encoder that knows the classes, and a student keeps it", "[eval][learns]") {
  const AnyDataset train = shapes(768, "train"), test = shapes(384, "test");
  const std::vector<int> widths{16, 32, 32};
  // Colours are the classes, so the views keep theirs.
  auto views = simclr(side, 0.0, false);
  for (auto* view : {&views.first, &views.second})
    view->step<RandomGrayscale>().p = 0, view->crop_step().area.low = 0.3;
  auto method =
      sup_con(encoder(widths, seeded(1)), views, {.loss = {.temperature = 0.2}, .dimension = 32}, Rng(seeded(1)));
  Sgd optimizer(parameter_groups(method.online), {.momentum = 0.9});
  Loader loader(train, views, {.batch = 64, .seed = seeded(1), .threads = 0});
  for (int epoch = 0; epoch < 12; ++epoch)
    for (loader.start(epoch); auto batch = loader.next();) {
      method.loss(batch->views).backward();
      optimizer.step(0.05);
      optimizer.clear_grad();
    }

  const AnyDataset labelled = labelled_share(train, 0.05, seeded(3));  // five of each colour
  CHECK(labelled.size() == 40);
  const Tensor one = Tensor::zeros(centre().views()[0].shape(1));
  const FineTuneOptions options{.lr = 0.02, .epochs = 40, .batch = 20, .seed = seeded(0), .threads = 0};
  FineTuneOptions afresh = options;  // random weights need a higher rate
  afresh.lr = 0.05;
  auto teacher = make_classifier(method.encoder(), first_layers(method.online.projector), 8, one);
  const double tuned = fine_tune(teacher, labelled, centre(), test, centre(), options).top1;
  auto probe = make_classifier(method.encoder(), Identity{}, 8, one);
  FineTuneOptions linear = options;
  linear.linear_only = true, linear.lr = 0.5;
  const double frozen = fine_tune(probe, labelled, centre(), test, centre(), linear).top1;
  auto scratch = make_classifier(encoder(widths, seeded(1)), Identity{}, 8, one);
  const double alone = fine_tune(scratch, labelled, centre(), test, centre(), afresh).top1;
  check_above("few labels: fine-tuned less from scratch", tuned - alone, 0.1);
  check_above("few labels: linear less from scratch", frozen - alone, 0);

  auto student = make_classifier(encoder({8, 16}, seeded(7)), Identity{}, 8, one);
  DistilOptions distilling{.training = options};
  distilling.training.epochs = 24, distilling.training.batch = 64, distilling.training.lr = 0.1;
  const double taught = distil(teacher, student, train, centre(), test, centre(), distilling).top1;
  auto untaught = make_classifier(encoder({8, 16}, seeded(7)), Identity{}, 8, one);
  const double small = fine_tune(untaught, labelled, centre(), test, centre(), afresh).top1;
  check_above("few labels: student of the teacher less of the labels", taught - small, 0.1);
  check_above("few labels: student less the teacher's network from scratch", taught - alone, 0.1);
}
