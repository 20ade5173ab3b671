// SPDX-License-Identifier: MIT
#include "contrastive/ops/norm.hpp"

#include <cstring>

#include "contrastive/core/parallel.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "ops/support.hpp"
#include "support/catch.hpp"

using namespace contrastive;

TEST_CASE("layer norm equals its definition, with and without gain and offset") {
  for (std::int64_t D : {1, 2, 7, 16, 33, 192, 1027})
    for (std::int64_t N : {1, 5, 301}) {
      const Tensor x = random({N, D}, 10) * 3 + 2, weight = random({D}, 11), bias = random({D}, 12);
      const Tensor want = Tensor({N, D}, DType::f64), bare = Tensor({N, D}, DType::f64);
      for (std::int64_t n = 0; n < N; ++n) {
        double mean = 0, var = 0;
        for (std::int64_t i = 0; i < D; ++i) mean += x.data<double>()[n * D + i] / static_cast<double>(D);
        for (std::int64_t i = 0; i < D; ++i)
          var += std::pow(x.data<double>()[n * D + i] - mean, 2) / static_cast<double>(D);
        for (std::int64_t i = 0; i < D; ++i) {
          const double z = (x.data<double>()[n * D + i] - mean) / std::sqrt(var + 1e-6);
          bare.data<double>()[n * D + i] = z;
          want.data<double>()[n * D + i] = z * weight.data<double>()[i] + bias.data<double>()[i];
        }
      }
      INFO(N << " rows of " << D);
      CHECK(largest_error(layer_norm(x, weight, bias, 1e-6), want) < (D == 1 ? 1e-9 : 1e-13));
      if (D == 1) continue;
      CHECK(largest_error(layer_norm(x, {}, {}, 1e-6), bare) < 1e-13);
      const Tensor f32 = layer_norm(x.to(DType::f32), weight.to(DType::f32), bias.to(DType::f32), 1e-6);
      if (D > 2) CHECK(largest_error(f32, want) < 1e-5);
    }
  CHECK(layer_norm(Tensor({0, 4}), {}, {}, 1e-6).shape() == Shape{0, 4});
  CHECK_THROWS_WITH(layer_norm(Tensor({2, 4}), Tensor({3}), {}, 1e-6),
                    "[layer_norm] expected (.., D) and f32 weight and bias (D), got (2, 4), (3) and ()");
}

TEST_CASE("layer norm's gradient equals differences; in f32 and bf16 that of f64") {
  for (std::int64_t D : {2, 5, 19}) {
    const auto result = gradcheck([](const auto& in) { return layer_norm(in[0], in[1], in[2], 1e-5); },
                                  {random({3, 2, D}, 13) * 2 + 1, random({D}, 14), random({D}, 15)});
    INFO(result.message);
    CHECK(result.ok);
    CHECK(gradcheck([](const auto& in) { return layer_norm(in[0], {}, {}, 1e-5); }, {random({4, D}, 16)}).ok);
  }
  for (const auto& [N, D] : {std::pair(700, 48), {257, 385}}) {
    const auto gradients = [N = N, D = D](DType dtype) {
      Tensor x = random({N, D}, 17, DType::bf16).to(dtype);
      Tensor weight = random({D}, 18, DType::bf16).to(dtype == DType::bf16 ? DType::f32 : dtype);
      Tensor bias = random({D}, 19, DType::bf16).to(weight.dtype());
      for (Tensor* leaf : {&x, &weight, &bias}) leaf->set_requires_grad(true);
      layer_norm(x, weight, bias, 1e-6).backward(random({N, D}, 20, DType::bf16).to(dtype));
      return std::vector{x.grad(), weight.grad(), bias.grad()};
    };
    const auto want = gradients(DType::f64), near = gradients(DType::f32), half = gradients(DType::bf16);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(largest_error(near[i], want[i]) < 2e-6);
      CHECK(largest_error(half[i], want[i]) < 5e-3);
    }
  }
}

TEST_CASE("layer norm has the same bits for any number of threads") {
  const auto run = [](int count) {
    set_threads(count);
    Tensor x = random({999, 40}, 21, DType::f32), weight = random({40}, 22, DType::f32);
    x.set_requires_grad(true);
    weight.set_requires_grad(true);
    layer_norm(x, weight, {}, 1e-6).backward(random({999, 40}, 23, DType::f32));
    set_threads(0);
    return std::pair(x.grad(), weight.grad());
  };
  const auto one = run(1), three = run(3);
  CHECK(std::memcmp(one.first.view().data, three.first.view().data, 999 * 40 * 4) == 0);
  CHECK(std::memcmp(one.second.view().data, three.second.view().data, 40 * 4) == 0);
}
