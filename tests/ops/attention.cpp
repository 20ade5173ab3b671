// SPDX-License-Identifier: MIT
#include "contrastive/ops/attention.hpp"

#include <cstring>

#include "contrastive/core/parallel.hpp"
#include "contrastive/ops/norm.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

Tensor random(Shape shape, std::uint64_t seed, DType dtype = DType::f64, double scale = 1) {
  Tensor t(shape, DType::f64);
  Stream stream(Rng(seed) / "inputs");
  for (double& x : t.span<double>()) x = scale * stream.normal();
  return t.to(dtype);
}

double largest_error(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  const Tensor x = a.to(DType::f64), y = b.to(DType::f64);
  double worst = 0, size = 0;
  for (std::int64_t i = 0; i < x.count(); ++i) {
    const double off = std::abs(x.data<double>()[i] - y.data<double>()[i]);
    worst = off <= worst ? worst : off;
    size = std::max(size, std::abs(y.data<double>()[i]));
  }
  return worst / std::max(size, 1e-30);
}

/// The definition, by loops.
Tensor plain_attention(const Tensor& qkv, int heads, bool causal) {
  const std::int64_t N = qkv.size(0), L = qkv.size(1), D = qkv.size(2) / 3, d = D / heads;
  const Tensor y = Tensor::zeros({N, L, D}, DType::f64);
  const double* x = qkv.data<double>();
  for (std::int64_t n = 0; n < N; ++n)
    for (int h = 0; h < heads; ++h)
      for (std::int64_t i = 0; i < L; ++i) {
        std::vector<double> p;
        for (std::int64_t j = 0; j < (causal ? i + 1 : L); ++j) {
          double score = 0;
          for (std::int64_t c = 0; c < d; ++c)
            score += x[(n * L + i) * 3 * D + h * d + c] * x[(n * L + j) * 3 * D + D + h * d + c];
          p.push_back(score / std::sqrt(static_cast<double>(d)));
        }
        const double largest = *std::max_element(p.begin(), p.end());
        double total = 0;
        for (double& value : p) total += value = std::exp(value - largest);
        for (std::size_t j = 0; j < p.size(); ++j)
          for (std::int64_t c = 0; c < d; ++c)
            y.data<double>()[(n * L + i) * D + h * d + c] +=
                p[j] / total * x[(n * L + static_cast<std::int64_t>(j)) * 3 * D + 2 * D + h * d + c];
      }
  return y;
}

struct Sizes {
  std::int64_t N, L, D;
  int heads;
};
const Sizes awkward[] = {{1, 1, 1, 1},  {2, 3, 4, 2},    {1, 13, 10, 2},  {2, 50, 33, 3},
                         {1, 97, 8, 1}, {1, 197, 64, 1}, {2, 211, 80, 2}, {1, 300, 34, 2}};

}  // namespace

TEST_CASE("attention equals its definition at awkward sizes, in f64, f32 and bf16") {
  for (const Sizes& s : awkward)
    for (bool causal : {false, true}) {
      INFO(s.N << " " << s.L << " " << s.D << " " << s.heads << " causal " << causal);
      const Tensor x = random({s.N, s.L, 3 * s.D}, 1);
      const Tensor want = plain_attention(x, s.heads, causal);
      CHECK(largest_error(attention(x, s.heads, causal), want) < 1e-13);
      CHECK(largest_error(attention(x.to(DType::f32), s.heads, causal), want) < 2e-6);
      const Tensor narrow = x.to(DType::bf16);
      CHECK(largest_error(attention(narrow, s.heads, causal), plain_attention(narrow.to(DType::f64), s.heads, causal)) <
            5e-3);
    }
  CHECK(attention(Tensor({0, 5, 12}), 2).shape() == Shape{0, 5, 4});
}

TEST_CASE("attention's gradient equals differences, and in f32 and bf16 that of f64") {
  for (const Sizes& s : {Sizes{1, 1, 2, 1}, {2, 3, 4, 2}, {1, 14, 6, 2}, {1, 99, 2, 1}})
    for (bool causal : {false, true}) {
      const auto result = gradcheck([&](const auto& in) { return attention(in[0], s.heads, causal); },
                                    {random({s.N, s.L, 3 * s.D}, 2)});
      INFO(result.message);
      CHECK(result.ok);
    }
  for (const Sizes& s : awkward)
    for (bool causal : {false, true}) {
      INFO(s.N << " " << s.L << " " << s.D << " " << s.heads << " causal " << causal);
      const auto gradient = [&](DType dtype) {
        Tensor x = random({s.N, s.L, 3 * s.D}, 3, DType::bf16).to(dtype);
        x.set_requires_grad(true);
        attention(x, s.heads, causal).backward(random({s.N, s.L, s.D}, 4, DType::bf16).to(dtype));
        return x.grad();
      };
      const Tensor want = gradient(DType::f64);
      CHECK(largest_error(gradient(DType::f32), want) < 5e-6);
      CHECK(largest_error(gradient(DType::bf16), want) < 2e-2);
    }
}

TEST_CASE("attention holds where scores are huge, and does not see what is causally hidden") {
  const Tensor x = random({1, 20, 3 * 8}, 5, DType::f32, 40);
  const Tensor y = attention(x, 2);
  for (float value : y.span<float>()) CHECK(std::isfinite(value));
  CHECK(largest_error(y, plain_attention(x.to(DType::f64), 2, false)) < 1e-3);  // scores of 1e4 carry 1e-3 in f32
  Tensor later = random({1, 20, 24}, 6, DType::f32);
  const Tensor before = attention(later, 2, true);
  for (std::int64_t i = 11 * 24; i < 20 * 24; ++i) later.data<float>()[i] = 1e6f;
  const Tensor after = attention(later, 2, true);
  CHECK(std::memcmp(before.view().data, after.view().data, 11 * 8 * sizeof(float)) == 0);
}

TEST_CASE("attention has the same bits for any number of threads") {
  const auto run = [](int count) {
    set_threads(count);
    Tensor x = random({3, 101, 3 * 24}, 7, DType::f32);
    x.set_requires_grad(true);
    const Tensor y = attention(x, 3);
    y.backward(random(y.shape(), 8, DType::f32));
    set_threads(0);
    return std::pair(y.detach(), x.grad());
  };
  const auto one = run(1), three = run(3);
  for (const auto& [a, b] : {std::pair(one.first, three.first), {one.second, three.second}})
    CHECK(std::memcmp(a.view().data, b.view().data, static_cast<std::size_t>(a.count()) * 4) == 0);
}

TEST_CASE("attention weights are what attention averages with") {
  const Tensor x = random({2, 7, 3 * 6}, 9);
  const Tensor weights = attention_weights(x, 2, 3);
  REQUIRE(weights.shape() == Shape{2, 2, 3, 7});
  const Tensor y = attention(x, 2);
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t h = 0; h < 2; ++h)
      for (std::int64_t i = 0; i < 3; ++i)
        for (std::int64_t c = 0; c < 3; ++c) {
          double value = 0;
          for (std::int64_t j = 0; j < 7; ++j)
            value += weights.data<double>()[((n * 2 + h) * 3 + i) * 7 + j] *
                     x.data<double>()[(n * 7 + j) * 18 + 12 + h * 3 + c];
          CHECK(value == Approx(y.data<double>()[(n * 7 + i) * 6 + h * 3 + c]).epsilon(1e-12));
        }
}

TEST_CASE("attention says what it expects") {
  CHECK_THROWS_WITH(attention(Tensor({2, 5, 20}), 3),
                    "[attention] expected (N, L, 3 D) with D a multiple of 3 heads, got (2, 5, 20)");
  CHECK_THROWS_WITH(attention_weights(Tensor({2, 5, 18}), 3, 6), "[attention_weights] 6 queries of 5 positions");
}

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
