// SPDX-License-Identifier: MIT

// What would go wrong without a word is said: a run whose place is not known, a part that nobody names.

#include "contrastive/encoders/patch_encoder.hpp"
#include "contrastive/methods/byol.hpp"
#include "contrastive/methods/cmc.hpp"
#include "contrastive/methods/cpc.hpp"
#include "contrastive/methods/dino.hpp"
#include "contrastive/methods/instdisc.hpp"
#include "contrastive/methods/moco_v2.hpp"
#include "contrastive/methods/moco_v3.hpp"
#include "contrastive/methods/simclr.hpp"
#include "contrastive/methods/swav.hpp"
#include "contrastive/train/gradient_cache.hpp"
#include "methods/on_shapes.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

template <class M>
Views some_views(const M& method, std::int64_t N = 8) {
  Loader loader(Shapes(16, 12, "shape", 0, "train"), method.augment,
                {.batch = static_cast<std::size_t>(N), .seed = 3, .threads = 1});
  loader.start(0);
  return loader.next()->views;
}

const auto over_the_run = Contains(
    "[progress] this method follows a schedule over the whole run: expected "
    "Progress{.step = ..., .steps = ...}");
const auto by_epochs = Contains(
    "[progress] this method follows a schedule by epochs: expected Progress{.step = ..., "
    ".steps_per_epoch = ...}");
const auto each_step = Contains("[progress] this method draws anew in each step: pass Progress{.step = ...}");

}  // namespace

TEST_CASE("a schedule is not followed in the dark") {
  CHECK(Progress{3, 6, 2}.fraction() == 0.5);
  CHECK(Progress{3, 6, 2}.epoch() == 1.5);
  CHECK(Progress{6, 6, 2}.fraction() == 1);
  CHECK_THROWS_WITH(Progress{.step = 5}.fraction(), over_the_run && Contains("got step 5, steps 0"));
  CHECK_THROWS_WITH(Progress{.steps = 5}.fraction(), over_the_run);
  CHECK_THROWS_WITH((Progress{.step = 5, .steps = 10}.epoch()), by_epochs);
  // BYOL's official rate is asked for past the end, too.
  CHECK(Progress{.step = 5, .steps = 4}.fraction() == 1.25);

  const Momentum rising{.momentum = 0.9, .to_one = true}, steady{.momentum = 0.9};
  CHECK(rising.at({.step = 5, .steps = 10}) == Approx(0.95));
  CHECK_THROWS_WITH(rising.at({.step = 5}), over_the_run);
  CHECK(steady.at({.step = 5}) == 0.9);
  CHECK(steady.at({}) == 0.9);
}

TEST_CASE("methods with a schedule ask where the run stands, others do not") {
  const auto augment = simclr_cifar(12);
  SECTION("MoCo v3, whose keys' encoder moves in the forward pass") {
    auto method = moco_v3(tiny_encoder(Rng(1)), augment, {.hidden = 16, .dimension = 8}, Rng(1));
    const Views views = some_views(method);
    CHECK_THROWS_WITH(method.loss(views, {.step = 5}), over_the_run);
    CHECK_THROWS_WITH(method.loss(views), over_the_run);
    const Tensor before = method.target.tower().projector.layers[0].linear.weight.clone();
    Sgd optimizer(parameter_groups(method));
    for (const std::int64_t step : {4, 5}) {
      method.loss(views, {.step = step, .steps = 10}).backward();
      optimizer.step(1);
      optimizer.clear_grad();
    }
    double moved = 0;
    const Tensor after = method.target.tower().projector.layers[0].linear.weight;
    for (std::int64_t i = 0; i < after.count(); ++i)
      moved += std::abs(after.data<float>()[i] - before.data<float>()[i]);
    CHECK(moved > 0);
  }
  SECTION("BYOL, whose target moves after the step") {
    auto method = byol(tiny_encoder, augment, {.hidden = 16, .dimension = 8}, Rng(1));
    method.loss(some_views(method), {.step = 5}).backward();
    CHECK_THROWS_WITH(method.after_step({.step = 5}), over_the_run);
    CHECK_THROWS_WITH(method.after_step({}), over_the_run);
    CHECK_NOTHROW(method.after_step({.step = 5, .steps = 10}));
  }
  SECTION("DINO") {
    const DinoConfig config{.outputs = 16, .hidden = 16, .bottleneck = 8, .batch_norm = true};
    auto method = dino(tiny_encoder(Rng(1)), augment, config, Rng(1));
    method.loss(some_views(method), {.step = 5}).backward();
    CHECK_THROWS_WITH(method.before_update({.step = 5, .steps = 10}), by_epochs);
    CHECK_NOTHROW(method.before_update({.step = 5, .steps_per_epoch = 10}));
    CHECK_THROWS_WITH(method.after_step({.step = 5}), over_the_run);
    DinoConfig warming = config;
    warming.teacher_temperature.warmup = 3;
    auto warm = dino(tiny_encoder(Rng(1)), augment, warming, Rng(1));
    CHECK_THROWS_WITH(warm.loss(some_views(warm), {.step = 5, .steps = 10}), by_epochs);
  }
  SECTION("SwAV") {
    const SwavConfig config{.hidden = 16, .dimension = 8, .prototypes = 6, .queue = 16};
    auto method = swav(tiny_encoder(Rng(1)), augment, config, Rng(1));
    CHECK_THROWS_WITH(method.loss(some_views(method), {.step = 5}), by_epochs);
    method.loss(some_views(method), {.step = 5, .steps_per_epoch = 10}).backward();
    CHECK_THROWS_WITH(method.before_update({.step = 5}), by_epochs);
  }
  SECTION("SimCLR") {
    auto method = simclr(tiny_encoder(Rng(1)), augment, {.dimension = 8}, Rng(1));
    CHECK(std::isfinite(method.loss(some_views(method)).item()));
    method.before_update({});
    method.after_step({});
  }
}

TEST_CASE("methods that draw anew in each step ask which step it is") {
  SECTION("CPC") {
    const PatchEncoder<PreactResNet> patches{
        {4, 4}, PreactResNet({.blocks = {1, 1}, .bottleneck = false, .width = 8, .stem = 3}, Rng(5))};
    auto method = cpc<PixelCnn>(patches, cpc(12, 12), {.steps = 1, .skip = 0, .negatives = 4, .context = 8}, Rng(5));
    const Views views = some_views(method);
    CHECK_THROWS_WITH(method.loss(views), each_step);
    const double one = method.loss(views, {.step = 0}).item(), two = method.loss(views, {.step = 1}).item();
    CHECK(one != two);
  }
  SECTION("InstDisc") {
    const InstDiscConfig config{.pictures = 16, .negatives = 4, .dimension = 8};
    auto method = instdisc(tiny_encoder(Rng(1)), simclr_cifar(12), config, Rng(1));
    CHECK_THROWS_WITH(method.loss(some_views(method)), each_step);
    CHECK(std::isfinite(method.loss(some_views(method), {.step = 0}).item()));
  }
  SECTION("CMC") {
    const SplitChannels split(
        {1, 2},
        [](int channels, Rng rng) {
          return ConvNet(channels, {8, 16, 32}, rng);
        },
        Rng(5));
    auto method = cmc(split, cmc(12), {.pictures = 16, .negatives = 4, .dimension = 8}, Rng(5));
    CHECK_THROWS_WITH(method.loss(some_views(method)), each_step);
  }
  SECTION("the order of MoCo's keys") {
    const MocoConfig config{.queue = 64, .dimension = 8, .groups = 2};
    auto method = moco_v2(tiny_encoder(Rng(1)), simclr_cifar(12), config, Rng(1));
    CHECK_THROWS_WITH(method.loss(some_views(method)), each_step);
    CHECK(std::isfinite(method.loss(some_views(method), {.step = 0}).item()));
  }
}

namespace {

/// A head whose `members` leaves its second layer out.
struct Forgetful {
  Linear first, second;
  explicit Forgetful(Rng rng) : first(32, 16, rng / "first"), second(16, 8, rng / "second") {}
  Tensor operator()(const Tensor& x) const { return second(first.relu(x)); }
  template <class F>
  void members(F&& f) {
    f("first", first);
  }
};

/// The same, deeper: within a module that names it.
struct Outer {
  Forgetful inner;
  Tensor operator()(const Tensor& x) const { return inner(x); }
  template <class F>
  void members(F&& f) {
    f("inner", inner);
  }
};

struct Aligned {
  Tensor operator()(const Embeddings& z) const { return mean(square(z.online[0] - z.online[1])); }
};

}  // namespace

TEST_CASE("a trained tensor that no `members` names is found at the first step") {
  const auto unnamed = Contains(
      "[method] a tensor of shape (8, 16) wants a gradient of this loss, but no `members` "
      "names it");
  const auto augment = simclr_cifar(12);
  Method direct(tiny_encoder(Rng(1)), Forgetful(Rng(2)), Identity{}, Aligned{}, augment, Shared{});
  const Views views = some_views(direct);
  CHECK_THROWS_WITH(direct.loss(views), unnamed);
  CHECK_THROWS_WITH(backward_in_chunks(direct, views, {}, 1), unnamed);
  Method nested(tiny_encoder(Rng(1)), Outer{Forgetful(Rng(2))}, Identity{}, Aligned{}, augment, Shared{});
  CHECK_THROWS_WITH(nested.loss(views), unnamed);

  // What stands still need not be named, and the views are the caller's.
  Method still(tiny_encoder(Rng(1)), Forgetful(Rng(2)), Identity{}, Aligned{}, augment, Shared{});
  still.online.projector.second.weight.set_requires_grad(false);
  still.online.projector.second.bias.set_requires_grad(false);
  Views asked = views;
  asked.view[0] = asked.view[0].clone();
  asked.view[0].set_requires_grad(true);
  still.loss(asked).backward();
  CHECK(asked.view[0].grad().defined());
}
