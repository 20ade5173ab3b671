// SPDX-License-Identifier: MIT
//
// What runs beside the products in a training step, and is bound by memory: batch norm and the optimisers. Bytes a
// second count each read and write that the algorithm needs; `read` and `copy` are what the machine moves at most.
// `exchange` tells where the system has put two threads: a cache line goes from one to the other in some 30 ns within a
// core complex, in 150 or more between two, each of which has its own way to memory.
#include <benchmark/benchmark.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "contrastive/nn/batch_norm.hpp"
#include "contrastive/nn/init.hpp"
#include "contrastive/optim/optimizer.hpp"

using namespace contrastive;

namespace {

void moved(benchmark::State& state, double bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes * static_cast<double>(state.iterations())));
}

void exchange(benchmark::State& state) {
  alignas(64) std::atomic<std::int64_t> turn{0};  // even: ours; negative: the end
  std::thread other([&] {
    for (std::int64_t t = 1;; t += 2) {
      while (turn.load(std::memory_order_acquire) != t)
        if (turn.load(std::memory_order_relaxed) < 0) return;
      turn.store(t + 1, std::memory_order_release);
    }
  });
  std::int64_t t = 0;
  constexpr int each = 1000;
  for (auto _ : state)
    for (int i = 0; i < each; ++i, t += 2) {
      turn.store(t + 1, std::memory_order_release);
      while (turn.load(std::memory_order_acquire) != t + 2) continue;
    }
  turn.store(-1);
  other.join();
  state.counters["s"] =
      benchmark::Counter(2.0 * each, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(exchange)->UseRealTime();

void read(benchmark::State& state) {
  const Tensor x = init::normal({128, 64, 64, 64}, 1, Rng(1)), y({1});
  for (auto _ : state) x.kernels().sum_squares(x.view(), y.view());
  moved(state, 4 * static_cast<double>(x.count()));
}
BENCHMARK(read)->UseRealTime();

void copy(benchmark::State& state) {
  const Tensor x = init::normal({128, 32, 32, 64}, 1, Rng(1)), y(x.shape());
  for (auto _ : state) x.kernels().map[functors::Unary::index_of<functors::Scale>()](x.view(), {}, 1.0, y.view());
  moved(state, 2.0 * 4 * static_cast<double>(x.count()));
}
BENCHMARK(copy)->UseRealTime();

/// Forward: the statistics read x, the second pass reads x and writes y. Backward: both passes read x and dy, the
/// second writes dx. Each call finds its data in memory, as in a step, where a convolution has been in between: it takes
/// the next of several sets, 256 MB together.
void batch_norm_relu(benchmark::State& state, DType dtype, bool backward) {
  const std::int64_t C = state.range(0), size = state.range(1);
  struct Set {
    Tensor x, dy, y;  // y: what is written, dx too
  };
  std::vector<Set> sets;
  for (double bytes = 0; bytes < 256e6; bytes += 3.0 * static_cast<double>(sets.back().x.count() * size_of(dtype))) {
    const Tensor x = init::normal({128, size, size, C}, 1, Rng(1)).to(dtype), dy = init::normal(x.shape(), 1, Rng(2));
    sets.push_back({x, dy.to(dtype), Tensor(x.shape(), dtype)});
  }
  const Tensor weight = Tensor::full({C}, 1), bias = Tensor::zeros({C});
  const Tensor mean({1, C}), var({1, C}), dweight({C}), dbias({C});
  const KernelTable& k = mean.kernels();
  const auto forward = [&](const Set& set) {
    k.batch_norm_stats(set.x.view(), mean.view(), var.view());
    k.batch_norm({.x = set.x.view(),
                  .mean = mean.view(),
                  .var = var.view(),
                  .weight = weight.view(),
                  .bias = bias.view(),
                  .eps = 1e-5,
                  .relu = true,
                  .y = set.y.view()});
  };
  for (const Set& set : sets) forward(set);
  std::size_t next = 0;
  for (auto _ : state) {
    const Set& set = sets[next++ % sets.size()];
    if (backward)
      k.batch_norm_grad({.x = set.x.view(),
                         .mean = mean.view(),
                         .var = var.view(),
                         .weight = weight.view(),
                         .bias = bias.view(),
                         .eps = 1e-5,
                         .relu = true,
                         .dy = set.dy.view(),
                         .dx = set.y.view(),
                         .dweight = dweight.view(),
                         .dbias = dbias.view()});
    else
      forward(set);
  }
  moved(state, (backward ? 5.0 : 3.0) * static_cast<double>(size_of(dtype) * sets[0].x.count()));
}
#define EACH_SHAPE \
  ->Args({64, 32})->Args({128, 16})->Args({256, 8})->Args({512, 4})->UseRealTime()->Unit(benchmark::kMillisecond)
BENCHMARK_CAPTURE(batch_norm_relu, forward / f32, DType::f32, false) EACH_SHAPE;
BENCHMARK_CAPTURE(batch_norm_relu, forward / bf16, DType::bf16, false) EACH_SHAPE;
BENCHMARK_CAPTURE(batch_norm_relu, backward / f32, DType::f32, true) EACH_SHAPE;
BENCHMARK_CAPTURE(batch_norm_relu, backward / bf16, DType::bf16, true) EACH_SHAPE;

/// A 3x3 convolution and what follows it: the statistics of its output, or the sum of its gradient with another.
enum class Follows { statistics, sum };
void convolution(benchmark::State& state, Follows follows, bool together) {
  const std::int64_t C = state.range(0), size = state.range(1);
  const Tensor x = init::normal({128, size, size, C}, 1, Rng(1)), w = init::normal({C, 3, 3, C}, 0.05, Rng(2));
  const Tensor y = Tensor::zeros(x.shape()), other = init::normal(x.shape(), 1, Rng(3)), mean({1, C}), var({1, C});
  const WindowSpec spec{.kernel = 3, .stride = 1, .padding = 1};
  const KernelTable& k = x.kernels();
  for (auto _ : state) {
    if (follows == Follows::statistics) {
      if (together && k.conv2d_with_stats(x.view(), w.view(), y.view(), mean.view(), var.view(), spec)) continue;
      k.conv2d(x.view(), w.view(), y.view(), spec);
      k.batch_norm_stats(y.view(), mean.view(), var.view());
    } else {
      k.conv2d_grad_input(x.view(), w.view(), together ? other.view() : y.view(), spec, together);
      if (!together) k.accumulate(y.view(), other.view());
    }
  }
}
BENCHMARK_CAPTURE(convolution, statistics_after, Follows::statistics, false) EACH_SHAPE;
BENCHMARK_CAPTURE(convolution, statistics_together, Follows::statistics, true)
EACH_SHAPE;
BENCHMARK_CAPTURE(convolution, sum_after, Follows::sum, false) EACH_SHAPE;
BENCHMARK_CAPTURE(convolution, sum_together, Follows::sum, true) EACH_SHAPE;
#undef EACH_SHAPE

/// As many parameters as ResNet-18 has; `accesses` reads and writes of each.
template <class Make>
void optimizer_step(benchmark::State& state, Make make, double accesses) {
  ParameterGroup group{.weight_decay = 5e-4};
  for (int i = 0; i < 5; ++i) {
    Tensor p = init::normal({512, 3, 3, 512}, 0.05, Rng(static_cast<std::uint64_t>(i)));
    p.set_requires_grad(true);
    p.set_grad(init::normal(p.shape(), 0.01, Rng(9)));
    group.parameters.push_back(p);
    group.names.push_back(std::to_string(i));
  }
  const double count = 5.0 * static_cast<double>(group.parameters[0].count());
  Optimizer optimizer(make({group}));
  for (auto _ : state) optimizer.step(1e-3);
  moved(state, accesses * 4 * count);
}
using Groups = std::vector<ParameterGroup>;
BENCHMARK_CAPTURE(
    optimizer_step, sgd, [](Groups g) { return Sgd(std::move(g), {.momentum = 0.9}); }, 5.0)
    ->UseRealTime();
BENCHMARK_CAPTURE(
    optimizer_step, lars, [](Groups g) { return Lars(std::move(g)); }, 7.0)
    ->UseRealTime();
BENCHMARK_CAPTURE(
    optimizer_step, adamw, [](Groups g) { return AdamW(std::move(g)); }, 7.0)
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
