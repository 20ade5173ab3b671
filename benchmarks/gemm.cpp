// SPDX-License-Identifier: MIT
//
// Matrix products and convolutions, oneDNN's and ours (the direct sum, Winograd's), with their share of the machine's own
// peak: what a loop of f32 multiply-adds in registers reaches on the same threads, timed first. Operations are those of
// the direct sum, so Winograd's share may pass 1. The shapes are those of ResNet-18 on pictures of 32 pixels, two views
// of 64, and its last on pictures of 16.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>

#include "contrastive/kernels/cpu/backend.hpp"
#include "contrastive/nn/init.hpp"
#include "machine.hpp"

using namespace contrastive;

namespace {

double peak = 0;  // f32 operations a second of all threads

void report(benchmark::State& state, double operations) {
  state.counters["GFLOP/s"] = benchmark::Counter(operations * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["share"] = benchmark::Counter(operations / peak, benchmark::Counter::kIsIterationInvariantRate);
}

/// Deterministic mode answers with our own kernels.
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

/// Who computes a convolution's passes.
struct Way {
  const char* name;
  void (*forward)(View, View, View, WindowSpec);
  void (*input)(View, View, View, WindowSpec);
  void (*weight)(View, View, View, WindowSpec);
};
constexpr Way direct{"direct", cpu::own_conv2d,
                     [](View dy, View w, View dx, WindowSpec s) { cpu::own_conv2d_grad_input(dy, w, dx, s, false); },
                     [](View x, View dy, View dw, WindowSpec s) { cpu::own_conv2d_grad_weight(x, dy, dw, s, false); }};
constexpr Way winograd{
    "winograd", [](View x, View w, View y, WindowSpec) { cpu::winograd::conv2d(x, w, y); },
    [](View dy, View w, View dx, WindowSpec) { cpu::winograd::conv2d_grad_input(dy, w, dx, false); },
    [](View x, View dy, View dw, WindowSpec) { cpu::winograd::conv2d_grad_weight(x, dy, dw, false); }};
#if defined(CONTRASTIVE_WITH_ONEDNN)
constexpr Way onednn{"onednn", cpu::onednn::conv2d, cpu::onednn::conv2d_grad_input, cpu::onednn::conv2d_grad_weight};
#endif

void conv(benchmark::State& state, DType dtype, const Way& way, Pass pass) {
  const std::int64_t N = 128, C = state.range(0), O = state.range(1), size = state.range(2);
  const WindowSpec spec{static_cast<int>(state.range(3)), static_cast<int>(state.range(4)),
                        state.range(3) == 3 ? 1 : 0};
  const std::int64_t out = window_output(size, spec);
  const Tensor x = init::normal({N, size, size, C}, 1, Rng(1)).to(dtype);
  const Tensor w = init::normal({O, spec.kernel, spec.kernel, C}, 1, Rng(2));
  const Tensor y = init::normal({N, out, out, O}, 1, Rng(3)).to(dtype);
  for (auto _ : state) {
    if (pass == Pass::forward) way.forward(x.view(), w.view(), y.view(), spec);
    if (pass == Pass::input) way.input(y.view(), w.view(), x.view(), spec);
    if (pass == Pass::weight) way.weight(x.view(), y.view(), w.view(), spec);
  }
  report(state, 2.0 * static_cast<double>(N * out * out * O * spec.kernel * spec.kernel * C));
}

void register_all() {
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const bool own : {false, true}) {
      const std::string kind = std::string("/") + to_string(dtype) + (own ? "/own" : "/onednn");
      benchmark::RegisterBenchmark(("gemm" + kind).c_str(), [=](benchmark::State& s) { gemm(s, dtype, own); })
          ->ArgNames({"M", "N", "K"})
          ->Args({512, 512, 512})
          ->Args({2048, 2048, 2048})
          ->Args({128, 512, 512})
          ->Args({128, 128, 512})
          ->Args({128, 128, 128})
          ->UseRealTime();
    }
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const auto& [name, pass] :
         {std::pair("forward", Pass::forward), {"grad_input", Pass::input}, {"grad_weight", Pass::weight}}) {
      const auto add = [&, p = pass, n = name](const Way& way) {
        return benchmark::RegisterBenchmark(
                   ("conv/" + std::string(n) + "/" + std::string(to_string(dtype)) + "/" + way.name).c_str(),
                   [=, &way](benchmark::State& s) { conv(s, dtype, way, p); })
            ->ArgNames({"C", "O", "size", "kernel", "stride"})
            ->Args({64, 64, 32, 3, 1})
            ->Args({128, 128, 16, 3, 1})
            ->Args({256, 256, 8, 3, 1})
            ->Args({512, 512, 4, 3, 1})
            ->Args({512, 512, 2, 3, 1})
            ->Unit(benchmark::kMillisecond)
            ->UseRealTime();
      };
      const auto add_others = [&](benchmark::internal::Benchmark* one) {
        one->Args({3, 64, 32, 3, 1})->Args({64, 128, 32, 3, 2})->Args({64, 128, 32, 1, 2});
      };
      if (dtype == DType::f32) add_others(add(direct));
#if defined(CONTRASTIVE_WITH_ONEDNN)
      add_others(add(onednn));
#endif
      if (dtype == DType::f32 || (pass == Pass::weight && simd::has_bf16_dots())) add(winograd);
    }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const double one = bench::fma_peak(1);
  peak = bench::fma_peak(threads());
  std::fprintf(stderr, "multiply-add peak (%s, f32): %.1f GFLOP/s on one thread, %.1f on %d\n", simd::isa_name(),
               one * 1e-9, peak * 1e-9, threads());
  register_all();
  benchmark::RunSpecifiedBenchmarks();
}
