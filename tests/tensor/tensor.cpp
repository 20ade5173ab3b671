// SPDX-License-Identifier: MIT
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
