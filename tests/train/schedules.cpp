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
#include "support/golden.hpp"

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

/// A run with a peak of `rate`.
Settings run_of(std::int64_t epochs, double rate, double warmup = 0, double end = 0) {
  Settings s;
  s.epochs = epochs;
  s.batch = 256;
  s.lr = rate;
  s.warmup_epochs = warmup;
  s.lr_end = end;
  return s;
}

/// What the trainer takes at each step beside the numbers of a golden tensor: one a step, or one an epoch with
/// `epoch-schedule`. Of two columns the first.
template <class F>
void check_golden(const Golden& golden, const std::string& name, const Settings& s, std::int64_t per_epoch, F&& taken,
                  double tolerance = 1e-12) {
  const Tensor& expected = golden.tensor(name);
  const std::int64_t rows = expected.size(0), columns = expected.count() / rows;
  const std::int64_t steps = s.epoch_schedule ? per_epoch : 1;
  for (std::int64_t step = 0; step < rows * steps; ++step) {
    INFO(name << " at step " << step);
    const double value = expected.data<double>()[step / steps * columns];
    CHECK(std::abs(taken(s, Progress{step, s.epochs * per_epoch, per_epoch}) - value) <=
          tolerance * std::abs(value) + 1e-15);
  }
}

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
  s.milestones = "2:0.5,4,6:0.2";
  s.decay = 0.3;
  CHECK(milestones_of(s)[1].factor == 0.3);
  CHECK(step_decay(1.9, 1, milestones_of(s)) == 1);
  CHECK(step_decay(6, 1, milestones_of(s)) == Approx(0.03));
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

TEST_CASE("the learning rate is that of the official codes", "[train]") {
  const auto check = [](const Golden& golden, const std::string& name, const Settings& s, std::int64_t per_epoch,
                        double tolerance = 1e-12) {
    check_golden(golden, name, s, per_epoch, learning_rate, tolerance);
  };
  const Golden golden = load_golden("schedules.safetensors");
  Settings s = run_of(16, 0.2, 10, 0.001 * 0.2 * 512 / 256);
  s.batch = 512;
  check(golden, "barlow_weights", s, 5);
  check(golden, "vicreg", s, 5);
  check(golden, "mae", run_of(6, 1e-3, 2, 1e-6), 5);
  s = run_of(20, 0.03);
  s.epoch_schedule = true;
  check(golden, "moco_cos", s, 5);
  s.schedule = "step";
  s.milestones = "12,16";
  check(golden, "moco_step", s, 5);
  s = run_of(20, 0.05);
  s.epoch_schedule = true;
  check(golden, "simsiam_encoder_predictor", s, 5);
  check(load_golden("moco_v3.safetensors"), "schedule.lr", run_of(10, 1.5, 2), 7);

  // Those that count steps: 40 of them with 7 of warm-up, 50 with 6; the last numbers are past the end. BYOL's code warms
  // up in float32.
  s = run_of(8, 0.3, 1.4);
  s.batch = 64;
  check(load_golden("simclr_schedule.safetensors"), "lr_float64_linear", s, 5);
  s.lr = 0.3 * std::sqrt(64) * 256 / 64;
  check(load_golden("simclr_schedule.safetensors"), "lr_float64_sqrt", s, 5);
  s = run_of(10, 0.2, 1.2);
  s.batch = 512;
  check(load_golden("byol_schedules.safetensors"), "lr", s, 5, 1e-6);
}

TEST_CASE("DINO's table reaches the peak a step before the trainer's warm-up; all else is the same", "[train]") {
  const Golden golden = load_golden("dino_schedules.safetensors");
  Settings s = run_of(6, 5e-4, 2, 1e-6);
  s.weight_decay = 0.04;
  s.weight_decay_end = 0.4;
  check_golden(golden, "lr", s, 5, [](const Settings& settings, Progress now) {
    return learning_rate(settings, now) * (now.step < 10 ? 10.0 / 9 : 1);
  });
  check_golden(golden, "wd", s, 5, weight_decay);
}

TEST_CASE("the target's momentum is that of the official codes", "[train]") {
  const auto momentum = [](double from) {
    return [from](const Settings&, Progress now) { return Momentum{.momentum = from, .to_one = true}.at(now); };
  };
  check_golden(load_golden("dino_schedules.safetensors"), "momentum", run_of(6, 1), 5, momentum(0.996));
  check_golden(load_golden("moco_v3.safetensors"), "schedule.momentum", run_of(10, 1), 7, momentum(0.99));
  check_golden(load_golden("byol_schedules.safetensors"), "tau", run_of(10, 1), 5, momentum(0.99));
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

TEST_CASE("schedules are right at both ends of what the settings take", "[train]") {
  for (const std::int64_t epochs : {std::int64_t{1}, std::int64_t{100}, std::int64_t{1000000}})
    for (const double lr : {1e-12, 1e4})
      for (const double share : {0.0, 1e-9, 0.5, 1.0})
        for (const double end : {0.0, 1e4}) {
          Settings s = run_of(epochs, lr, share * static_cast<double>(epochs), end);
          s.warmup_lr = end;
          s.batch = 1 << 20;
          const std::int64_t per_epoch = 7, steps = epochs * per_epoch;
          INFO(epochs << " epochs, rate " << lr << ", warm-up " << s.warmup_epochs << ", ends " << end);
          for (const std::int64_t step : {std::int64_t{0}, steps / 3, steps - 1}) {
            const long double peak = static_cast<long double>(lr) * s.batch / 256,
                              at = static_cast<long double>(step) / per_epoch;
            const long double warmup = s.warmup_epochs, done = (at - warmup) / (epochs - warmup);
            const long double cosine = end + (peak - end) * 0.5L * (1 + std::cos(3.14159265358979323846264L * done));
            const long double want = at < warmup ? end + (peak - end) * at / warmup : cosine;
            CHECK(std::abs(learning_rate(s, {step, steps, per_epoch}) - want) <=
                  1e-12 * std::max<long double>(peak, end));
          }
          s.schedule = "step";
          s.warmup_epochs = 0;
          s.decay = end;
          s.milestones = "0.5,1e6";
          const double peak = linear_scaling(lr, s.batch);
          CHECK(learning_rate(s, {0, steps, per_epoch}) == peak);
          CHECK(learning_rate(s, {per_epoch, steps, per_epoch}) == peak * end);
        }
  // The averages of targets and the decay of weights, at the first, the middle and the last step.
  for (const double from : {0.0, 0.99, 1.0}) {
    CHECK(cosine(from, 1, 0) == Approx(from).margin(1e-15));
    CHECK(cosine(from, 1, 0.5) == Approx((1 + from) / 2));
    CHECK(cosine(from, 1, 1) == 1);
  }
  Settings s = run_of(10, 0.1);
  s.weight_decay = 1e4;
  for (const double end : {-1.0, 0.0, 1e4}) {
    s.weight_decay_end = end;
    CHECK(weight_decay(s, {0, 100, 10}) == 1e4);
    CHECK(weight_decay(s, {100, 100, 10}) == Approx(end < 0 ? 1e4 : end).margin(1e-9));
  }
  const double nan = std::nan("");
  for (const WarmupCosine& bad : {WarmupCosine{1, 0, 0}, {1, nan, 0}, {1, 10, nan}, {1, 10, 11}, {1, 10, -1}})
    CHECK_THROWS_WITH(warmup_cosine(0, bad), Contains("[warmup_cosine] expected"));
}
