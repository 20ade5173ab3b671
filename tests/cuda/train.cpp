// SPDX-License-Identifier: MIT

// CPU against CUDA: three steps of SimCLR, from the same weights on the same views, and what its encoder makes of
// pictures afterwards.

#include "contrastive/augment/recipes.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/io/safetensors.hpp"
#include "contrastive/methods/simclr.hpp"
#include "contrastive/optim/sgd.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "support/differences.hpp"
#include "twins.hpp"

using namespace parity;

namespace {

struct Trained {
  std::vector<double> losses;
  NamedTensors state;  // on the CPU
  Tensor features;
};

Trained three_steps(Device device, DType dtype) {
  auto method = simclr(ConvNet(3, {8, 16}, Rng(1)), simclr_cifar(16), {.dimension = 8}, Rng(2));
  move_to(method, device, dtype);
  Sgd optimizer(parameter_groups(method, {.weight_decay = 5e-4}), {.momentum = 0.9});
  const auto pictures = [&](Rng rng) { return init::normal({12, 16, 16, 3}, 1, rng).to(dtype).to(device); };
  Trained trained;
  for (std::uint64_t step = 0; step < 3; ++step) {
    Views views;
    views.globals = 2;
    for (std::uint64_t v = 0; v < 2; ++v) views.view.push_back(pictures(Rng(3) / step / v));
    const Tensor loss = method.loss(views);
    loss.backward();
    optimizer.step(0.05);
    optimizer.clear_grad();
    trained.losses.push_back(loss.item());
  }
  trained.state = state_of(method);
  const NoGrad no_grad;
  const Eval eval;
  trained.features = method.encoder()(pictures(Rng(4))).to(Device::cpu);
  return trained;
}

/// The largest difference, relative to the larger of 1 and the value.
double error(const Tensor& want, const Tensor& got) {
  REQUIRE(want.shape() == got.shape());
  const Tensor a = want.to(DType::f64), b = got.to(DType::f64);
  double worst = 0;
  for (std::int64_t i = 0; i < a.count(); ++i) {
    const double x = a.data<double>()[i], y = b.data<double>()[i];
    worst = larger(worst, std::abs(x - y) / std::max(1.0, std::abs(x)));
  }
  return worst;
}

}  // namespace

TEST_CASE("cuda: three steps of SimCLR") {
  if (!device()) return;
  for (const auto& [dtype, allowed] : {std::pair(DType::f64, 1e-9), {DType::f32, 1e-3}}) {
    const Trained want = three_steps(Device::cpu, dtype), got = three_steps(Device::cuda, dtype);
    for (std::size_t step = 0; step < 3; ++step) CHECK(std::abs(want.losses[step] - got.losses[step]) < allowed);
    REQUIRE(want.state.size() == got.state.size());
    for (std::size_t i = 0; i < want.state.size(); ++i) {
      INFO(want.state[i].first << " " << to_string(dtype));
      CHECK(want.state[i].first == got.state[i].first);
      CHECK(error(want.state[i].second, got.state[i].second) < allowed);
    }
    CHECK(error(want.features, got.features) < allowed);
  }
}
