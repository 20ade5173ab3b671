// SPDX-License-Identifier: MIT

// TiCo: two frozen batches, what its objective sees, and the collapse that its covariance prevents.

#include "contrastive/methods/tico.hpp"

#include "contrastive/eval/spectrum.hpp"
#include "methods/on_shapes.hpp"
#include "objectives/support.hpp"

using namespace contrastive;

TEST_CASE("TiCo equals lightly over two batches: loss, both gradients and the covariance") {
  const Golden g = load_golden("tico.safetensors");
  for (const auto& [dtype, tolerance, floor] : cases) {
    Tensor C = Tensor::zeros({9, 9}, dtype);
    for (const std::string at : {"_0", "_1"}) {
      INFO(to_string(dtype) << at);
      const Tensor a = leaf(g.tensor("z_a" + at), dtype), b = leaf(g.tensor("z_b" + at), dtype);
      const Tensor loss = tico(a, b, C, 20, 0.9);
      loss.backward();
      check_close(loss, g.tensor("loss" + at), tolerance, floor);
      check_close(a.grad(), g.tensor("grad_z_a" + at), tolerance, floor);
      check_close(b.grad(), g.tensor("grad_z_b" + at), tolerance, floor);
      check_close(C, g.tensor("C_after" + at), tolerance, floor);
    }
  }
}

TEST_CASE("TiCo looks at rows of any length, and names what does not fit") {
  const Tensor a = init::normal({5, 4}, 1, Rng(1)), b = init::normal({5, 4}, 1, Rng(2));
  Tensor C = Tensor::zeros({4, 4}), again = Tensor::zeros({4, 4});
  const double loss = tico(a, b, C).item();
  CHECK(std::abs(tico(a * 30, b * 0.01, again).item() - loss) < 1e-5);
  CHECK_THROWS_WITH(tico(a, b, Tensor::zeros({5, 5})), "[tico] expected a covariance of (4, 4), got (5, 5)");
  CHECK_THROWS_WITH(tico(a, b, C, -1), Contains("[tico] rho must be 0 to 10000, got -1"));
  CHECK_THROWS_WITH(tico(a, b, C, 20, 1.5), Contains("[tico] beta must be 0 to 1, got 1.5"));
}

TEST_CASE("TiCo moves its target before the keys, and only the first view pulls") {
  auto method = tico(tiny_encoder(Rng(1)), byol_cifar(12), {.momentum = 0.5, .hidden = 16, .dimension = 8}, Rng(2));
  Loader loader(Shapes(64, 12), method.augment, {.batch = 16, .threads = 0});
  const Views views = loader.next()->views;
  const Progress start{.step = 0, .steps = 10};
  const Tensor moved = method.online.projector.layers[0].linear.weight.detach().clone();
  method.online.projector.layers[0].linear.weight.copy_from(Tensor::zeros(moved.shape()));
  const Tensor loss = method.loss(views, start);  // the target goes half of the way first
  const Tensor now = method.target.tower().projector.layers[0].linear.weight;
  check_close(now, moved * 0.5, 1e-6, 1e-9);
  const Embeddings z = method.embed(views, start);
  CHECK((z.online[0].defined() && !z.online[1].defined()));
  CHECK((!z.target[0].defined() && z.target[1].defined()));
  loss.backward();
  each_parameter(method.target, [&](const std::string& name, Parameter& p) {
    INFO(name);
    CHECK_FALSE(p.grad().defined());
  });
  std::vector<std::string> names;
  each_buffer(method.objective, [&](const std::string& name, Buffer&) { names.push_back(name); });
  CHECK(names == std::vector<std::string>{"covariance"});
}

TEST_CASE("TiCo without its covariance: embeddings draw together", "[learns]") {
  const auto run = [](double rho) {
    auto method = tico(tiny_encoder(Rng(seeded(7))), byol_cifar(12),
                       {.rho = rho, .momentum = 0.9, .hidden = 64, .dimension = 32}, Rng(seeded(7)));
    return train_on_shapes(method, 0.1, 120,
                           [&](const Views& views) { return collapse_watch(method.embed(views).online[0]); });
  };
  check_healthy("TiCo", run(20));
  check_collapsed("TiCo without its covariance", run(0));
}
