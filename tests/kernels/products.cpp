// SPDX-License-Identifier: MIT
#include <memory>

#include "contrastive/ops/ops.hpp"
#include "kernels/support.hpp"
#include "support/catch.hpp"

using namespace contrastive;

TEST_CASE("products and convolutions, ours and the vendor's, agree with float64") {
  const Shape sizes[] = {{1, 1, 1}, {3, 5, 7}, {17, 33, 129}, {200, 65, 31}, {64, 576, 1000}};
  for (DType dtype : {DType::f32, DType::bf16}) {
    const double tolerance = dtype == DType::f32 ? 2e-6 : 1e-2;
    for (const Shape& s : sizes)
      for (bool ta : {false, true})
        for (bool tb : {false, true}) {
          const Tensor a = random(ta ? Shape{s[2], s[0]} : Shape{s[0], s[2]}, 1, dtype);
          const Tensor b = random(tb ? Shape{s[1], s[2]} : Shape{s[2], s[1]}, 2, dtype);
          const Tensor want = matmul(a.to(DType::f64), b.to(DType::f64), ta, tb, 0.5);
          CHECK(relative_error(matmul(a, b, ta, tb, 0.5), want) < tolerance);
          const Deterministic own;
          CHECK(relative_error(matmul(a, b, ta, tb, 0.5), want) < tolerance);
        }
    struct Case {
      WindowSpec spec;
      std::int64_t N, H, W, C, O;
    };
    // The ones in whole panels of channels go by Winograd's sum in f32: odd sizes, many channels, several groups.
    for (const Case& c :
         {Case{{3, 1, 1}, 3, 13, 11, 5, 17}, Case{{3, 2, 1}, 3, 13, 11, 5, 17}, Case{{1, 2, 0}, 3, 13, 11, 5, 17},
          Case{{7, 2, 3}, 3, 13, 11, 5, 17}, Case{{3, 1, 1}, 3, 13, 11, 32, 64}, Case{{3, 1, 1}, 1, 4, 5, 64, 32},
          Case{{3, 1, 1}, 1, 33, 48, 32, 32}, Case{{3, 1, 1}, 2, 7, 6, 160, 128}, Case{{3, 1, 1}, 2, 3, 3, 32, 32},
          Case{{3, 1, 1}, 5, 2, 2, 64, 32}, Case{{3, 1, 1}, 1, 2, 5, 32, 32}, Case{{3, 1, 1}, 40, 4, 4, 192, 96}}) {
      INFO(c.C << " channels, " << c.H << " x " << c.W);
      const auto outputs = [&](DType data, DType weight) {
        Tensor x = random({c.N, c.H, c.W, c.C}, 1, dtype).to(data),
               w = random({c.O, c.spec.kernel, c.spec.kernel, c.C}, 2, dtype).to(weight);
        x.set_requires_grad(true);
        w.set_requires_grad(true);
        const Tensor y = conv2d(x, w, c.spec);
        for (std::uint64_t seed : {3, 4})  // the second gradient is added to the first
          conv2d(x, w, c.spec).backward(random(y.shape(), seed, dtype).to(data));
        clear_tape();
        return std::vector<Tensor>{y.detach(), x.grad(), w.grad()};
      };
      const std::vector<Tensor> want = outputs(DType::f64, DType::f64), vendor = outputs(dtype, DType::f32);
      const Deterministic mode;
      const std::vector<Tensor> own = outputs(dtype, DType::f32);
      for (int i = 0; i < 3; ++i) {
        CHECK(relative_error(vendor[i], want[i]) < tolerance);
        CHECK(relative_error(own[i], want[i]) < tolerance);
        if (i == 2) CHECK(own[i].dtype() == DType::f32);
      }
    }
  }
}

TEST_CASE("a product adds its bias to each row") {
  for (DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    const DType wide = dtype == DType::bf16 ? DType::f32 : dtype;
    const double tolerance = dtype == DType::f32 ? 2e-6 : dtype == DType::bf16 ? 1e-2 : 1e-14;
    for (const Shape& s : {Shape{1, 1, 1}, {3, 7, 5}, {200, 65, 31}, {300, 96, 0}})
      for (std::int64_t batch : {0, 3})
        for (bool own : {false, true}) {
          INFO(to_string(dtype) << " " << s[0] << " x " << s[1] << " x " << s[2] << " batch " << batch);
          const auto shape = [&](std::int64_t rows, std::int64_t columns) {
            return batch ? Shape{batch, rows, columns} : Shape{rows, columns};
          };
          const std::unique_ptr<Deterministic> mode = own ? std::make_unique<Deterministic>() : nullptr;
          const Tensor a = random(shape(s[0], s[2]), 1, dtype), b = random(shape(s[1], s[2]), 2, dtype);
          const Tensor bias = random({s[1]}, 3, wide);
          const Tensor want = matmul(a.to(DType::f64), b.to(DType::f64), false, true) + bias.to(DType::f64);
          const Tensor y = matmul(a, b, false, true, 1, bias);
          CHECK(relative_error(y, want) < tolerance);
          CHECK(y.dtype() == dtype);
        }
  }
  const Tensor x = random({2, 3}, 1), w = random({4, 3}, 2);
  CHECK_THROWS_WITH(matmul(x, w, false, true, 1, random({3}, 3)), Contains("[bias] expected (4) of f32 for (2, 4)"));
  CHECK_THROWS_WITH(matmul(x, w, false, true, 2, random({4}, 3)), Contains("[matmul] a bias goes with alpha 1, got 2"));
}

TEST_CASE("a product overwrites what its output memory held, and a beta keeps it") {
  // Freed blocks come back with their old content: sizes around the register tiles, on junk.
  const Deterministic mode;
  for (DType dtype : {DType::f32, DType::f64})
    for (std::int64_t M : {1, 11, 12, 24, 25, 193})
      for (std::int64_t N : {1, 15, 16, 33, 64})
        for (std::int64_t K : {1, 3, 257, 513}) {
          const Tensor a = random({M, K}, 1, dtype), b = random({K, N}, 2, dtype), y = Tensor::full({M, N}, 1e4, dtype);
          const KernelTable& kernels = a.kernels();
          kernels.matmul(a.view(), b.view(), y.view(), {});
          const Tensor wide_a = a.to(DType::f64), wide_b = b.to(DType::f64), want({M, N}, DType::f64);
          for (std::int64_t i = 0; i < M; ++i)
            for (std::int64_t j = 0; j < N; ++j) {
              double total = 0;
              for (std::int64_t k = 0; k < K; ++k)
                total += wide_a.data<double>()[i * K + k] * wide_b.data<double>()[k * N + j];
              want.data<double>()[i * N + j] = total;
            }
          INFO(M << " x " << N << " x " << K << " " << to_string(dtype));
          REQUIRE(relative_error(y, want) < (dtype == DType::f32 ? 2e-6 : 1e-14));
          kernels.matmul(a.view(), b.view(), y.view(), {.beta = 1});
          REQUIRE(relative_error(y, want * 2) < (dtype == DType::f32 ? 2e-6 : 1e-14));
        }
}

TEST_CASE("a convolution's statistics are those of its output") {
  const WindowSpec spec{.kernel = 3, .stride = 1, .padding = 1};
  struct Case {
    std::int64_t N, H, W, C, O, groups;
  };
  // By Winograd's sum, in one part and in several; odd sides; groups too small for it; channels that it does not take.
  for (const Case& c :
       {Case{4, 32, 32, 64, 64, 1}, Case{8, 32, 32, 32, 64, 4}, Case{3, 13, 11, 32, 64, 1}, Case{64, 5, 7, 32, 32, 2},
        Case{40, 4, 4, 192, 96, 1}, Case{4, 4, 4, 32, 32, 2}, Case{4, 9, 9, 5, 7, 2}}) {
    INFO(c.N << " of " << c.H << " x " << c.W << ", " << c.groups << " groups");
    // Means of dozens of deviations: one sum of squares would have lost the variance in float32.
    const Tensor x = random({c.N, c.H, c.W, c.C}, 1) * 0.01 + 1;
    Tensor w = random({c.O, 3, 3, c.C}, 2);
    w.set_requires_grad(true);
    const auto check = [&] {
      const ConvolvedWithStatistics got = conv2d_with_statistics(x, w, spec, c.groups);
      CHECK(same_bits(got.y.detach(), conv2d(x, w, spec).detach()));
      CHECK(got.y.requires_grad());
      clear_tape();
      const auto [mean, var] = batch_norm_statistics(got.y.detach().to(DType::f64), c.groups);
      CHECK(relative_error(got.mean, mean) < 1e-6);
      CHECK(relative_error(got.var, var) < 1e-5);
    };
    check();
    const Deterministic mode;
    check();
  }
  CHECK_THROWS_WITH(conv2d_with_statistics(random({3, 4, 4, 32}, 1), random({32, 3, 3, 32}, 2), spec, 2),
                    Contains("[batch_norm] cannot split"));
}

TEST_CASE("what is written past the caches is what would be written into them") {
  const Tensor x = random({24, 32, 32, 64}, 1), w = random({64, 3, 3, 64}, 2), gain = random({64}, 3),
               offset = random({64}, 4);  // 6 MB; its thirds are 2 MB
  Tensor mean = random({1, 64}, 5), var = square(random({1, 64}, 6)) + 0.5;
  const auto outputs = [&](const Tensor& part) {
    Tensor leaf = part.clone();
    leaf.set_requires_grad(true);
    const Tensor y = conv2d(leaf, w, {.kernel = 3, .stride = 1, .padding = 1});
    const Tensor z = batch_norm(y, mean, var, true, {gain, offset, {}, true});
    const Tensor sum_of_both = batch_norm(y, mean, var, true, {gain, offset, z, true});
    sum(square(sum_of_both)).backward();
    return std::vector<Tensor>{y.detach(), z.detach(), sum_of_both.detach(), leaf.grad()};
  };
  const std::vector<Tensor> whole = outputs(x);
  for (int third = 0; third < 3; ++third) {
    const std::vector<Tensor> part = outputs(x.slice(8 * third, 8 * third + 8));
    for (std::size_t i = 0; i < part.size(); ++i)
      CHECK(same_bits(whole[i].slice(8 * third, 8 * third + 8).clone(), part[i]));
  }
}
