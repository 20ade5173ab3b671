// SPDX-License-Identifier: MIT
//
// Matrix products and convolutions, the vendor's and ours, as a share of the machine's own peak: what a loop of fused
// multiply-adds in registers does on the same threads, timed first.

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdio>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/simd.hpp"
#include "contrastive/kernels/registry.hpp"
#include "contrastive/nn/init.hpp"
#include "contrastive/tensor/tensor.hpp"

using namespace contrastive;

namespace {

struct FmaLoop {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(std::int64_t rounds, float* out) {
    using V = simd::native<Isa, float>;
    V sum[12] = {};
    const V a = simd::splat<V>(0.9999f), b = simd::splat<V>(1e-3f);
    for (std::int64_t i = 0; i < rounds; ++i)
#pragma GCC unroll 12
      for (int j = 0; j < 12; ++j) sum[j] = sum[j] * a + b;
    V total{};
    for (int j = 0; j < 12; ++j) total += sum[j];
    *out = simd::sum(total);
  }
};

/// Most f32 operations a second that all threads reach together.
double peak() {
  static const double value = [] {
    const int lanes = simd::isa() == simd::IsaLevel::avx512 ? 16 : simd::isa() == simd::IsaLevel::avx2 ? 8 : 4;
    constexpr std::int64_t rounds = 20'000'000;
    double best = 0;
    for (int attempt = 0; attempt < 5; ++attempt) {
      const auto start = std::chrono::steady_clock::now();
      parallel_for(threads(), 1, [](std::int64_t, std::int64_t) {
        float out;
        simd::dispatch<FmaLoop>(rounds, &out);
        benchmark::DoNotOptimize(out);
      });
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      best = std::max(best, 2.0 * 12 * lanes * static_cast<double>(rounds) * threads() / seconds);
    }
    std::printf("peak of %d threads (%s): %.0f GFLOP/s f32\n", threads(), simd::isa_name(), best * 1e-9);
    return best;
  }();
  return value;
}

void report(benchmark::State& state, double operations) {
  state.counters["GFLOP/s"] = benchmark::Counter(operations * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["share"] = benchmark::Counter(operations / peak(), benchmark::Counter::kIsIterationInvariantRate);
}

struct Mode {
  explicit Mode(bool own) { set_deterministic(own); }
  ~Mode() { set_deterministic(false); }
};

void gemm(benchmark::State& state, DType dtype, bool own) {
  const Mode mode(own);
  const std::int64_t M = state.range(0), N = state.range(1), K = state.range(2);
  const Tensor a = init::normal({M, K}, 1, Rng(1)).to(dtype), b = init::normal({K, N}, 1, Rng(2)).to(dtype),
               y({M, N}, dtype);
  for (auto _ : state) a.kernels().matmul(a.view(), b.view(), y.view(), {});
  report(state, 2.0 * static_cast<double>(M * N * K));
}

enum class Pass { forward, input, weight };

void conv(benchmark::State& state, DType dtype, bool own, Pass pass) {
  const Mode mode(own);
  const std::int64_t N = 64, C = state.range(0), O = state.range(1), size = state.range(2);
  const WindowSpec spec{3, static_cast<int>(state.range(3)), 1};
  const std::int64_t out = window_output(size, spec);
  const Tensor x = init::normal({N, size, size, C}, 1, Rng(1)).to(dtype), w = init::normal({O, 3, 3, C}, 1, Rng(2));
  const Tensor y = init::normal({N, out, out, O}, 1, Rng(3)).to(dtype);
  for (auto _ : state) {
    if (pass == Pass::forward) x.kernels().conv2d(x.view(), w.view(), y.view(), spec);
    if (pass == Pass::input) x.kernels().conv2d_grad_input(y.view(), w.view(), x.view(), spec);
    if (pass == Pass::weight) x.kernels().conv2d_grad_weight(x.view(), y.view(), w.view(), spec);
  }
  report(state, 2.0 * static_cast<double>(N * out * out * O * 9 * C));
}

}  // namespace

int main(int argc, char** argv) {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const bool own : {false, true}) {
      const std::string kind = std::string(to_string(dtype)) + (own ? "/ours" : "/vendor");
      benchmark::RegisterBenchmark(("gemm/" + kind).c_str(), [=](benchmark::State& s) { gemm(s, dtype, own); })
          ->Args({512, 512, 512})
          ->Args({2048, 2048, 2048})
          ->Args({128, 128, 512})
          ->UseRealTime();
      for (const auto& [name, pass] :
           {std::pair("forward", Pass::forward), {"input", Pass::input}, {"weight", Pass::weight}})
        benchmark::RegisterBenchmark(("conv/" + std::string(name) + "/" + kind).c_str(),
                                     [=, p = pass](benchmark::State& s) { conv(s, dtype, own, p); })
            ->Args({64, 64, 32, 1})
            ->Args({128, 256, 16, 2})
            ->Args({512, 512, 4, 1})
            ->UseRealTime();
    }
  benchmark::Initialize(&argc, argv);
  peak();
  benchmark::RunSpecifiedBenchmarks();
}
