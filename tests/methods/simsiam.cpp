// SPDX-License-Identifier: MIT

// SimSiam: frozen model, and what stop-gradient and predictor keep it from.

#include "contrastive/methods/simsiam.hpp"
#include "contrastive/eval/spectrum.hpp"
#include "contrastive/ops/ops.hpp"
#include "methods/on_shapes.hpp"
#include "methods/support.hpp"

using namespace contrastive;

namespace {

/// SimSiam's `StopGradient` without the stop: the other branch with its gradient, and the loss that lets it through.
struct KeepGradient {
  template <class Tower>
  struct Branch : Shared::Branch<Tower> {
    static constexpr bool present = true;
    Branch(const KeepGradient&, const Tower& online) : Shared::Branch<Tower>({}, online) {}
  };
};

struct CosineWithGradient {
  Tensor operator()(const Embeddings& z) const {
    const auto cosine = [](const Tensor& p, const Tensor& t) { return mean(sum(normalize(p) * normalize(t), 1)); };
    return (cosine(z.online[0], z.target[1]) + cosine(z.online[1], z.target[0])) * -0.5;
  }
};

}  // namespace

TEST_CASE("SimSiam's frozen model: loss, gradients, and running statistics in the order of the views") {
  const Golden g = load_golden("simsiam.safetensors");
  auto method = simsiam(TanhBody{}, no_augment(), {.dimension = 8, .bottleneck = 3, .projector_layers = 3}, Rng(1));
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

// Without the norm at the projector's end, which the paper can do without (table 3, "hidden-only"). It keeps z spread out
// whatever happens: a batch then falls apart in two, sooner or later as the seed has it, where this one goes to a point.
TEST_CASE("SimSiam collapses without its stop-gradient, and without its predictor, and not with both", "[learns]") {
  const auto predictor =
      simsiam(tiny_encoder(Rng(seeded(5))), simclr_cifar(12), {.dimension = 64, .bottleneck = 16}, Rng(seeded(5)))
          .predictor;
  const auto run = [](const auto& top, const auto& objective, const auto& target) {
    const Mlp projector(32, {{.out = 32, .bias = false}, {.out = 64, .norm = false, .relu = false}}, Rng(seeded(5)));
    Method method(tiny_encoder(Rng(seeded(5))), projector, clone(top), objective, simclr_cifar(12), target);
    return watch_on_shapes(method, 0.2, 100);
  };
  check_healthy("SimSiam", run(predictor, SimsiamCosine{}, StopGradient{}));
  check_collapsed("SimSiam without its stop-gradient", run(predictor, CosineWithGradient{}, KeepGradient{}));
  check_collapsed("SimSiam without its predictor", run(Identity{}, SimsiamCosine{}, StopGradient{}));
}
