// SPDX-License-Identifier: MIT
#include "support/busy.hpp"

#include "contrastive/augment/recipes.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/methods/simclr.hpp"
#include "contrastive/nn/init.hpp"
#include "contrastive/optim/sgd.hpp"
#include "support/catch.hpp"

using namespace contrastive;

// What a fair share of the machine yields is decided by the processor time that a step costs. Threads that spin while they
// wait spend most of their share on that.
#if defined(_OPENMP) && defined(__linux__)
TEST_CASE("training beside a competing process is not far from its fair share", "[busy]") {
  if (detail::is_set_by_user()) {
    WARN("OMP_WAIT_POLICY, GOMP_SPINCOUNT or KMP_BLOCKTIME is set and decides");
    return;
  }
  Views views;
  for (std::uint64_t v = 0; v < 2; ++v) views.view.push_back(init::normal({64, 16, 16, 3}, 1, Rng(v)));
  views.globals = 2;
  const auto cost = [&](int threads) {
    auto method = simclr(ConvNet(3, {32, 64, 64}, Rng(1)), simclr_cifar(16), {}, Rng(2));
    Sgd optimizer(parameter_groups(method.online), {.momentum = 0.9});
    return busy::cost(threads, [&] {
      method.loss(views).backward();
      optimizer.step(0.01);
      optimizer.clear_grad();
    });
  };
  const double one = cost(1), two = cost(2);
  INFO("processor time of a step, ms: " << one * 1e3 << " with one thread, " << two * 1e3 << " with two");
  CHECK(two < 4 * one);  // about 17 times as much while they spin
}
#endif
