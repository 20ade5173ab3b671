// SPDX-License-Identifier: MIT

// Batches in chunks (train/gradient_cache.hpp).

#include "contrastive/methods/byol.hpp"
#include "contrastive/methods/moco_v2.hpp"
#include "contrastive/methods/simclr.hpp"
#include "contrastive/methods/simsiam.hpp"
#include "contrastive/train/gradient_cache.hpp"
#include "methods/support.hpp"

using namespace contrastive;

TEST_CASE("a batch in chunks has the gradients of the whole") {
  const auto method_of = [](auto make) {
    auto method = make();
    move_to(method, Device::cpu, DType::f64);
    return method;
  };
  Views views;
  for (int v = 0; v < 2; ++v) {
    views.view.push_back(Tensor({8, 6}, DType::f64));
    Stream stream(Rng(4) / static_cast<std::uint64_t>(v));
    for (double& x : views.view.back().span<double>()) x = stream.normal();
  }
  views.globals = 2;
  const auto gradients = [&](auto& method, std::int64_t chunks) {
    clear_gradients(method);
    std::vector<Tensor> grads{backward_in_chunks(method, views, {0, 10}, chunks)};
    each_parameter(method.online, [&](const std::string&, Parameter& p) { grads.push_back(p.grad().clone()); });
    return grads;
  };
  const auto head = [] {
    return Mlp(5, {{.out = 7, .norm = false}, {.out = 4, .norm = false, .relu = false}}, Rng(1));
  };
  const auto compare = [&](auto make) {
    auto whole = method_of(make), parts = method_of(make);
    const auto want = gradients(whole, 1), got = gradients(parts, 4);
    for (std::size_t i = 0; i < want.size(); ++i) CHECK(largest_difference(got[i], want[i]) < 1e-12);
  };
  compare([&] { return Method(TanhBody{}, head(), Identity{}, NtXent{0.3}, no_augment(), Shared{}); });
  compare([&] {
    return Method(TanhBody{}, head(), Identity{}, QueueInfoNce{0.2, Queue(16, 4, Rng(2))}, no_augment(),
                  Momentum{.momentum = 0.9, .update = MomentumUpdate::before_keys});
  });
  compare([&] {
    return Method(TanhBody{}, head(), Mlp(4, {{.out = 4, .norm = false, .relu = false}}, Rng(3)), SimsiamCosine{},
                  no_augment(), StopGradient{});
  });
  compare([&] {
    return Method(TanhBody{}, head(), Mlp(4, {{.out = 4, .norm = false, .relu = false}}, Rng(3)), ByolRegression{},
                  no_augment(), Momentum{});
  });
  auto odd = method_of([&] { return Method(TanhBody{}, head(), Identity{}, NtXent{0.3}, no_augment(), Shared{}); });
  CHECK_THROWS_WITH(backward_in_chunks(odd, views, {0, 10}, 3), Contains("3 chunks do not divide a batch of 8"));
}

TEST_CASE("in chunks, running statistics of both branches move once a chunk, as in one pass over the chunks") {
  Views views;
  for (std::uint64_t v = 0; v < 2; ++v) views.view.push_back(init::normal({8, 6}, 1, Rng(v)));
  views.globals = 2;
  const auto check = [&](auto whole, int buffers) {
    auto parts = clone(whole);
    for (std::int64_t c = 0; c < 2; ++c) {
      const NoGrad no_grad;
      whole.embed(detail::chunk_of(views, c * 4, c * 4 + 4));
    }
    backward_in_chunks(parts, views, {0, 10}, 2);
    std::vector<Tensor> want;
    each_buffer(whole, [&](const std::string&, Buffer& b) { want.push_back(b); });
    std::size_t i = 0;
    each_buffer(parts, [&](const std::string& name, Buffer& b) {
      INFO(name);
      CHECK(largest_difference(b, want[i++]) == 0);
      // SimCLR takes both views in one pass, BYOL one after the other.
      if (name.ends_with("num_batches_tracked")) CHECK(b.item() == (whole.views_together ? 2 : 4));
    });
    CHECK(i == static_cast<std::size_t>(buffers));
  };
  check(simclr(TanhBody{}, no_augment(), {.dimension = 4}, Rng(1)), 2 * 3);
  // Projector and predictor, and the target's projector.
  check(byol([](Rng) { return TanhBody{}; }, no_augment(), {.hidden = 7, .dimension = 4}, Rng(1)), 3 * 3);
}
