// SPDX-License-Identifier: MIT
#include "contrastive/augment/recipes.hpp"
#include "contrastive/methods/byol.hpp"
#include "contrastive/methods/moco_v2.hpp"
#include "contrastive/methods/simclr.hpp"
#include "contrastive/methods/simsiam.hpp"
#include "contrastive/optim/lars.hpp"
#include "contrastive/optim/sgd.hpp"
#include "contrastive/train/gradient_cache.hpp"
#include "contrastive/train/schedules.hpp"
#include "methods/tanh_body.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

/// Ours "encoder.body.weight", "projector.0.weight" as the official "body.weight", "fc.0.weight" ("fc.weight" in v1).
std::string official(std::string name, bool v1) {
  if (name.starts_with("encoder.")) return name.substr(8);
  return v1 ? "fc." + name.substr(std::string("projector.0.").size())
            : "fc." + name.substr(std::string("projector.").size());
}

template <class M>
void check_moco(M& method, const Golden& g, bool v1) {
  move_to(method, Device::cpu, DType::f64);
  const auto each = [&](auto& module, const std::string& prefix, auto&& f) {
    each_parameter(module, [&](const std::string& name, Parameter& p) { f(g.tensor(prefix + official(name, v1)), p); });
  };
  each(method.online, "q_init.", [](const Tensor& from, Parameter& p) { p.copy_from(from); });
  each(method.target, "k_init.", [](const Tensor& from, Parameter& p) { p.copy_from(from); });
  const int axes[] = {1, 0};
  method.objective.queue.keys.copy_from(permute(g.tensor("queue_init"), axes));
  Sgd optimizer(parameter_groups(method.online), {.momentum = 0});
  for (int step = 0; step < 4; ++step) {
    const std::string at = "_" + std::to_string(step);
    Views views;
    views.view = {g.tensor("x_q" + at), g.tensor("x_k" + at)};
    views.globals = 2;
    const Tensor loss = method.loss(views);
    loss.backward();
    CHECK(largest_difference(loss, g.tensor("loss" + at)) < 1e-10);
    each(method.online, "grad" + at + ".",
         [&](const Tensor& want, Parameter& p) { CHECK(largest_difference(p.grad(), want) < 1e-10); });
    each(method.target, "k_after" + at + ".",
         [&](const Tensor& want, Parameter& p) { CHECK(largest_difference(p, want) < 1e-10); });
    CHECK(largest_difference(permute(method.objective.queue.keys, axes), g.tensor("queue_after" + at)) < 1e-10);
    CHECK(method.objective.queue.pointer.item() == g.tensor("ptr_after" + at).to(DType::f64).item());
    optimizer.step(0.1);
    optimizer.clear_grad();
  }
}

auto noisy_views() { return simclr_cifar(12); }

}  // namespace

TEST_CASE("MoCo's four frozen steps: EMA before the keys, loss, gradients, queue and pointer") {
  {
    Mlp head(5, {{.out = 4, .norm = false, .relu = false}}, Rng(1));
    Method v1(TanhBody{}, head, Identity{}, QueueInfoNce{0.07, Queue(12, 4, Rng(2))}, noisy_views(),
              Momentum{.momentum = 0.99, .update = MomentumUpdate::before_keys});
    check_moco(v1, load_golden("moco_v1.safetensors"), true);
  }
  auto v2 =
      moco_v2(TanhBody{}, noisy_views(), {.temperature = 0.2, .momentum = 0.99, .queue = 12, .dimension = 4}, Rng(1));
  check_moco(v2, load_golden("moco_v2.safetensors"), false);
}

TEST_CASE("SimSiam's frozen model: loss, gradients, and running statistics in the order of the views") {
  const Golden g = load_golden("simsiam.safetensors");
  auto method = simsiam(TanhBody{}, noisy_views(), {.dimension = 8, .bottleneck = 3, .projector_layers = 3}, Rng(1));
  move_to(method, Device::cpu, DType::f64);
  // Ours "projector.0.weight", the official "encoder.fc.0.weight"; body and predictor have the same names.
  const auto their = [](const std::string& name) {
    return name.starts_with("projector.") ? "encoder.fc." + name.substr(10) : name;
  };
  each_parameter(method,
                 [&](const std::string& name, Parameter& p) { p.copy_from(g.tensor("model.param." + their(name))); });
  Views views;
  views.view = {g.tensor("model.x1"), g.tensor("model.x2")};
  views.globals = 2;
  const Tensor loss = method.loss(views);
  loss.backward();
  CHECK(largest_difference(loss, g.tensor("model.loss")) < 1e-10);
  each_parameter(method, [&](const std::string& name, Parameter& p) {
    INFO(name);
    if (g.has("model.grad." + their(name)))
      CHECK(largest_difference(p.grad(), g.tensor("model.grad." + their(name))) < 1e-10);
    else
      CHECK_FALSE(p.grad().defined());  // the bias before a norm, which is frozen
  });
  int buffers = 0;
  each_buffer(method, [&](const std::string& name, Buffer& buffer) {
    INFO(name);
    CHECK(largest_difference(buffer, g.tensor("model.buffer_after." + their(name))) < 1e-10);
    ++buffers;
  });
  CHECK(buffers == 12);
}

struct OneParameter {
  Parameter value;
  Tensor operator()(const Tensor& x) const { return x; }
  template <class F>
  void members(F&& f) {
    f("value", value);
  }
};

TEST_CASE("MoCo v3's views: BYOL's strengths, Pillow's blur, the flip last, crops from 0.2 or for ViTs 0.08") {
  const auto views = moco_v3();
  for (const MocoV3View* view : {&views.first, &views.second}) {
    CHECK(view->crop_step().area.low == 0.2);
    CHECK(view->crop_step().filter == Filter::bilinear);
    const auto& jitter = view->step<RandomApply<ColorJitter>>();
    CHECK(jitter.p == 0.8);
    CHECK(jitter.step.saturation == 0.2);
    CHECK_FALSE(jitter.step.additive);
    CHECK(view->step<RandomFlip>().p == 0.5);
  }
  CHECK(views.first.step<RandomApply<PillowBlur>>().p == 1.0);
  CHECK(views.first.step<RandomSolarize>().p == 0.0);
  CHECK(views.second.step<RandomApply<PillowBlur>>().p == 0.1);
  CHECK(views.second.step<RandomSolarize>().p == 0.2);
  CHECK(moco_v3(32, 0.08).second.crop_step().area.low == 0.08);
  CHECK(moco_v3(32).views().size() == 2);
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
      byol([](Rng) { return TanhBody{}; }, noisy_views(), {.hidden = 7, .dimension = 4, .momentum = 0.9}, Rng(1));
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

TEST_CASE("MoCo's target moves before the keys, BYOL's after the step; neither takes a gradient") {
  Views views;
  for (std::uint64_t v = 0; v < 2; ++v) views.view.push_back(init::normal({4, 6}, 1, Rng(v)));
  views.globals = 2;
  const auto first = [](auto& module) {
    double value = 0;
    each_parameter(module, [&](const std::string&, Parameter& p) {
      if (value == 0) value = p.data<float>()[0];
    });
    return value;
  };
  for (const MomentumUpdate update : {MomentumUpdate::before_keys, MomentumUpdate::after_step}) {
    Mlp head(5, {{.out = 4, .norm = false, .relu = false}}, Rng(1));
    Method method(TanhBody{}, head, Identity{}, ByolRegression{}, noisy_views(),
                  Momentum{.momentum = 0.5, .update = update});
    each_parameter(method.online, [](const std::string&, Parameter& p) { p.data<float>()[0] += 1; });
    const double start = first(method.target);
    method.loss(views).backward();
    CHECK(first(method.target) == Approx(update == MomentumUpdate::before_keys ? start + 0.5 : start));
    method.after_step({});
    CHECK(first(method.target) == Approx(start + 0.5));
    each_parameter(method.target, [](const std::string&, Parameter& p) { CHECK_FALSE(p.grad().defined()); });
  }
}

TEST_CASE("a queue wraps where batches end and refuses what does not divide it") {
  Queue queue(6, 2, Rng(0));
  for (int i = 0; i < 4; ++i) queue.enqueue(Tensor::full({2, 2}, i));
  CHECK(queue.pointer.item() == 2);
  CHECK(queue.keys.data<float>()[0] == 3);
  CHECK(queue.keys.data<float>()[4] == 1);
  CHECK_THROWS_WITH(queue.enqueue(Tensor::full({4, 2}, 0)), Contains("4 does not divide 6"));
  // As a damaged checkpoint would leave it.
  queue.pointer.copy_from(Tensor::full({}, -3, DType::i64));
  CHECK_THROWS_WITH(queue.enqueue(Tensor::full({2, 2}, 0)), Contains("2 keys do not fit at row -3 of 6"));
}

TEST_CASE("split batch norm equals lightly's, whose groups are every G-th image") {
  const Golden g = load_golden("split_batchnorm.safetensors");
  const std::int64_t groups = 4, N = 8;
  std::vector<std::int64_t> order, back(N);
  for (std::int64_t group = 0; group < groups; ++group)
    for (std::int64_t n = group; n < N; n += groups) order.push_back(n);
  for (std::int64_t i = 0; i < N; ++i) back[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = i;
  const auto index = [&](const std::vector<std::int64_t>& at) { return Tensor::from<std::int64_t>(at, {N}); };
  const int nhwc[] = {0, 2, 3, 1};
  BatchNorm norm(3, {.groups = groups});
  move_to(norm, Device::cpu, DType::f64);
  norm.weight.copy_from(g.tensor("weight"));
  norm.bias.copy_from(g.tensor("bias"));
  Tensor x = permute(g.tensor("x"), nhwc);
  x.set_requires_grad(true);
  const Tensor y = gather(norm(gather(x, index(order))), index(back));
  CHECK(largest_difference(y, permute(g.tensor("y_train"), nhwc)) < 1e-10);
  y.backward(permute(g.tensor("upstream"), nhwc));
  CHECK(largest_difference(x.grad(), permute(g.tensor("grad_x"), nhwc)) < 1e-10);
  CHECK(largest_difference(norm.weight.grad(), g.tensor("grad_weight")) < 1e-10);
  CHECK(largest_difference(norm.bias.grad(), g.tensor("grad_bias")) < 1e-10);
  const Eval eval;
  CHECK(largest_difference(norm(permute(g.tensor("x_eval"), nhwc)),
                           permute(g.tensor("y_eval_after_one_train_step"), nhwc)) < 1e-10);
}

TEST_CASE("a batch in chunks has the gradients of the whole") {
  const auto method_of = [](auto make) {
    auto method = make();
    move_to(method, Device::cpu, DType::f64);
    return method;
  };
  Views views;
  for (int v = 0; v < 2; ++v) {
    views.view.push_back(Tensor({8, 6}, DType::f64));
    Stream stream(Rng(4) / static_cast<std::uint64_t>(v));
    for (double& x : views.view.back().span<double>()) x = stream.normal();
  }
  views.globals = 2;
  const auto gradients = [&](auto& method, std::int64_t chunks) {
    clear_gradients(method);
    std::vector<Tensor> grads{backward_in_chunks(method, views, {0, 10}, chunks)};
    each_parameter(method.online, [&](const std::string&, Parameter& p) { grads.push_back(p.grad().clone()); });
    return grads;
  };
  const auto head = [] {
    return Mlp(5, {{.out = 7, .norm = false}, {.out = 4, .norm = false, .relu = false}}, Rng(1));
  };
  const auto compare = [&](auto make) {
    auto whole = method_of(make), parts = method_of(make);
    const auto want = gradients(whole, 1), got = gradients(parts, 4);
    for (std::size_t i = 0; i < want.size(); ++i) CHECK(largest_difference(got[i], want[i]) < 1e-12);
  };
  compare([&] { return Method(TanhBody{}, head(), Identity{}, NtXent{0.3}, noisy_views(), Shared{}); });
  compare([&] {
    return Method(TanhBody{}, head(), Identity{}, QueueInfoNce{0.2, Queue(16, 4, Rng(2))}, noisy_views(),
                  Momentum{.momentum = 0.9, .update = MomentumUpdate::before_keys});
  });
  compare([&] {
    return Method(TanhBody{}, head(), Mlp(4, {{.out = 4, .norm = false, .relu = false}}, Rng(3)), SimsiamCosine{},
                  noisy_views(), StopGradient{});
  });
  compare([&] {
    return Method(TanhBody{}, head(), Mlp(4, {{.out = 4, .norm = false, .relu = false}}, Rng(3)), ByolRegression{},
                  noisy_views(), Momentum{});
  });
  auto odd = method_of([&] { return Method(TanhBody{}, head(), Identity{}, NtXent{0.3}, noisy_views(), Shared{}); });
  CHECK_THROWS_WITH(backward_in_chunks(odd, views, {0, 10}, 3), Contains("3 chunks do not divide a batch of 8"));
}

TEST_CASE("in chunks, running statistics of both branches move once a chunk, as in one pass over the chunks") {
  Views views;
  for (std::uint64_t v = 0; v < 2; ++v) views.view.push_back(init::normal({8, 6}, 1, Rng(v)));
  views.globals = 2;
  const auto check = [&](auto whole, int buffers) {
    auto parts = clone(whole);
    for (std::int64_t c = 0; c < 2; ++c) {
      const NoGrad no_grad;
      whole.embed(detail::chunk_of(views, c * 4, c * 4 + 4));
    }
    backward_in_chunks(parts, views, {0, 10}, 2);
    std::vector<Tensor> want;
    each_buffer(whole, [&](const std::string&, Buffer& b) { want.push_back(b); });
    std::size_t i = 0;
    each_buffer(parts, [&](const std::string& name, Buffer& b) {
      INFO(name);
      CHECK(largest_difference(b, want[i++]) == 0);
      // SimCLR takes both views in one pass, BYOL one after the other.
      if (name.ends_with("num_batches_tracked")) CHECK(b.item() == (whole.views_together ? 2 : 4));
    });
    CHECK(i == static_cast<std::size_t>(buffers));
  };
  check(simclr(TanhBody{}, noisy_views(), {.dimension = 4}, Rng(1)), 2 * 3);
  // Projector and predictor, and the target's projector.
  check(byol([](Rng) { return TanhBody{}; }, noisy_views(), {.hidden = 7, .dimension = 4}, Rng(1)), 3 * 3);
}
