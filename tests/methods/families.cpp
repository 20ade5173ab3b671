// SPDX-License-Identifier: MIT

// SwAV, MoCo v3, DINO and their neighbours as methods: frozen models, names, first steps, what stands still at first.

#include "contrastive/augment/recipes.hpp"
#include "contrastive/encoders/vit.hpp"
#include "contrastive/methods/barlow_twins.hpp"
#include "contrastive/methods/byol.hpp"
#include "contrastive/methods/dcl.hpp"
#include "contrastive/methods/dino.hpp"
#include "contrastive/methods/moco_v2.hpp"
#include "contrastive/methods/moco_v3.hpp"
#include "contrastive/methods/nnclr.hpp"
#include "contrastive/methods/sup_con.hpp"
#include "contrastive/methods/swav.hpp"
#include "contrastive/methods/vicreg.hpp"
#include "contrastive/optim/clip.hpp"
#include "contrastive/optim/sgd.hpp"
#include "methods/tanh_body.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/golden.hpp"
#include "support/learning.hpp"

using namespace contrastive;

namespace {

void check_near(const Tensor& got, const Tensor& want, double tolerance) {
  CHECK(largest_difference(got, want) <= tolerance);
}

auto no_augment() { return simclr_cifar(12); }

/// `count` views of N rows each.
Views rows_as_views(std::size_t count, std::int64_t N = 8) {
  Views views;
  for (std::size_t v = 0; v < count; ++v) views.view.push_back(init::normal({N, 6}, 1, Rng(seeded(v))));
  views.globals = 2;
  for (std::int64_t i = 0; i < N; ++i) {
    views.sample.push_back(i);
    views.label.push_back(i / 2);
  }
  return views;
}

}  // namespace

TEST_CASE("MoCo v3's frozen model: the momentum encoder moves before the keys, 2 t times both directions") {
  const Golden g = load_golden("moco_v3.safetensors");
  auto method = moco_v3(TanhBody{}, no_augment(), {.temperature = 0.2, .hidden = 8, .dimension = 4}, Rng(1));
  move_to(method, Device::cpu, DType::f64);
  const auto their = [](const std::string& name) {  // ours "projector.0.weight", theirs "fc.0.weight"
    return name.starts_with("projector.") ? "fc." + name.substr(10) : name.substr(std::string("encoder.").size());
  };
  const auto each = [&](auto& module, const std::string& prefix, auto&& f) {
    each_parameter(module, [&](const std::string& name, Parameter& p) {
      INFO(name);
      f(g.tensor(prefix + their(name)), p);
    });
  };
  each(method.online, "model.base.", [](const Tensor& from, Parameter& p) { p.copy_from(from); });
  each(method.target, "model.momentum.", [](const Tensor& from, Parameter& p) { p.copy_from(from); });
  each_parameter(method.predictor,
                 [&](const std::string& name, Parameter& p) { p.copy_from(g.tensor("model.predictor." + name)); });
  Views views;
  views.view = {g.tensor("model.x1"), g.tensor("model.x2")};
  views.globals = 2;
  const Tensor loss = method.loss(views, {.step = 0, .steps = 70});
  loss.backward();
  check_near(loss, g.tensor("model.loss"), 1e-10);
  each(method.online, "model.grad.base.", [](const Tensor& want, Parameter& p) { check_near(p.grad(), want, 1e-10); });
  each(method.target, "model.momentum_after.", [](const Tensor& want, Parameter& p) { check_near(p, want, 1e-10); });
  each_parameter(method.predictor, [&](const std::string& name, Parameter& p) {
    check_near(p.grad(), g.tensor("model.grad.predictor." + name), 1e-10);
  });
  const auto momentum = g.tensor("schedule.momentum").span<double>(), epoch = g.tensor("schedule.epoch").span<double>();
  const Momentum rule{.momentum = 0.99, .to_one = true};
  for (std::size_t i = 0; i < momentum.size(); ++i)
    CHECK(rule.at({.step = static_cast<std::int64_t>(std::lround(epoch[i] * 7)), .steps = 70}) ==
          Approx(momentum[i]).epsilon(1e-12));
  for (const double t : {1.0, 0.2}) {
    const std::string at = t == 1 ? "_t1" : "_t0.2";
    Tensor q = g.tensor("q" + at).clone();
    q.set_requires_grad(true);
    const Tensor one = info_nce(q, g.tensor("k" + at), t) * (2 * t);
    one.backward();
    check_near(one, g.tensor("loss" + at), 1e-10);
    check_near(q.grad(), g.tensor("grad_q" + at), 1e-10);
  }
}

TEST_CASE("MoCo's symmetric loss is the sum of both directions against one queue, then both keys enter it") {
  const MocoConfig config{.temperature = 0.1, .queue = 32, .dimension = 4, .mlp = false};
  auto method = moco_v2_symmetric(TanhBody{}, no_augment(), config, Rng(1));
  CHECK(method.online.projector.layers.size() == 1);
  const Embeddings z = method.embed(rows_as_views(2));
  Embeddings swapped = z;
  std::swap(swapped.online[0], swapped.online[1]);
  std::swap(swapped.target[0], swapped.target[1]);
  const Queue queue(32, 4, Rng(1));
  QueueInfoNce one{0.1, clone(queue)}, other{0.1, clone(queue)};
  method.objective.queue = clone(queue);
  CHECK(method.objective(z).item() == Approx(one(z).item() + other(swapped).item()).epsilon(1e-6));
  check_near(method.objective.queue.keys.slice(0, 8), normalize(z.target[0]), 1e-7);
  check_near(method.objective.queue.keys.slice(8, 16), normalize(z.target[1]), 1e-7);
  // All keys and queries alike: ln(K + 1) from each direction.
  Embeddings same;
  same.online.assign(2, Tensor::full({8, 4}, 1));
  same.target = same.online;
  SymmetricQueueInfoNce start{0.2, Queue(32, 4, Rng(1))};
  start.queue.keys.copy_from(normalize(Tensor::full({32, 4}, 1)));
  CHECK(start(same).item() == Approx(2 * std::log(33.0)).epsilon(1e-5));
}

TEST_CASE("NNCLR looks for neighbours before the batch enters its support set") {
  const std::int64_t N = 4, K = 16, D = 20;
  Tensor axes = Tensor::zeros({K, D}), own = Tensor::zeros({N, D});  // axes of their own, away from the set's
  for (std::int64_t k = 0; k < K; ++k) axes.data<float>()[k * D + k] = 1;
  for (std::int64_t i = 0; i < N; ++i) own.data<float>()[i * D + K + i] = 1;
  NeighbourContrast objective{.temperature = 0.1, .support = Queue(K, D, Rng(1))};
  objective.support.keys.copy_from(axes);
  Embeddings z;
  z.online.assign(2, own);
  z.target = z.online;
  // No neighbour tells the rows apart. The same batch again finds itself.
  CHECK(objective(z).item() == Approx(std::log(4.0)).epsilon(1e-5));
  CHECK(objective(z).item() < 0.01);
  check_near(objective.support.keys.slice(0, N), own, 1e-6);
  check_near(objective.support.keys.slice(2 * N, K), axes.slice(2 * N, K), 0);
}

TEST_CASE("MoCo v3's heads for ResNets and ViTs, and its first step") {
  const auto shape = [](const Mlp& mlp) {
    std::string text;
    for (const Mlp::Layer& layer : mlp.layers) {
      text += layer.linear.bias.defined() ? "B" : "L";
      if (layer.has_norm) text += layer.norm.weight.defined() ? "N" : "n";
      if (layer.has_relu) text += "R";
    }
    return text;
  };
  const auto resnet = moco_v3(TanhBody{}, no_augment(), {.hidden = 8, .dimension = 4}, Rng(1));
  CHECK(shape(resnet.online.projector) == "LNRLn");
  CHECK(shape(resnet.predictor) == "LNRL");
  MocoV3Config config = MocoV3Config::vit();
  config.hidden = 8;
  config.dimension = 4;
  auto vit = moco_v3(TanhBody{}, no_augment(), config, Rng(1));
  CHECK(shape(vit.online.projector) == "LNRLNRLn");
  CHECK(shape(vit.predictor) == "LNRLn");
  // All keys and queries alike: 2 t ln N from each direction.
  Embeddings same;
  same.online = same.target = {Tensor::full({8, 4}, 1), Tensor::full({8, 4}, 1)};
  CHECK(SymmetricInfoNce{0.2}(same).item() == Approx(4 * 0.2 * std::log(8.0)).epsilon(1e-5));
}

TEST_CASE("DINO's head: outputs, gradients, clipping and what becomes null") {
  for (const bool fixed : {true, false}) {
    INFO("fixed gain " << fixed);
    const Golden g = load_golden(fixed ? "dino_head.safetensors" : "dino_head_free_gain.safetensors");
    const DinoConfig config{.outputs = 9, .hidden = 8, .bottleneck = 5, .fixed_gain = fixed};
    DinoHead head(6, config, Rng(1));
    move_to(head, Device::cpu, DType::f64);
    each_parameter(head, [&](const std::string& name, Parameter& p) { p.copy_from(g.tensor("param." + name)); });
    Tensor x = g.tensor("x").clone();
    x.set_requires_grad(true);
    const Tensor y = head(x);
    check_near(y, g.tensor("y"), 1e-10);
    y.backward(g.tensor("upstream"));
    check_near(x.grad(), g.tensor("grad_x"), 1e-10);
    int reached = 0;
    each_parameter(head, [&](const std::string& name, Parameter& p) {
      INFO(name);
      CHECK(p.grad().defined() == g.has("grad." + name));
      if (p.grad().defined()) check_near(p.grad(), g.tensor("grad." + name), 1e-10), ++reached;
    });
    CHECK(reached == (fixed ? 7 : 8));
    clip_each_grad_norm(parameter_groups(head), 0.5);
    each_parameter(head, [&](const std::string& name, Parameter& p) {
      if (p.grad().defined()) check_near(p.grad(), g.tensor("grad_clipped." + name), 1e-10);
    });
    // Biases alone are left undecayed.
    const auto groups = parameter_groups(head, {.weight_decay = 0.04, .exclude_norm_and_bias = true});
    REQUIRE(groups.size() == 2);
    CHECK(groups[0].names.size() == (fixed ? 4u : 5u));
    for (const std::string& name : groups[1].names) CHECK(name.ends_with(".bias"));
    head.before_update({.step = 9, .steps = 100, .steps_per_epoch = 10});
    each_parameter(head, [](const std::string& name, Parameter& p) {
      if (name.starts_with("last_layer.")) CHECK_FALSE(p.grad().defined());
      if (name.starts_with("mlp.")) CHECK(p.grad().defined());
    });
    head.last_layer.weight_v.set_grad(Tensor::zeros({9, 5}, DType::f64));
    head.before_update({.step = 10, .steps = 100, .steps_per_epoch = 10});
    CHECK(head.last_layer.weight_v.grad().defined());
  }
}

TEST_CASE("DINO's head has the official names, with batch norm too") {
  DinoHead head(384, {.outputs = 70}, Rng(1));
  std::vector<std::string> names;
  each_state(head, [&](const std::string& name, Tensor&) { names.push_back(name); });
  CHECK(names == std::vector<std::string>{"mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias", "mlp.4.weight",
                                          "mlp.4.bias", "last_layer.weight_g", "last_layer.weight_v"});
  DinoHead normed(384, {.outputs = 70, .batch_norm = true}, Rng(1));
  names.clear();
  each_parameter(normed, [&](const std::string& name, Parameter&) { names.push_back(name); });
  CHECK(names == std::vector<std::string>{"mlp.0.weight", "mlp.0.bias", "mlp.1.weight", "mlp.1.bias", "mlp.3.weight",
                                          "mlp.3.bias", "mlp.4.weight", "mlp.4.bias", "mlp.6.weight", "mlp.6.bias",
                                          "last_layer.weight_g", "last_layer.weight_v"});
}

TEST_CASE("DINO's first step is near ln K; its centre follows the teacher, and the teacher the student") {
  auto method = dino(TanhBody{}, no_augment(), {.outputs = 50, .hidden = 16, .bottleneck = 8}, Rng(1));
  const Views views = rows_as_views(5);
  const Embeddings z = method.embed(views);
  REQUIRE(z.online.size() == 5);
  REQUIRE(z.target.size() == 2);
  // At the start both branches are one network.
  check_near(z.target[0], z.online[0], 1e-6);
  // Equal outputs: ln K exactly.
  Embeddings same;
  same.online.assign(5, Tensor::full({8, 50}, 0.3));
  same.target.assign(2, Tensor::full({8, 50}, 0.3));
  DinoDistillation alone{.center = Center(50)};
  CHECK(alone(same).item() == Approx(std::log(50.0)).epsilon(1e-5));
  CHECK(alone.center.center.data<float>()[3] == Approx(0.03));  // after the loss

  Sgd optimizer(parameter_groups(method.online), {});
  method.loss(views, {0, 10, 5}).backward();
  method.before_update({0, 10, 5});
  const Tensor last = method.online.projector.last_layer.weight_v.clone();
  optimizer.step(0.1);
  check_near(method.online.projector.last_layer.weight_v, last, 0);
  const Tensor student = method.online.encoder.body.weight.detach().clone();
  Tensor teacher = student;
  each_parameter(method.target, [&](const std::string& name, Parameter& p) {
    if (name == "encoder.body.weight") teacher = p.detach().clone();
  });
  method.after_step({0, 10, 5});
  each_parameter(method.target, [&](const std::string& name, Parameter& p) {
    if (name == "encoder.body.weight") check_near(p, teacher * 0.996 + student * (1 - 0.996), 1e-7);
    CHECK_FALSE(p.requires_grad());
  });
}

TEST_CASE("SwAV's prototypes are unit rows before each step, and stand still at first") {
  auto method =
      swav(TanhBody{}, no_augment(),
           {.hidden = 16, .dimension = 8, .prototypes = 12, .queue = 16, .queue_from = 1, .freeze_epochs = 1}, Rng(1));
  std::vector<std::string> names;
  each_parameter(method, [&](const std::string& name, Parameter&) { names.push_back(name); });
  CHECK(names.back() == "objective.prototypes.weight");
  std::vector<ParameterGroup> groups = parameter_groups(method);
  Sgd optimizer(groups, {});
  const Views views = rows_as_views(4);
  Parameter& weight = method.objective.prototypes.weight;
  method.objective.prototypes.normalize();
  Tensor before = weight.detach().clone();
  for (std::int64_t step = 0; step < 4; ++step) {
    const Progress progress{step, 4, 2};
    const Tensor loss = method.loss(views, progress);
    check_near(sum(square(weight.detach()), 1), Tensor::full({12}, 1), 1e-5);
    loss.backward();
    CHECK(weight.grad().defined());
    method.before_update(progress);
    CHECK(weight.grad().defined() == (step >= 2));
    optimizer.step(0.5);
    optimizer.clear_grad();
    if (step < 2) check_near(weight, before, 1e-6);
    // The queue takes embeddings from epoch 1 = step 2 on.
    CHECK(method.objective.queue.filled.item() == (step < 2 ? 0 : 8 * static_cast<double>(step - 1)));
  }
  CHECK(method.objective.queue.full());
  Tensor moved = weight.detach() - before;
  CHECK(sum(square(moved)).item() > 1e-6);
}

TEST_CASE("SwAV's first step is ln K where all scores are equal") {
  SwavAssignment objective{{.prototypes = 30}, Prototypes(30, 8, Rng(1)), {}};
  objective.prototypes.weight.copy_from(Tensor::full({30, 8}, 1));
  Embeddings z;
  z.online.assign(4, init::normal({8, 8}, 1, Rng(2)));
  CHECK(objective(z).item() == Approx(std::log(30.0)).epsilon(1e-5));
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

TEST_CASE("SupCon takes the views' labels; without them a picture is a class of its own") {
  auto method = sup_con(TanhBody{}, no_augment(), {.loss = {.temperature = 0.1}, .dimension = 4}, Rng(1));
  Views views = rows_as_views(2);
  const Embeddings z = method.embed(views);
  std::vector<std::int32_t> labels;
  for (int v = 0; v < 2; ++v)
    for (int i = 0; i < 8; ++i) labels.push_back(i / 2);
  CHECK(method.objective(z).item() ==
        Approx(sup_con(concat({z.online[0], z.online[1]}), labels, {.temperature = 0.1}).item()));
  views.label.assign(8, -1);
  const double alone = method.objective(method.embed(views)).item();
  CHECK(alone == Approx(nt_xent(z.online[0], z.online[1], 0.1).item() * 0.1 / 0.07).epsilon(1e-5));
  views.label.clear();
  CHECK_THROWS_WITH(method.objective(method.embed(views)), Contains("[sup_con] expected a label for each picture"));
}

TEST_CASE("each recipe lowers its loss on one batch, and a copy of its state goes on with the same bits", "[learns]") {
  const auto check = [](const std::string& name, auto make, std::size_t views_count) {
    INFO(name);
    auto method = make();
    Views views = rows_as_views(views_count);
    const auto step = [&](auto& m, std::int64_t at) {
      Sgd optimizer(parameter_groups(m), {.momentum = 0});
      const Progress progress{at, 1000, 10};
      const Tensor loss = m.loss(views, progress);
      loss.backward();
      m.before_update(progress);
      optimizer.step(0.01);
      optimizer.clear_grad();
      m.after_step(progress);
      return loss.item();
    };
    const double first = step(method, 0);
    double last = first;
    for (std::int64_t at = 1; at < 200; ++at) last = step(method, at);
    check_below("one batch, " + name + ": loss at last less the first", last - first, 0);
    // What `each_state` lists is all there is.
    auto again = make();
    std::vector<Tensor> state;
    each_state(method, [&](const std::string&, Tensor& t) { state.push_back(t.clone()); });
    std::size_t i = 0;
    each_state(again, [&](const std::string&, Tensor& t) { t.copy_from(state[i++]); });
    CHECK(step(method, 200) == step(again, 200));
    CHECK(step(method, 201) == step(again, 201));
  };
  check(
      "swav",
      [] {
        return swav(TanhBody{}, no_augment(),
                    {.hidden = 16, .dimension = 8, .prototypes = 12, .queue = 16, .queue_from = 2, .freeze_epochs = 1},
                    Rng(seeded(1)));
      },
      4);
  check(
      "byol, group norm",
      [] {
        return byol([](Rng) { return TanhBody{}; }, no_augment(), {.hidden = 32, .dimension = 8, .channel_groups = 16},
                    Rng(seeded(1)));
      },
      2);
  check(
      "moco_v3", [] { return moco_v3(TanhBody{}, no_augment(), {.hidden = 16, .dimension = 8}, Rng(seeded(1))); }, 2);
  check(
      "dino",
      [] {
        return dino(TanhBody{}, no_augment(), {.outputs = 20, .hidden = 16, .bottleneck = 8, .freeze_last_layer = 0},
                    Rng(seeded(1)));
      },
      4);
  check(
      "nnclr",
      [] {
        return nnclr(TanhBody{}, no_augment(),
                     {.queue = 32, .projector_hidden = 16, .predictor_hidden = 16, .dimension = 8}, Rng(seeded(1)));
      },
      2);
  check(
      "barlow_twins", [] { return barlow_twins(TanhBody{}, no_augment(), {.dimension = 16}, Rng(seeded(1))); }, 2);
  check(
      "vicreg", [] { return vicreg(TanhBody{}, no_augment(), {.dimension = 16}, Rng(seeded(1))); }, 2);
  check(
      "sup_con", [] { return sup_con(TanhBody{}, no_augment(), {.dimension = 8}, Rng(seeded(1))); }, 2);
  check(
      "dcl", [] { return dcl(TanhBody{}, no_augment(), {.dimension = 8}, Rng(seeded(1))); }, 2);
}
