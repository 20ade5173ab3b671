// SPDX-License-Identifier: MIT
#include "contrastive/kernels/cpu/reduce.hpp"
#include "contrastive/kernels/cpu/simd.hpp"
#include "contrastive/kernels/functors.hpp"
#include "contrastive/ops/ops.hpp"
#include "kernels/support.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"

using namespace contrastive;

namespace {

struct ExpKernel {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(const float* x, float* y, int n) {
    using V = simd::native<Isa, float>;
    for (int i = 0; i < n; i += simd::size_v<V>) simd::store(y + i, functors::exp_plain(simd::load<V>(x + i)));
  }
};

}  // namespace

TEST_CASE("the vector exponential is right to two units in the last place, and at its ends") {
  constexpr int n = 1 << 16;
  std::vector<float> x(n), y(n);
  for (int i = 0; i < n; ++i) x[i] = -87.3f + 176.f * static_cast<float>(i) / n;
  simd::dispatch<ExpKernel>(static_cast<const float*>(x.data()), y.data(), n);
  double worst = 0;
  for (int i = 0; i < n; ++i) {
    const double want = std::exp(static_cast<double>(x[i]));
    if (want < 3.4e38) worst = larger(worst, std::abs(y[i] - want) / want);
  }
  CHECK(worst < 2.4e-7);
  float ends[16] = {0, 1000, -1000, std::nanf(""), INFINITY, -INFINITY, 88.7f, -87.3f};
  simd::dispatch<ExpKernel>(static_cast<const float*>(ends), y.data(), 16);
  CHECK(y[0] == 1);
  CHECK(y[1] == INFINITY);
  CHECK(y[2] == 0);
  CHECK(y[3] != y[3]);
  CHECK(y[4] == INFINITY);
  CHECK(y[5] == 0);
  CHECK(std::isfinite(y[6]));
}

TEST_CASE("GELU in f32 is right to a few units in the last place, in its tail too, and so is its gradient") {
  constexpr int n = 1 << 16;
  Tensor x({n}), fine({n}, DType::f64);
  for (int i = 0; i < n; ++i) fine.data<double>()[i] = x.data<float>()[i] = -12.f + 24.f * static_cast<float>(i) / n;
  using Op = Tensor(const Tensor&);
  for (const auto& [f, close] : {std::pair<Op*, double>(&gelu, 2e-6), {&quick_gelu, 2e-6}}) {
    x.clear_grad();
    fine.clear_grad();
    x.set_requires_grad(true);
    fine.set_requires_grad(true);
    const Tensor y = f(x);
    y.backward(Tensor::full({n}, 1));
    const Tensor want = f(fine);
    want.backward(Tensor::full({n}, 1, DType::f64));
    double worst = 0, worst_gradient = 0;
    for (int i = 0; i < n; ++i) {
      const double value = want.data<double>()[i], slope = fine.grad().data<double>()[i];
      if (!(std::abs(value) <= 1e-30)) worst = larger(worst, std::abs(y.data<float>()[i] - value) / std::abs(value));
      worst_gradient = larger(worst_gradient, std::abs(x.grad().data<float>()[i] - slope));
    }
    CHECK(worst < 10 * close);  // e^(-x^2 / 2) carries the rounding of its exponent, 72 at the ends
    CHECK(worst_gradient < close);
  }
}

TEST_CASE("an activation with a bias is the activation of the sum") {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const std::int64_t C : {1, 3, 32, 48, 512, 700}) {
      const Tensor x = random({2, 37, C}, 1, dtype), bias = random({C}, 2), dy = random({2, 37, C}, 3, dtype);
      const auto outcome = [&](bool gelus, bool fine) {
        const DType wide = fine ? DType::f64 : dtype;
        Tensor a = x.to(wide).clone(), b = bias.to(fine ? DType::f64 : DType::f32).clone();
        for (Tensor* leaf : {&a, &b}) leaf->set_requires_grad(true);
        const Tensor y = fine ? (gelus ? gelu(a + b) : relu(a + b)) : (gelus ? gelu(a, b) : relu(a, b));
        y.backward(dy.to(wide));
        return std::vector<Tensor>{y.detach(), a.grad(), b.grad()};
      };
      for (const bool gelus : {false, true}) {
        const std::vector<Tensor> got = outcome(gelus, false), want = outcome(gelus, true);
        for (std::size_t i = 0; i < got.size(); ++i)
          CHECK(relative_error(got[i], want[i]) < (dtype == DType::f32 ? 1e-6 : 4e-3));
      }
    }
  CHECK_THROWS_WITH(relu(random({4, 3}, 1), random({4}, 2)), Contains("[bias]"));
}

TEST_CASE("batch norm's gradient finds the ReLU's side from x as from y") {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16})
    for (const std::int64_t C : {3, 16, 64, 67}) {
      const DType wide = dtype == DType::f64 ? DType::f64 : DType::f32;
      const Tensor x = random({6, 5, C}, 1, dtype), dy = random({6, 5, C}, 2, dtype), y(x.shape(), dtype);
      const Tensor gain = random({C}, 3, wide), offset = random({C}, 4, wide);
      const std::pair<Tensor, Tensor> statistics = batch_norm_statistics(x, 2);
      const Tensor &mean = statistics.first, &var = statistics.second;
      const KernelTable& k = x.kernels();
      k.batch_norm({.x = x.view(),
                    .mean = mean.view(),
                    .var = var.view(),
                    .weight = gain.view(),
                    .bias = offset.view(),
                    .eps = 1e-5,
                    .relu = true,
                    .y = y.view()});
      const auto gradients = [&](View known, View residual) {
        const Tensor dx(x.shape(), dtype), dgain({C}, wide), doffset({C}, wide);
        k.batch_norm_grad({.x = x.view(),
                           .y = known,
                           .mean = mean.view(),
                           .var = var.view(),
                           .weight = gain.view(),
                           .bias = offset.view(),
                           .eps = 1e-5,
                           .relu = true,
                           .dy = dy.view(),
                           .dx = dx.view(),
                           .dweight = dgain.view(),
                           .dbias = doffset.view(),
                           .dresidual = residual});
        return std::vector<Tensor>{dx, dgain, doffset};
      };
      const Tensor dresidual(x.shape(), dtype);
      const std::vector<Tensor> by_y = gradients(y.view(), {}), by_x = gradients({}, {}),
                                again = gradients(y.view(), dresidual.view());
      for (std::size_t i = 0; i < by_y.size(); ++i) {
        CHECK(same_bits(by_y[i], by_x[i]));
        CHECK(same_bits(by_y[i], again[i]));
      }
    }
}

TEST_CASE("the larger of two keeps NaN of either, in vectors and in what is left of them") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor one = random({19}, 1, dtype), hole = Tensor::full({19}, std::nan(""), dtype);
    for (const Tensor& y : {maximum(one, hole), maximum(hole, one), relu(hole)}) {
      const Tensor wide = y.to(DType::f64);
      for (int i = 0; i < 19; ++i) CHECK(std::isnan(wide.data<double>()[i]));
    }
  }
}

TEST_CASE("exp, tanh and sigmoid in f32 are right to a few units in the last place, and at their ends") {
  constexpr int n = 1 << 16;
  Tensor x({n}), fine({n}, DType::f64);
  for (int i = 0; i < n; ++i) {
    const float size = std::exp2(-20.f + 26.f * static_cast<float>(i) / n);  // 1e-6 to 64
    fine.data<double>()[i] = x.data<float>()[i] = i % 2 ? size : -size;
  }
  for (const auto& f : {&exp, &tanh, &sigmoid}) {
    const Tensor y = f(x), want = f(fine);
    double worst = 0;
    for (int i = 0; i < n; ++i) worst = larger(worst, std::abs(y.data<float>()[i] / want.data<double>()[i] - 1));
    CHECK(worst < 4e-7);
  }
  Tensor ends({4});
  const auto at_ends = [&](Tensor (*f)(const Tensor&)) {
    const float values[4] = {INFINITY, -INFINITY, std::nanf(""), 0};
    std::copy(values, values + 4, ends.data<float>());
    const Tensor y = f(ends);
    CHECK(std::isnan(y.data<float>()[2]));
    return std::vector<float>{y.data<float>()[0], y.data<float>()[1], y.data<float>()[3]};
  };
  CHECK(at_ends(&exp) == std::vector<float>{INFINITY, 0, 1});
  CHECK(at_ends(&tanh) == std::vector<float>{1, -1, 0});
  CHECK(at_ends(&sigmoid) == std::vector<float>{1, 0, 0.5f});
  CHECK(at_ends(&relu) == std::vector<float>{INFINITY, 0, 0});
  CHECK(at_ends(&abs) == std::vector<float>{INFINITY, INFINITY, 0});
  CHECK(at_ends(&gelu)[0] == INFINITY);
}

#if defined(__x86_64__)
TEST_CASE("instruction sets agree where the arithmetic is the same, and to rounding where it is not") {
  const auto has_avx2 = simd::isa() != simd::IsaLevel::base, has_avx512 = simd::isa() == simd::IsaLevel::avx512;
  constexpr int n = 1024;
  const Tensor x = random({n}, 7);
  const float* from = x.data<float>();
  std::vector<float> base(n), wide(n);
  double sums[3] = {};
  simd::run_base<ExpKernel>(from, base.data(), n);
  simd::run_base<cpu::detail::RowSum<float>>(from, std::int64_t{n}, &sums[0]);
  const auto check = [&](double total) {
    for (int i = 0; i < n; ++i) REQUIRE(wide[i] == Approx(base[i]).epsilon(5e-7));
    CHECK(total == Approx(sums[0]).epsilon(1e-5).margin(1e-4));
  };
  if (has_avx2) {
    simd::run_avx2<ExpKernel>(from, wide.data(), n);
    simd::run_avx2<cpu::detail::RowSum<float>>(from, std::int64_t{n}, &sums[1]);
    check(sums[1]);
  }
  if (has_avx512) {
    simd::run_avx512<ExpKernel>(from, wide.data(), n);
    simd::run_avx512<cpu::detail::RowSum<float>>(from, std::int64_t{n}, &sums[2]);
    check(sums[2]);
  }
}
#endif

TEST_CASE("sums run in fixed chunks: the same bits for any number of threads, and as exact as doubles") {
  const Tensor x = random({1013, 997}, 3), want = x.to(DType::f64);
  std::vector<Tensor> runs;
  for (int count : {1, 2, 3}) {
    set_threads(count);
    runs.push_back(concat({sum(x, 0), sum(x, 1), sum(x).reshape({1})}));
  }
  set_threads(0);
  CHECK(same_bits(runs[0], runs[1]));
  CHECK(same_bits(runs[0], runs[2]));
  CHECK(relative_error(sum(x, 0), sum(want, 0)) < 1e-6);
  CHECK(relative_error(sum(x, 1), sum(want, 1)) < 1e-6);
  CHECK(sum(Tensor::full({1 << 20}, 0.1)).item() == Approx((1 << 20) * static_cast<double>(0.1f)).epsilon(1e-6));
}

TEST_CASE("in deterministic mode no result depends on the number of threads") {
  const Deterministic mode;
  std::vector<std::vector<Tensor>> runs;
  for (int count : {1, 2, 3}) {
    set_threads(count);
    Tensor x = random({8, 15, 15, 16}, 1), w = random({33, 3, 3, 16}, 2), gain = random({33}, 3),
           offset = random({33}, 4);
    Tensor u = random({8, 15, 15, 32}, 5), w32 = random({64, 3, 3, 32}, 6);  // by Winograd's sum
    for (Tensor* t : {&x, &w, &gain, &offset, &u, &w32}) t->set_requires_grad(true);
    const WindowSpec spec{.kernel = 3, .stride = 1, .padding = 1};
    const Tensor y = conv2d(x, w, spec);
    const auto [mean, var] = batch_norm_statistics(y);
    const Tensor z = normalize(global_avg_pool(batch_norm(y, mean, var, false, {gain, offset, {}, true})));
    const Tensor loss = contrastive::mean(softmax(matmul(z, z, false, true, 5)) * matmul(z, z, false, true));
    loss.backward();
    const Tensor v = conv2d(u, w32, spec);
    contrastive::mean(square(v)).backward();
    runs.push_back({loss.detach(), x.grad(), w.grad(), gain.grad(), offset.grad(), v.detach(), u.grad(), w32.grad()});
  }
  for (std::size_t i = 0; i < runs[0].size(); ++i) {
    CHECK(same_bits(runs[0][i], runs[1][i]));
    CHECK(same_bits(runs[0][i], runs[2][i]));
  }
}

TEST_CASE("bf16 ops stay within bf16 of float64") {
  const Tensor a = random({37, 65}, 1, DType::bf16), b = random({37, 65}, 2, DType::bf16);
  const auto close = [](const Tensor& got, const Tensor& want) {
    CHECK(got.dtype() == DType::bf16);
    CHECK(relative_error(got, want) < 4e-3);
  };
  const Tensor wa = a.to(DType::f64), wb = b.to(DType::f64);
  close(a + b, wa + wb);
  close(a * b, wa * wb);
  close(relu(a), relu(wa));
  close(gelu(a), gelu(wa));
  close(softmax(a), softmax(wa));
  close(normalize(a), normalize(wa));
  close(sum(a, 1), sum(wa, 1));
}

TEST_CASE("logits of minus infinity take no part") {
  Tensor x = Tensor::from<float>({1, 2, -INFINITY, 3}, {1, 4});
  CHECK(softmax(x).span<float>()[2] == 0);
  CHECK(std::isfinite(cross_entropy_rows(x, Tensor::from<std::int64_t>({0}, {1})).item()));
}
