// SPDX-License-Identifier: MIT
#include "contrastive/train/schedules.hpp"

#include <cmath>

#include "contrastive/augment/recipes.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/methods/dino.hpp"
#include "contrastive/methods/simclr.hpp"
#include "contrastive/methods/vicreg.hpp"
#include "contrastive/train/any_method.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

Settings hundred_epochs() {
  Settings s;
  s.epochs = 100;
  s.batch = 512;
  s.lr = 0.1;
  return s;
}
Progress at(double epoch) { return {std::llround(epoch * 10), 1000, 10}; }

}  // namespace

TEST_CASE("the learning rate warms up, then falls by a cosine, by steps or not at all", "[train]") {
  Settings s = hundred_epochs();
  s.warmup_epochs = 10;
  s.warmup_lr = 0.02;
  s.lr_end = 0.004;
  CHECK(learning_rate(s, at(0)) == Approx(0.02));
  CHECK(learning_rate(s, at(5)) == Approx(0.11));
  CHECK(learning_rate(s, at(10)) == Approx(0.2));
  CHECK(learning_rate(s, at(55)) == Approx(0.102));
  CHECK(learning_rate(s, at(100)) == Approx(0.004));
  CHECK(learning_rate(s, at(55.5)) < learning_rate(s, at(55)));
  s.epoch_schedule = true;
  CHECK(learning_rate(s, at(55.5)) == learning_rate(s, at(55)));

  s = hundred_epochs();
  s.schedule = "step";
  s.milestones = "60,80";
  CHECK(learning_rate(s, at(59.9)) == Approx(0.2));
  CHECK(learning_rate(s, at(60)) == Approx(0.02));
  CHECK(learning_rate(s, at(99)) == Approx(0.002));
  s.schedule = "constant";
  CHECK(learning_rate(s, at(99)) == Approx(0.2));
  s.milestones = "60,";
  CHECK(milestones_of(s).size() == 1);
  s.milestones = "60,x";
  CHECK_THROWS_AS(milestones_of(s), Error);
}

TEST_CASE("weight decay stays, or follows half a cosine", "[train]") {
  Settings s = hundred_epochs();
  s.weight_decay = 0.04;
  CHECK(weight_decay(s, at(70)) == 0.04);
  s.weight_decay_end = 0.4;
  CHECK(weight_decay(s, at(0)) == Approx(0.04));
  CHECK(weight_decay(s, at(50)) == Approx(0.22));
  CHECK(weight_decay(s, at(100)) == Approx(0.4));
}

TEST_CASE("a method without its type has the method's tensors, groups and losses", "[train]") {
  const auto net = [] { return ConvNet(3, {8, 8}, Rng(1)); };
  auto method = simclr(net(), simclr_cifar(8), {.dimension = 8}, Rng(2));
  const AnyMethod any = AnyMethod::refer(method);
  CHECK(any.state().size() == handles(method).size());
  std::size_t tower = 0;
  CHECK(any.parameter_groups({}, tower).size() == 1);
  CHECK(tower == 1);
  Views views = allocate_views(method.augment, 8);
  for (Tensor& view : views.view) view.copy_from(init::normal(view.shape(), 1, Rng(view.count())));
  const double loss = any.backward(views, {}, 1).item();
  clear_gradients(method);
  CHECK(method.loss(views).item() == loss);
  clear_tape();
  const Tensor deep = any.encode(views.view[0], 1);
  CHECK(deep.shape() == Shape{8, 8});
  clear_tape();
  CHECK(any.encode(views.view[0]).shape() == Shape{8, 8});
  clear_tape();
  CHECK_FALSE(any.assignments(any.embed(views)[0]).defined());

  // DINO's outputs are distributions, and its teacher is what evaluation sees.
  auto teacher = dino(net(), simclr_cifar(8), {.outputs = 12, .hidden = 8, .bottleneck = 8}, Rng(3));
  const AnyMethod distilled = AnyMethod::refer(teacher);
  CHECK(distilled.evaluates_target());
  const Tensor sums = sum(distilled.assignments(distilled.embed(views)[0]), 1);
  for (const float total : sums.span<float>()) CHECK(total == Approx(1).epsilon(1e-5));

  // Where the loss does not see the mean, the watch does not either.
  auto centred = vicreg(net(), simclr_cifar(8), {.dimension = 8}, Rng(4));
  const Tensor mean_of = mean(AnyMethod::refer(centred).embed(views)[0], 0);
  for (const float m : mean_of.span<float>()) CHECK(std::abs(m) < 1e-5);
}
