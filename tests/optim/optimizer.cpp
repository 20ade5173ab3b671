// SPDX-License-Identifier: MIT

#include "contrastive/optim/optimizer.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/optim/clip.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

Tensor random_tensor(Shape shape, std::uint64_t seed, DType dtype = DType::f32) {
  Tensor x(shape, DType::f64);
  Stream stream{Rng(seed)};
  for (double& value : x.span<double>()) value = stream.normal();
  return x.to(dtype).clone();
}

Tensor parameter(Shape shape, std::uint64_t seed, DType dtype = DType::f32) {
  Tensor x = random_tensor(shape, seed, dtype);
  x.set_requires_grad(true);
  return x;
}

ParameterGroup group_of(std::vector<Tensor> parameters, double weight_decay = 0) {
  ParameterGroup group;
  group.parameters = std::move(parameters);
  group.weight_decay = weight_decay;
  for (std::size_t i = 0; i < group.parameters.size(); ++i) group.names.push_back("p" + std::to_string(i));
  return group;
}

/// A weight matrix, its bias, a scalar and a frozen matrix.
struct Toy {
  Parameter weight{random_tensor({3, 4}, 1)}, bias{random_tensor({3}, 2)}, scale{random_tensor({}, 3)},
      frozen{random_tensor({2, 2}, 4)};
  Buffer count{random_tensor({1}, 5)};

  template <class F>
  void members(F&& f) {
    f("weight", weight);
    f("bias", bias);
    f("scale", scale);
    f("frozen", frozen);
    f("count", count);
  }
};

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.count() == b.count() && std::memcmp(a.view().data, b.view().data, a.count() * size_of(a.dtype())) == 0;
}

std::vector<Optimizer> one_of_each(const std::vector<ParameterGroup>& groups) {
  return {Sgd(groups), Lars(groups), AdamW(groups)};
}

}  // namespace

TEST_CASE("parameter groups keep decay off norms and biases, and skip what is frozen", "[optim]") {
  Toy toy;
  toy.frozen.set_requires_grad(false);
  auto groups = parameter_groups(toy, {.weight_decay = 0.1, .lr_scale = 2, .exclude_norm_and_bias = true}, "toy.");
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].names == std::vector<std::string>{"toy.weight"});
  CHECK(groups[0].weight_decay == 0.1);
  CHECK(groups[0].adapt);
  CHECK(groups[1].names == std::vector<std::string>{"toy.bias", "toy.scale"});
  CHECK(groups[1].weight_decay == 0);
  CHECK(groups[1].lr_scale == 2);
  CHECK_FALSE(groups[1].adapt);

  groups = parameter_groups(toy, {.weight_decay = 0.1});
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].names == std::vector<std::string>{"weight", "bias", "scale"});
}

TEST_CASE("a parameter without a gradient keeps its value and its state", "[optim]") {
  for (int which = 0; which < 3; ++which) {
    const Tensor reached = parameter({5}, 1), missed = parameter({5}, 2), before = missed.clone();
    Optimizer optimizer = one_of_each({group_of({reached, missed}, 0.1)})[which];
    reached.set_grad(random_tensor({5}, 3));
    optimizer.step(0.1);
    CHECK(same_bits(missed, before));
    optimizer.each_state([&](const std::string& name, Tensor& state) {
      if (name.ends_with("p1"))
        for (float value : state.span<float>()) CHECK(value == 0);
    });
    optimizer.clear_grad();
    CHECK_FALSE(reached.grad().defined());
  }
}

TEST_CASE("adamw counts the updates of each parameter", "[optim]") {
  // One that joins at the third step moves by lr in its first, as any does: bias correction starts anew.
  const Tensor early = parameter({4}, 1), late = parameter({4}, 2);
  AdamW optimizer({group_of({early, late})}, {.eps = 1e-12});
  for (int step = 0; step < 3; ++step) {
    early.set_grad(random_tensor({4}, 10 + step));
    if (step == 2) late.set_grad(random_tensor({4}, 20));
    const Tensor before = late.clone();
    optimizer.step(0.01);
    for (int i = 0; i < 4; ++i)
      CHECK(std::abs(late.data<float>()[i] - before.data<float>()[i]) == Approx(step == 2 ? 0.01 : 0).epsilon(1e-4));
  }
}

TEST_CASE("group options take effect between steps", "[optim]") {
  const Tensor p = Tensor::full({1}, 1, DType::f64).clone();
  Tensor leaf = p;
  leaf.set_requires_grad(true);
  Sgd optimizer({group_of({leaf})}, {.momentum = 0});
  leaf.set_grad(Tensor::full({1}, 1, DType::f64));
  optimizer.step(0.5);
  CHECK(p.item() == 0.5);
  optimizer.groups()[0].lr_scale = 0.5;
  optimizer.groups()[0].weight_decay = 2;
  optimizer.step(0.5);
  CHECK(p.item() == Approx(0.5 - 0.25 * (1 + 2 * 0.5)));
}

TEST_CASE("an optimiser restored from its state goes on with the same bits", "[optim]") {
  for (int which = 0; which < 3; ++which) {
    const auto run = [&](int interrupted_at) {
      const Tensor p = parameter({7, 5}, 1);
      Optimizer optimizer = one_of_each({group_of({p}, 0.01)})[which];
      for (int step = 0; step < 6; ++step) {
        if (step == interrupted_at) {
          std::map<std::string, Tensor> saved;
          optimizer.each_state([&](const std::string& name, Tensor& state) { saved[name] = state.clone(); });
          CHECK(saved.size() == (which == 2 ? 3u : 1u));
          optimizer = one_of_each({group_of({p}, 0.01)})[which];
          optimizer.each_state([&](const std::string& name, Tensor& state) { state.copy_from(saved.at(name)); });
        }
        p.set_grad(random_tensor({7, 5}, 100 + step));
        optimizer.step(0.1);
      }
      return p;
    };
    CHECK(same_bits(run(-1), run(3)));
  }
}

TEST_CASE("steps do not depend on the number of threads", "[optim]") {
  for (int which = 0; which < 3; ++which) {
    const auto run = [&](int count) {
      set_threads(count);
      const Tensor p = parameter({311, 353}, 1);  // several chunks, none whole
      Optimizer optimizer = one_of_each({group_of({p}, 0.01)})[which];
      for (int step = 0; step < 2; ++step) {
        p.set_grad(random_tensor({311, 353}, 10 + step));
        clip_grad_norm(optimizer.groups(), 1.0);
        optimizer.step(0.1);
      }
      set_threads(0);
      return p;
    };
    const Tensor one = run(1);
    CHECK(same_bits(one, run(2)));
    CHECK(same_bits(one, run(5)));
  }
}

TEST_CASE("optimisers say what is wrong", "[optim]") {
  const Tensor p = parameter({3}, 1), q = parameter({3}, 2, DType::f64), half = parameter({3}, 3, DType::bf16);
  CHECK_THROWS_WITH(Sgd(std::vector<ParameterGroup>{}), Contains("[sgd] no parameter"));
  CHECK_THROWS_WITH(Lars({group_of({p, q})}), Contains("[lars] parameters share one dtype"));
  CHECK_THROWS_WITH(AdamW({group_of({half})}), Contains("f32 or f64, got bf16"));
  CHECK_THROWS_WITH(Sgd({group_of({p}), group_of({p})}), Contains("two parameters are named p0"));
  CHECK_THROWS_WITH(Sgd({group_of({p})}, {.momentum = 1}), Contains("momentum is in [0, 1), got 1"));
  Sgd optimizer({group_of({p})});
  CHECK_THROWS_WITH(optimizer.step(std::nan("")), Contains("[sgd] the learning rate is"));
  p.set_grad(Tensor::zeros({4}));
  CHECK_THROWS_WITH(optimizer.step(0.1), Contains("the gradient of p0 is (4), expected (3)"));
}

TEST_CASE("clipping by the norm of all gradients", "[optim]") {
  const Tensor a = parameter({2}, 1), b = parameter({1}, 2), unreached = parameter({3}, 3);
  const std::vector<ParameterGroup> groups{group_of({a, unreached}), group_of({b})};
  const auto set = [&] {
    a.set_grad(Tensor::from<float>({3, 0}, {2}));
    b.set_grad(Tensor::from<float>({4}, {1}));
  };
  set();
  CHECK(clip_grad_norm(groups, 10).item() == Approx(5));
  CHECK(a.grad().data<float>()[0] == 3);  // below the limit nothing changes
  CHECK(clip_grad_norm(groups, 1).item() == Approx(5));
  CHECK(a.grad().data<float>()[0] == Approx(0.6));
  CHECK(b.grad().data<float>()[0] == Approx(0.8));
  CHECK_FALSE(unreached.grad().defined());

  // Two parameters whose gradients share memory are not scaled twice.
  const Tensor shared = Tensor::from<float>({3, 4}, {2}), c = parameter({2}, 4);
  a.set_grad(shared);
  c.set_grad(shared);
  clip_each_grad_norm({group_of({a, c})}, 1);
  CHECK(a.grad().data<float>()[1] == Approx(0.8));
  CHECK(c.grad().data<float>()[1] == Approx(0.8));
  CHECK(shared.data<float>()[1] == 4);
  CHECK_THROWS_WITH(clip_grad_norm(groups, 0), Contains("[clip_grad_norm]"));
  a.clear_grad();
  b.clear_grad();
  CHECK_FALSE(clip_grad_norm(groups, 1).defined());
}

TEST_CASE("clipping each gradient follows DINO", "[optim]") {
  const Golden golden = load_golden("dino_head.safetensors");
  ParameterGroup group;
  for (const char* name : {"mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias", "mlp.4.weight", "mlp.4.bias",
                           "last_layer.weight_v"}) {
    Tensor p = golden.tensor(std::string("param.") + name).clone();
    p.set_requires_grad(true);
    p.set_grad(golden.tensor(std::string("grad.") + name).clone());
    group.parameters.push_back(p);
    group.names.push_back(name);
  }
  const Tensor norms = clip_each_grad_norm({group}, 0.5), expected_norms = golden.tensor("clip_norms");
  for (std::size_t i = 0; i < group.names.size(); ++i) {
    CHECK(norms.data<double>()[i] == Approx(expected_norms.data<double>()[i]).epsilon(1e-10));
    const Tensor expected = golden.tensor("grad_clipped." + group.names[i]);
    for (std::int64_t j = 0; j < expected.count(); ++j)
      CHECK(group.parameters[i].grad().data<double>()[j] ==
            Approx(expected.data<double>()[j]).epsilon(1e-10).margin(1e-12));
  }
}

TEST_CASE("moving averages follow BYOL's", "[optim]") {
  const Golden golden = load_golden("byol_schedules.safetensors");
  const Tensor online = golden.tensor("ema_online"), steps = golden.tensor("ema_steps"), tau = golden.tensor("tau");
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor source = online.to(dtype);
    const Tensor target = golden.tensor("ema_target_init").to(dtype).clone();
    const double tolerance = dtype == DType::f32 ? 1e-6 : 1e-12;
    for (std::int64_t i = 0; i < steps.count(); ++i) {
      const Tensor keep = Tensor::full({1}, tau.data<double>()[steps.data<std::int64_t>()[i]], dtype);
      target.kernels().lerp(target.view(), source.view(), keep.view());
      const Tensor after = target.to(DType::f64), expected = golden.tensor("ema_target_after").slice(i, i + 1);
      for (std::int64_t j = 0; j < expected.count(); ++j)
        CHECK(after.data<double>()[j] == Approx(expected.data<double>()[j]).epsilon(tolerance).margin(0.1 * tolerance));
    }
  }
}

TEST_CASE("sums of squares of awkward lengths", "[optim]") {
  for (const std::int64_t n : {0, 1, 15, 16, 17, 63, 65, 32768, 32769, 100003})
    for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
      const Tensor x = random_tensor({n}, 5, dtype), wide = x.to(DType::f64);
      double expected = 0;
      for (double value : wide.span<double>()) expected += value * value;
      const Tensor y(Shape{1}, dtype == DType::f64 ? dtype : DType::f32);
      x.kernels().sum_squares(x.view(), y.view());
      CHECK(y.item() == Approx(expected).epsilon(1e-6));
    }
}

TEST_CASE("solo-learn's LARS adapts until the local rate is the rate itself", "[optim]") {
  // |p| = 5. |g| = 0.05: 0.02 x 5 / 0.05 is 2, more than the rate; |g| = 5: it is 0.02.
  for (const auto& [scale, local] : {std::pair(0.01, 0.4), {1.0, 0.02}}) {
    const std::vector<double> start{3, 4}, slope{3 * scale, 4 * scale};
    Tensor p = Tensor::from<double>(start, {1, 2}).clone();
    p.set_requires_grad(true);
    p.set_grad(Tensor::from<double>(slope, {1, 2}));
    Lars optimizer({group_of({p})}, lars_solo_learn());
    optimizer.step(0.4);
    CHECK(p.data<double>()[0] == Approx(3 - local * 3 * scale).epsilon(1e-6));
    CHECK(p.data<double>()[1] == Approx(4 - local * 4 * scale).epsilon(1e-6));
  }
}
