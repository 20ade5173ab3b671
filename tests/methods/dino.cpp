// SPDX-License-Identifier: MIT

// DINO: the official step, its head, first loss, one batch, and what centring and sharpening keep it from.

#include "contrastive/methods/dino.hpp"
#include "contrastive/eval/spectrum.hpp"
#include "contrastive/optim/clip.hpp"
#include "contrastive/optim/sgd.hpp"
#include "methods/on_shapes.hpp"
#include "methods/support.hpp"
#include "methods/without_guards.hpp"

using namespace contrastive;

namespace {

struct DinoSeen {
  CollapseWatch embeddings;
  OutputWatch outputs;  // of what the trainer watches
  OutputWatch targets;  // of the teacher's
  double loss;
};

DinoSeen run_dino(TeacherTemperature temperature, double center_momentum) {
  auto method = without_guards::dino_with(temperature, center_momentum);
  return train_on_shapes(method, 0.05, 150, [&](const Views& views) {
    const Embeddings z = method.embed(views);
    const Tensor targets = dino_targets(z.target[0], method.objective.center, temperature.end);
    return DinoSeen{collapse_watch(z.online[0]), output_watch(method.objective.assignments(z.online[0])),
                    output_watch(targets), method.objective(z).item()};
  });
}

}  // namespace

TEST_CASE("DINO's objective equals the official step: temperature of the epoch, loss, then the centre") {
  const Golden g = load_golden("dino_loss.safetensors");
  const std::int64_t epoch_of_step[] = {0, 1, 7};
  for (const auto& [dtype, tolerance, floor] : cases) {
    DinoDistillation objective{.teacher_temperature = {.start = 0.04, .end = 0.07, .warmup = 3}, .center = Center(9)};
    objective.center.center = Buffer(g.tensor("center_init").to(dtype).clone());
    for (int step = 0; step < 3; ++step) {
      const std::string at = "_" + std::to_string(step);
      const Tensor student = leaf(g.tensor("student" + at), dtype), teacher = leaf(g.tensor("teacher" + at), dtype);
      const Progress progress{.step = 10 * epoch_of_step[step] + 5, .steps = 80, .steps_per_epoch = 10};
      const Tensor loss = objective(batch_of(views_of(student, 4), views_of(teacher, 4), progress));
      loss.backward();
      check_close(loss, g.tensor("loss" + at), tolerance, floor);
      check_close(student.grad(), g.tensor("grad_student" + at), tolerance, floor);
      CHECK_FALSE(teacher.grad().defined());
      check_close(objective.center.center, g.tensor("center_after" + at), tolerance, floor);
    }
  }
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

// The spread of the outputs does not tell: outputs that are all nearly zero point everywhere. Their distribution does.
TEST_CASE("DINO goes to one output without centring, to all alike without sharpening, and to neither with both",
          "[learns]") {
  const TeacherTemperature sharp{}, as_the_student{.start = 0.1, .end = 0.1}, flat{.start = 1, .end = 1};
  const DinoSeen healthy = run_dino(sharp, 0.9);
  check_healthy("DINO's outputs", healthy.outputs);
  check_above("DINO's targets: information", healthy.targets.information(), 0.08);
  check_above("DINO's targets: entropy of the mean", healthy.targets.entropy_of_mean, 0.5);

  const DinoSeen one = run_dino(sharp, 1);  // the centre stays at 0
  check_collapsed("DINO's outputs without centring", one.outputs);
  check_collapsed("DINO's targets without centring", one.targets);
  check_below("DINO's outputs without centring: entropy of the mean", one.outputs.entropy_of_mean, 0.1);
  check_below("DINO's targets without centring: entropy of the mean", one.targets.entropy_of_mean, 0.1);
  check_below("DINO without centring: loss", one.loss, 0.1);

  for (const TeacherTemperature& temperature : {as_the_student, flat}) {
    const DinoSeen even = run_dino(temperature, 0.9);
    const std::string teacher = join("DINO's teacher at ", temperature.end, ", ");
    check_collapsed(teacher + "outputs", even.outputs);
    check_collapsed(teacher + "targets", even.targets);
    check_above(teacher + "outputs: entropy of a row", even.outputs.mean_entropy, 0.99);
    check_above(teacher + "targets: entropy of a row", even.targets.mean_entropy, 0.99);
    check_below(teacher + "loss over ln 64, less 1", std::abs(even.loss / std::log(64.0) - 1), 0.01);
  }
}

TEST_CASE("DINO lowers its loss on one batch, and a copy of its state goes on with the same bits", "[learns]") {
  check_one_batch(
      "dino",
      [] {
        return dino(TanhBody{}, no_augment(), {.outputs = 20, .hidden = 16, .bottleneck = 8, .freeze_last_layer = 0},
                    Rng(seeded(1)));
      },
      4);
}
