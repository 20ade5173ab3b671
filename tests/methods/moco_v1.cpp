// SPDX-License-Identifier: MIT

// MoCo: frozen steps, batch norm in groups, and keys in another order.

#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/methods/moco_v2.hpp"
#include "contrastive/nn/batch_norm.hpp"
#include "contrastive/nn/mlp.hpp"
#include "methods/moco_steps.hpp"
#include "methods/support.hpp"

using namespace contrastive;

namespace {

Views pictures(std::int64_t N) {
  Views views = allocate_views(simclr_cifar(8), N);
  for (std::size_t v = 0; v < views.view.size(); ++v)
    views.view[v].copy_from(init::normal(views.view[v].shape(), 1, Rng(3) / v));
  return views;
}

}  // namespace

TEST_CASE("MoCo's four frozen steps: EMA before the keys, loss, gradients, queue and pointer") {
  Mlp head(5, {{.out = 4, .norm = false, .relu = false}}, Rng(1));
  Method v1(TanhBody{}, head, Identity{}, QueueInfoNce{0.07, Queue(12, 4, Rng(2))}, no_augment(),
            Momentum{.momentum = 0.99, .update = MomentumUpdate::before_keys});
  check_moco_steps(v1, load_golden("moco_v1.safetensors"), true);
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
