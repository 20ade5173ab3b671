// SPDX-License-Identifier: MIT
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "contrastive/nn/init.hpp"
#include "contrastive/ops/ops.hpp"
#include "support/catch.hpp"

using namespace contrastive;

TEST_CASE("handles share, clones do not; views share") {
  Tensor a = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {3, 2});
  const Tensor same = a, copy = a.clone(), rows = a.slice(1, 3), flat = a.reshape({-1});
  a.data<float>()[2] = 30;
  CHECK(same.data<float>()[2] == 30);
  CHECK(copy.data<float>()[2] == 3);
  CHECK(rows.data<float>()[0] == 30);
  CHECK(flat.shape() == Shape{6});
  float mine[2] = {7, 8};
  CHECK(sum(Tensor::borrow(mine, {2}, DType::f32)).item() == 15);
  CHECK_FALSE(Tensor().defined());
  CHECK_THROWS_WITH(a.data<double>(), Contains("as f64 of a tensor of f32"));
  CHECK_THROWS_WITH(a.item(), Contains("[item]"));
  CHECK_THROWS_WITH(a.slice(2, 4), Contains("[slice]"));
}

TEST_CASE("gradients add up, stop, and are freed") {
  Tensor x = Tensor::from<float>({3}, {1});
  x.set_requires_grad(true);
  (x * x + x * 2).backward();
  CHECK(x.grad().item() == 8);
  (x * 5).backward();
  CHECK(x.grad().item() == 13);  // collected until cleared
  x.clear_grad();
  (stop_gradient(x) * x).backward();
  CHECK(x.grad().item() == 3);
  {
    const NoGrad no_grad;
    CHECK_FALSE((x * 2).requires_grad());
  }
  CHECK(detail::tape().empty());
  CHECK_THROWS_WITH(stop_gradient(x).backward(), Contains("[backward]"));
  CHECK_THROWS_WITH(Tensor::zeros({2}).backward(), Contains("one number"));
  Tensor whole = Tensor::zeros({1}, DType::i64);
  CHECK_THROWS_WITH(whole.set_requires_grad(true), Contains("i64"));
}

TEST_CASE("a frozen tensor collects nothing and thaws in place") {
  Tensor x = Tensor::from<float>({3}, {1}), y = Tensor::from<float>({4}, {1});
  x.set_requires_grad(true);
  y.set_requires_grad(true);
  const Tensor copy = x;
  x.set_requires_grad(false);
  (x * y).backward();
  CHECK_FALSE(x.grad().defined());
  CHECK(y.grad().item() == 3);
  x.set_requires_grad(true);
  (x * y).backward();
  CHECK(copy.grad().item() == 4);
}

TEST_CASE("a gradient shared by two inputs is not written through") {
  Tensor a = Tensor::zeros({4}), b = Tensor::zeros({4});
  a.set_requires_grad(true);
  b.set_requires_grad(true);
  (sum(a + b) + sum(a * 3)).backward();
  CHECK(a.grad().data<float>()[0] == 4);
  CHECK(b.grad().data<float>()[0] == 1);
}

TEST_CASE("a gradient is turned into the next one where it lies, but not while something else holds it") {
  const auto bits = [](const Tensor& x) { return std::vector<float>(x.data<float>(), x.data<float>() + x.count()); };
  const auto leaf = [](std::uint64_t seed) {
    Tensor x = init::normal({64, 96}, 1, Rng(seed));
    x.set_requires_grad(true);
    return x;
  };
  const Tensor weight = init::normal({96}, 1, Rng(8)), bias = init::normal({96}, 1, Rng(9));
  using Op = std::function<Tensor(const Tensor&)>;
  const auto normed = [&](const Tensor& x, BatchNormArguments with) {
    const auto [mean, var] = batch_norm_statistics(x);
    with.weight = weight, with.bias = bias;
    return batch_norm(x, mean, var, false, with);
  };
  const std::pair<const char*, Op> ops[] = {
      {"gelu", [](const Tensor& x) { return gelu(x); }},
      {"sigmoid", [](const Tensor& x) { return sigmoid(x); }},
      {"layer norm", [&](const Tensor& x) { return layer_norm(x, weight, bias, 1e-5); }},
      {"batch norm", [&](const Tensor& x) { return normed(x, {}); }},
      {"with ReLU", [&](const Tensor& x) { return normed(x, {.relu = true}); }},
      {"with a residual", [&](const Tensor& x) { return normed(x, {.residual = x}); }},
      {"with both", [&](const Tensor& x) { return normed(x, {.residual = x, .relu = true}); }}};
  for (const auto& [name, op] : ops) {
    INFO(name);
    const Tensor given = init::normal({64, 96}, 1, Rng(5)), before = given.clone();
    const Tensor x = leaf(1), a = leaf(1), b = leaf(1), c = leaf(1);
    op(x).backward(given);  // held here
    CHECK(bits(given) == bits(before));
    (op(a) + op(b)).backward(given);  // held by the other summand
    CHECK(bits(given) == bits(before));
    CHECK(bits(a.grad()) == bits(x.grad()));
    CHECK(bits(b.grad()) == bits(x.grad()));
    (op(c) * 1.0).backward(given);  // by nothing
    CHECK(bits(c.grad()) == bits(x.grad()));
  }
  const Tensor x = leaf(1), y = gelu(gelu(gelu(x)));
  const Tensor given = init::normal({64, 96}, 1, Rng(5));
  reset_peak_memory();
  const std::size_t before = peak_memory();
  y.backward(given);
  CHECK(peak_memory() == before + x.count() * sizeof(float));  // one for three
}

TEST_CASE("a step finds the same memory again, and the peak is known") {
  const auto step = [] {
    const Tensor x({1000, 1000});
    return x.view().data;
  };
  const void* first = step();
  CHECK(step() == first);
  reset_peak_memory();
  const std::size_t before = peak_memory();
  step();
  CHECK(peak_memory() >= before + 4'000'000);
}

TEST_CASE("casts go between all dtypes") {
  const Tensor x = Tensor::from<double>({0, 1, -2, 200, 1.5}, {5});
  for (DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16})
    CHECK(x.to(dtype).to(DType::f64).span<double>()[3] == 200);
  CHECK(x.to(DType::i32).to(DType::f64).span<double>()[2] == -2);
  CHECK(x.to(DType::u8).to(DType::f64).span<double>()[4] == 1);
  CHECK(Tensor::full({2}, 3, DType::i64).to(DType::f64).span<double>()[1] == 3);
}

TEST_CASE("going back twice is an error, not a silent nothing") {
  Tensor x = Tensor::from<float>({3}, {1});
  x.set_requires_grad(true);
  const Tensor y = x * x, loss = y * 2, other = y * 5;
  loss.backward();
  CHECK(x.grad().item() == 12);
  CHECK_THROWS_WITH(loss.backward(), Contains("[backward] an earlier backward"));
  CHECK_THROWS_WITH(other.backward(), Contains("[backward] an earlier backward"));    // cleared with the first
  CHECK_THROWS_WITH((y * 2).backward(), Contains("[backward] an earlier backward"));  // through a part that is gone
  CHECK(x.grad().item() == 12);
  (x * x).backward();
  CHECK(x.grad().item() == 18);
  const Tensor forgotten = x * x;
  clear_tape();
  CHECK_THROWS_WITH(forgotten.backward(), Contains("[backward]"));
}

TEST_CASE("a tape belongs to its thread") {
  Tensor x = Tensor::from<float>({3}, {1}), z = Tensor::from<float>({5}, {1});
  x.set_requires_grad(true);
  z.set_requires_grad(true);
  const Tensor loss = x * x;
  std::thread([&] {
    (z * z).backward();
    const NoGrad no_grad;
    CHECK_FALSE((z * z).requires_grad());
  }).join();
  CHECK(z.grad().item() == 10);
  CHECK((x * 2).requires_grad());
  loss.backward();
  CHECK(x.grad().item() == 6);
}

TEST_CASE("gradients arrive whole, in the dtype of what they are the gradient of") {
  Tensor x = Tensor::from<float>({1, 2, 3}, {3});
  x.set_requires_grad(true);
  sum(cast(cast(x, DType::bf16) * 2, DType::f64)).backward();
  CHECK(x.grad().dtype() == DType::f32);
  CHECK(x.grad().span<float>()[2] == 2);
  CHECK_THROWS_WITH((x * 2).backward(Tensor::zeros({2})), Contains("[backward] expected a gradient of (3), got (2)"));
}
