// SPDX-License-Identifier: MIT
//
// One SimCLR step: ResNet-18 with the CIFAR stem, head 512-512-128, NT-Xent at temperature 0.5, SGD; 64 pictures of
// 32 pixels in two views each. `peers/train_step.py` times PyTorch and lightly on the same step, `compare.py` runs the
// two side by side. And a step of ViT-S/16: 8 pictures of 224 pixels, a linear loss of the features, AdamW; beside
// PyTorch and timm in `peers/vit_step.py`. Memory is the program's own peak, so one case a process gives the figure that
// compares:
//
//     train_step --benchmark_filter=/64/f32
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include "contrastive/augment/recipes.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/encoders/resnet.hpp"
#include "contrastive/encoders/vit.hpp"
#include "contrastive/methods/simclr.hpp"
#include "contrastive/objectives/dense.hpp"
#include "contrastive/optim/adamw.hpp"
#include "contrastive/optim/sgd.hpp"
#include "timed_kernels.hpp"

using namespace contrastive;

namespace {

Views noise(std::int64_t N, std::int64_t size = 32) {
  Views views;
  for (std::uint64_t v = 0; v < 2; ++v) {
    Tensor x({N, size, size, 3});
    Stream stream(Rng(3) / v);
    for (float& value : x.span<float>()) value = static_cast<float>(stream.normal());
    views.view.push_back(x);
  }
  views.globals = 2;
  return views;
}

/// Times `step` of N pictures, with its memory and the share of it outside products, convolutions and attention.
template <class Step>
void measure(benchmark::State& state, std::int64_t N, Step&& step) {
  step();  // makes the primitives and fills the pool
  reset_peak_memory();
  const timed::OutsideProducts outside;
  for (auto _ : state) step();
  state.counters["outside_products"] = outside.share();
  state.counters["images/s"] =
      benchmark::Counter(static_cast<double>(N * state.iterations()), benchmark::Counter::kIsRate);
  state.counters["tensors_MB"] = static_cast<double>(peak_memory()) / 1e6;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  state.counters["process_MB"] = static_cast<double>(usage.ru_maxrss) * 1024 / 1e6;
}

void train_step(benchmark::State& state, DType precision) {
  const std::int64_t N = 64;
  auto method = simclr(resnet18(Rng(1), ResNetStem::small), simclr_cifar(), {.temperature = 0.5}, Rng(2));
  method.precision = precision;
  Sgd optimizer(parameter_groups(method.online, {.weight_decay = 5e-4}), {.momentum = 0.9});
  const Views views = noise(N);
  measure(state, N, [&] {
    method.loss(views).backward();
    optimizer.step(0.06);
    optimizer.clear_grad();
  });
}

void vit_step(benchmark::State& state, DType precision) {
  const std::int64_t N = 8;
  ViT net(vit_small(), Rng(1));
  AdamW optimizer(parameter_groups(net, {.weight_decay = 0.05}));
  const Tensor images = init::normal({N, 224, 224, 3}, 1, Rng(3)).to(precision);
  const Tensor weights = init::normal({N, net.features()}, 1, Rng(4));
  measure(state, N, [&] {
    sum(cast(net(images), DType::f32) * weights).backward();
    optimizer.step(1e-4);
    optimizer.clear_grad();
  });
}

/// SimCLR's objective with every logit in memory, op by op.
struct DenseNtXent {
  double temperature;
  Tensor operator()(const Embeddings& z) const { return dense::nt_xent(z.online[0], z.online[1], temperature) * 2; }
};

/// A small encoder and a large batch, where the loss is a good part of the step: a ConvNet of widths 16, 32, 64 on
/// `N` pictures of 16 pixels.
template <class Objective>
void large_batch_step(benchmark::State& state, const Objective& objective) {
  const std::int64_t N = state.range(0);
  Method method(ConvNet(3, {16, 32, 64}, Rng(1)), simclr_head(64, {.dimension = 128}, Rng(2)), Identity{}, objective,
                simclr_cifar(), Shared{});
  method.views_together = true;
  Sgd optimizer(parameter_groups(method.online), {.momentum = 0.9});
  const Views views = noise(N, 16);
  measure(state, N, [&] {
    method.loss(views).backward();
    optimizer.step(0.06);
    optimizer.clear_grad();
  });
}

BENCHMARK_CAPTURE(large_batch_step, engine, NtXent{0.5})
    ->Name("train_step/simclr_conv_net/engine")
    ->Arg(512)
    ->Arg(2048)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(large_batch_step, dense, DenseNtXent{0.5})
    ->Name("train_step/simclr_conv_net/dense")
    ->Arg(512)
    ->Arg(2048)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(train_step, f32, DType::f32)
    ->Name("train_step/simclr_resnet18_cifar/64/f32")
    ->Arg(64)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(train_step, bf16, DType::bf16)
    ->Name("train_step/simclr_resnet18_cifar/64/bf16")
    ->Arg(64)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(vit_step, f32, DType::f32)
    ->Name("train_step/vit_s16/8/f32")
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(vit_step, bf16, DType::bf16)
    ->Name("train_step/vit_s16/8/bf16")
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
