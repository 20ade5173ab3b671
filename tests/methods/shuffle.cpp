// SPDX-License-Identifier: MIT
#include "contrastive/augment/recipes.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/methods/moco_v2.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"

using namespace contrastive;

namespace {

Views pictures(std::int64_t N) {
  Views views = allocate_views(simclr_cifar(8), N);
  for (std::size_t v = 0; v < views.view.size(); ++v)
    views.view[v].copy_from(init::normal(views.view[v].shape(), 1, Rng(3) / v));
  return views;
}

}  // namespace

TEST_CASE("shuffled keys come back to their rows, normalised in other company") {
  const Views views = pictures(16);
  const auto keys = [&](std::int64_t groups, bool shuffle, std::int64_t step) {
    auto method =
        moco_v2(ConvNet(3, {8, 8}, Rng(1)), simclr_cifar(8), {.queue = 16, .dimension = 8, .groups = groups}, Rng(2));
    Momentum rule{.update = MomentumUpdate::before_keys, .shuffle = shuffle, .rng = Rng(4)};
    MomentumBranch<std::remove_cvref_t<decltype(method.online)>> branch(rule, method.online);
    branch.before_keys(method.online, {step, 100, 10});
    return branch(
        views, {}, [](std::size_t v) { return v == 1; }, false);
  };
  const std::vector<Tensor> plain = keys(1, false, 0);
  CHECK_FALSE(plain[0].defined());
  // Over the whole batch, statistics do not know of an order.
  CHECK(largest_difference(plain[1], keys(1, true, 0)[1]) < 1e-5);
  // In groups they do, and each step has an order of its own that a resumed run finds again.
  CHECK(largest_difference(keys(4, false, 0)[1], keys(4, true, 0)[1]) > 1e-2);
  CHECK(largest_difference(keys(4, true, 0)[1], keys(4, true, 1)[1]) > 1e-2);
  CHECK(largest_difference(keys(4, true, 1)[1], keys(4, true, 1)[1]) == 0);
}
