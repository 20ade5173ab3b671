// SPDX-License-Identifier: MIT

// BYOL: frozen loss, target and steps, embeddings without batch statistics, one batch,
// and what its predictor keeps it from.

#include "contrastive/methods/byol.hpp"
#include "contrastive/encoders/vit.hpp"
#include "contrastive/eval/spectrum.hpp"
#include "contrastive/optim/adamw.hpp"
#include "contrastive/optim/lars.hpp"
#include "contrastive/train/schedules.hpp"
#include "methods/on_shapes.hpp"
#include "methods/support.hpp"

using namespace contrastive;

namespace {

struct OneParameter {
  Parameter value;
  Tensor operator()(const Tensor& x) const { return x; }
  template <class F>
  void members(F&& f) {
    f("value", value);
  }
};

}  // namespace

TEST_CASE("BYOL's objective equals the official loss: each view against the target of the other") {
  const Golden g = load_golden("byol_loss.safetensors");
  for (const auto& [dtype, tolerance, floor] : cases) {
    const Tensor p1 = leaf(g.tensor("p1"), dtype), p2 = leaf(g.tensor("p2"), dtype);
    const Tensor z1 = leaf(g.tensor("z1"), dtype), z2 = leaf(g.tensor("z2"), dtype);
    const Tensor loss = ByolRegression{}(batch_of({p1, p2}, {z1, z2}));
    loss.backward();
    check_close(loss, g.tensor("loss"), tolerance, floor);
    check_close(p1.grad(), g.tensor("grad_p1"), tolerance, floor);
    check_close(p2.grad(), g.tensor("grad_p2"), tolerance, floor);
    for (const Tensor& z : {z1, z2}) CHECK_FALSE(z.grad().defined());
  }
}

TEST_CASE("BYOL's target follows at the official rate, also past the end") {
  const Golden g = load_golden("byol_schedules.safetensors");
  const Momentum rule{.momentum = 0.99, .to_one = true};
  const auto steps = g.tensor("step").span<std::int64_t>();
  for (std::size_t i = 0; i < steps.size(); ++i)
    CHECK(std::abs(rule.at({steps[i], 50}) - g.tensor("tau").span<double>()[i]) < 1e-12);
  OneParameter online{Parameter(g.tensor("ema_online"))}, target{Parameter(g.tensor("ema_target_init").clone())};
  const auto updates = g.tensor("ema_steps").span<std::int64_t>();
  for (std::size_t i = 0; i < updates.size(); ++i) {
    momentum_update(target, online, rule.at({updates[i], 50}));
    const auto at = static_cast<std::int64_t>(i);
    CHECK(largest_difference(target.value, g.tensor("ema_target_after").slice(at, at + 1)) < 1e-12);
  }
}

TEST_CASE("BYOL's four frozen steps: loss, gradients, LARS with the rate's schedule, and then the target") {
  const Golden g = load_golden("byol_steps.safetensors");
  auto method =
      byol([](Rng) { return TanhBody{}; }, no_augment(), {.hidden = 7, .dimension = 4, .momentum = 0.9}, Rng(1));
  move_to(method, Device::cpu, DType::f64);
  const auto each = [&](auto& module, const std::string& prefix, auto&& f) {
    each_parameter(module, [&](const std::string& name, Parameter& p) {
      INFO(prefix << name);
      f(g.tensor(prefix + name), p);
    });
  };
  const auto set = [](const Tensor& from, Parameter& p) { p.copy_from(from); };
  const auto same = [](const Tensor& want, Parameter& p) { CHECK(largest_difference(p, want) < 1e-12); };
  const auto same_gradient = [](const Tensor& want, Parameter& p) {
    CHECK(largest_difference(p.grad(), want) < 1e-12);
  };
  each(method.online, "online_init.", set);
  each(method.predictor, "online_init.predictor.", set);
  each(method.target, "target_init.", set);
  const ParameterGroupOptions decay{.weight_decay = 0.05, .exclude_norm_and_bias = true};
  std::vector<ParameterGroup> groups = parameter_groups(method.online, decay);
  for (ParameterGroup& group : parameter_groups(method.predictor, decay, "predictor.")) groups.push_back(group);
  Lars optimizer(groups, lars_moco_v3());
  Settings schedule;
  schedule.lr = 3;
  schedule.batch = 8;
  schedule.epochs = 6;
  schedule.warmup_epochs = 2;
  for (std::int64_t step = 0; step < 4; ++step) {
    const std::string at = "_" + std::to_string(step);
    const Progress now{.step = step, .steps = 6, .steps_per_epoch = 1};
    Views views;
    views.view = {g.tensor("view1" + at), g.tensor("view2" + at)};
    views.globals = 2;
    const Tensor loss = method.loss(views, now);
    loss.backward();
    CHECK(largest_difference(loss, g.tensor("loss" + at)) < 1e-12);
    each(method.online, "grad" + at + ".", same_gradient);
    each(method.predictor, "grad" + at + ".predictor.", same_gradient);
    const double rate = learning_rate(schedule, now);
    CHECK(std::abs(rate - g.tensor("lr" + at).item()) < 1e-12);
    optimizer.step(rate);
    optimizer.clear_grad();
    method.after_step(now);
    each(method.online, "online_after" + at + ".", same);
    each(method.predictor, "online_after" + at + ".predictor.", same);
    each(method.target, "target_after" + at + ".", same);
  }
}

TEST_CASE("BYOL without batch statistics: a row's embeddings in both branches are those it has alone") {
  auto method =
      byol([](Rng) { return TanhBody{}; }, no_augment(), {.hidden = 32, .dimension = 4, .channel_groups = 16}, Rng(1));
  const Views views = rows_as_views(2);
  Views one = views;
  for (Tensor& view : one.view) view = view.slice(3, 4);
  const Embeddings all = method.embed(views), alone = method.embed(one);
  for (std::size_t v = 0; v < 2; ++v) {
    check_near(all.online[v].slice(3, 4), alone.online[v], 1e-5);
    check_near(all.target[v].slice(3, 4), alone.target[v], 1e-5);
  }
}

TEST_CASE("without batch statistics a vision transformer is what it was, and heads standardise") {
  ViT vit({.image_size = 8, .patch = 4, .width = 16, .depth = 1, .heads = 2}, Rng(1));
  const Tensor images = init::normal({2, 8, 8, 3}, 1, Rng(2)), before = vit(images).detach();
  without_batch_statistics(vit);
  check_near(vit(images), before, 1e-12);
  Mlp head = byol_mlp(16, {.hidden = 32, .dimension = 4}, Rng(3));
  without_batch_statistics(head);
  for (const Mlp::Layer& layer : head.layers) CHECK(layer.linear.standardize);
}

TEST_CASE("BYOL collapses without its predictor, and not with it", "[learns]") {
  const ByolConfig config{.hidden = 64, .dimension = 32, .momentum = 0.9};
  auto with = byol(tiny_encoder, simclr_cifar(12), config, Rng(seeded(6)));
  const CollapseWatch healthy = watch_on_shapes(with, 0.2, 80);
  check_healthy("BYOL", healthy);

  auto start = byol(tiny_encoder, simclr_cifar(12), config, Rng(seeded(6)));
  Method without(start.online.encoder, start.online.projector, Identity{}, ByolRegression{}, simclr_cifar(12),
                 Momentum{.momentum = config.momentum, .to_one = true});
  const CollapseWatch collapsed = watch_on_shapes(without, 0.2, 80);
  check_collapsed("BYOL without its predictor", collapsed);
}

// Group norm leaves what all pictures share in place, and behind a ReLU that is most of it: only weights whose rows sum to
// zero do not pass it on. With slow targets and a small rate what is left to tell pictures apart by then holds.
TEST_CASE("BYOL without batch statistics keeps pictures apart by standardising linear layers too", "[learns]") {
  const auto run = [](bool standardize) {
    auto method = byol(tiny_encoder, simclr_cifar(12),
                       {.hidden = 64, .dimension = 32, .momentum = 0.996, .channel_groups = 4}, Rng(seeded(6)));
    each_module<Linear>(method, [&](Linear& linear) { linear.standardize = standardize; });
    AdamW optimizer(parameter_groups(method, {.weight_decay = 1e-4, .exclude_norm_and_bias = true}));
    return train_on_shapes(method, optimizer, 1e-3, 200, [&](const Views& views) {
      return collapse_watch(method.embed(views, {}, false).online[0]);
    });
  };
  const CollapseWatch healthy = run(true), plain = run(false);
  check_above("BYOL with group norm: rank", healthy.rank, CollapseWatch::low_rank);
  check_below("BYOL with group norm: spread without standardising over that with it", plain.spread / healthy.spread, 1);
}

TEST_CASE("BYOL with group norm lowers its loss on one batch, and a copy of its state goes on with the same bits",
          "[learns]") {
  check_one_batch(
      "byol, group norm",
      [] {
        return byol([](Rng) { return TanhBody{}; }, no_augment(), {.hidden = 32, .dimension = 8, .channel_groups = 16},
                    Rng(seeded(1)));
      },
      2);
}
