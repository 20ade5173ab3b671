// SPDX-License-Identifier: MIT

#include "contrastive/optim/schedule.hpp"

#include <cmath>
#include <string>

#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

/// Compares `schedule(i)` with each number of a golden tensor.
template <class F>
void check_schedule(const Golden& golden, const std::string& name, double tolerance, F&& schedule) {
  const Tensor expected = golden.tensor(name).to(DType::f64);
  for (std::int64_t i = 0; i < expected.count(); ++i) {
    INFO(name << " at " << i);
    CHECK(std::abs(schedule(i) - expected.data<double>()[i]) <=
          tolerance * std::abs(expected.data<double>()[i]) + 1e-12);
  }
}

}  // namespace

TEST_CASE("schedules of SimCLR, with both scaling rules", "[optim]") {
  const Golden golden = load_golden("simclr_schedule.safetensors");
  check_schedule(golden, "lr_float64_linear", 1e-12, [](std::int64_t step) {
    return warmup_cosine(static_cast<double>(step), {.peak = linear_scaling(0.3, 64), .steps = 40, .warmup = 7});
  });
  check_schedule(golden, "lr_float64_sqrt", 1e-12, [](std::int64_t step) {
    return warmup_cosine(static_cast<double>(step), {.peak = sqrt_scaling(0.3, 64), .steps = 40, .warmup = 7});
  });
}

TEST_CASE("schedules of BYOL, past the end too", "[optim]") {
  const Golden golden = load_golden("byol_schedules.safetensors");
  check_schedule(golden, "lr", 1e-6, [](std::int64_t step) {  // float32 in the official code
    return warmup_cosine(static_cast<double>(step), {.peak = linear_scaling(0.2, 512), .steps = 50, .warmup = 6});
  });
  check_schedule(golden, "tau", 1e-12,
                 [](std::int64_t step) { return cosine(0.99, 1, static_cast<double>(step) / 50); });
}

TEST_CASE("schedules of MoCo v3 by fractions of an epoch", "[optim]") {
  const Golden golden = load_golden("moco_v3.safetensors");
  const Tensor epoch = golden.tensor("schedule.epoch");
  check_schedule(golden, "schedule.lr", 1e-12, [&](std::int64_t i) {
    return warmup_cosine(epoch.data<double>()[i], {.peak = 1.5, .steps = 10, .warmup = 2});
  });
  check_schedule(golden, "schedule.momentum", 1e-12,
                 [&](std::int64_t i) { return cosine(0.99, 1, epoch.data<double>()[i] / 10); });
}

TEST_CASE("schedules of MoCo, SimSiam, MAE, Barlow Twins and VICReg", "[optim]") {
  const Golden golden = load_golden("schedules.safetensors");
  const auto epoch = [](std::int64_t i) { return static_cast<double>(i); };
  check_schedule(golden, "moco_cos", 1e-12, [&](std::int64_t i) { return cosine(0.03, 0, epoch(i) / 20); });
  check_schedule(golden, "moco_step", 1e-12, [&](std::int64_t i) { return step_decay(epoch(i), 0.03, {12, 16}); });
  check_schedule(golden, "simsiam_encoder_predictor", 1e-12,
                 [&](std::int64_t i) { return i % 2 ? 0.05 : cosine(0.05, 0, epoch(i / 2) / 20); });
  check_schedule(golden, "mae", 1e-12, [&](std::int64_t i) {
    return (i % 2 ? 0.5 : 1) * warmup_cosine(epoch(i / 2) / 5, {.peak = 1e-3, .steps = 6, .warmup = 2, .end = 1e-6});
  });
  const auto barlow = [&](double base) {
    return [=](std::int64_t i) {
      const double peak = linear_scaling(base, 512);
      return warmup_cosine(static_cast<double>(i), {.peak = peak, .steps = 80, .warmup = 50, .end = peak * 0.001});
    };
  };
  check_schedule(golden, "barlow_weights", 1e-12, barlow(0.2));
  check_schedule(golden, "barlow_biases", 1e-12, barlow(0.0048));
  check_schedule(golden, "vicreg", 1e-12, barlow(0.2));
  check_schedule(golden, "lightly_cosine", 1e-12, [&](std::int64_t i) { return cosine(0.99, 1, epoch(i) / 19); });
}

TEST_CASE("a schedule's corners", "[optim]") {
  CHECK(warmup_cosine(0, {.peak = 2, .steps = 5}) == 2);
  CHECK(warmup_cosine(5, {.peak = 2, .steps = 5, .warmup = 5}) == 0);  // a run that is all warm-up
  CHECK(warmup_cosine(100, {.peak = 2, .steps = 5, .end = 0.5}) == 0.5);
  CHECK(warmup_cosine(1, {.peak = 2, .steps = 8, .warmup = 4, .start = 1}) == 1.25);
  CHECK_THROWS_WITH(warmup_cosine(0, {.peak = 1, .steps = 5, .warmup = 6}), Contains("[warmup_cosine]"));
  CHECK_THROWS_WITH(warmup_cosine(3, {.peak = 1}), Contains("[warmup_cosine] expected the number of steps of the run"));
}
