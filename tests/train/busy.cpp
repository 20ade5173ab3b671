// SPDX-License-Identifier: MIT
#include "support/busy.hpp"

#include "contrastive/augment/recipes.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/methods/simclr.hpp"
#include "contrastive/nn/init.hpp"
#include "contrastive/optim/sgd.hpp"
#include "support/catch.hpp"

using namespace contrastive;

// Two threads among three on one CPU should get two thirds of it, one among two a half. Threads that spin while they wait
// make a tenth of that and less.
TEST_CASE("training beside a competing process is not far from its fair share", "[busy]") {
  Views views;
  for (std::uint64_t v = 0; v < 2; ++v) views.view.push_back(init::normal({16, 16, 16, 3}, 1, Rng(v)));
  views.globals = 2;
  const auto steps_a_second = [&](int threads) {
    auto method = simclr(ConvNet(3, {16, 32, 32}, Rng(1)), simclr_cifar(16), {}, Rng(2));
    Sgd optimizer(parameter_groups(method.online), {.momentum = 0.9});
    return busy::rate(threads, [&] {
      method.loss(views).backward();
      optimizer.step(0.01);
      optimizer.clear_grad();
    });
  };
  const double one = steps_a_second(1), two = steps_a_second(2);
  INFO("steps a second: " << one << " by one thread, " << two << " by two");
  CHECK(two > one / 3);
}
