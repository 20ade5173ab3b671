// SPDX-License-Identifier: MIT

// SimCLR: the same curve on the similarity engine and op by op, and what its negatives keep it from.

#include "contrastive/methods/simclr.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/optim/sgd.hpp"
#include "methods/on_shapes.hpp"
#include "methods/support.hpp"
#include "methods/without_negatives.hpp"

using namespace contrastive;

namespace {

/// SimCLR's objective with every logit in memory.
struct DenseNtXent {
  double temperature;
  Tensor operator()(const Embeddings& z) const { return dense::nt_xent(z.online[0], z.online[1], temperature) * 2; }
};

/// Losses of `steps` steps of SGD over views that change every step.
template <class Objective>
std::vector<double> curve(const Objective& objective, DType dtype, double rate, int steps) {
  ConvNet encoder(3, {8, 16}, Rng(seeded(1)));
  Mlp head = simclr_head(16, {.dimension = 12}, Rng(seeded(2)));
  Method method(std::move(encoder), std::move(head), Identity{}, objective, simclr_cifar(8), Shared{});
  method.views_together = true;
  move_to(method, Device::cpu, dtype);
  Sgd optimizer(parameter_groups(method.online), {.momentum = 0.9});
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    Views views;
    const Tensor picture = init::normal({24, 8, 8, 3}, 1, Rng(seeded(3)) / static_cast<std::uint64_t>(step));
    for (std::uint64_t v = 0; v < 2; ++v)
      views.view.push_back((picture + init::normal({24, 8, 8, 3}, 0.4, Rng(seeded(4)) / (2 * step + v))).to(dtype));
    views.globals = 2;
    const Tensor loss = method.loss(views);
    loss.backward();
    optimizer.step(rate);
    optimizer.clear_grad();
    losses.push_back(loss.item());
  }
  return losses;
}

/// The largest difference of two curves, relative to the second.
double apart(const std::vector<double>& got, const std::vector<double>& want) {
  double most = 0;
  for (std::size_t i = 0; i < want.size(); ++i) most = larger(most, std::abs(got[i] / want[i] - 1));
  return most;
}

}  // namespace

TEST_CASE("SimCLR's curve is the same on the engine and op by op", "[learns]") {
  const int steps = 30;
  const auto engine = curve(NtXent{0.5}, DType::f64, 0.05, steps);
  const auto dense = curve(DenseNtXent{0.5}, DType::f64, 0.05, steps);
  check_below("SimCLR's curve: f64, engine beside op by op", apart(engine, dense), 1e-9);
  // float32 rounds differently in the two; a step doubles the distance at most, so it is held for a few.
  const auto engine32 = curve(NtXent{0.5}, DType::f32, 0.05, 8), dense32 = curve(DenseNtXent{0.5}, DType::f32, 0.05, 8);
  check_below("SimCLR's curve: f32, engine beside op by op", apart(engine32, dense32), 2e-5);
  // Another temperature is another curve.
  check_above("SimCLR's curve: at another temperature", std::abs(curve(NtXent{0.4}, DType::f64, 0.05, 2)[1] - dense[1]),
              1e-2);
}

TEST_CASE("SimCLR collapses without its negatives, and not with them; DCL without them is the same method",
          "[learns]") {
  const auto augment = simclr_cifar(12);
  // SimCLR's head ends in a norm, which keeps z from one point, not from a few.
  const Mlp head(32, {{.out = 32, .bias = false}, {.out = 32, .norm = false, .relu = false}}, Rng(seeded(5)));
  Method method(tiny_encoder(Rng(seeded(5))), head, Identity{}, NtXent{0.5}, augment, Shared{});
  method.views_together = true;
  collapses_without_negatives("SimCLR", method, 0.3);
}
