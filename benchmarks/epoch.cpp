// SPDX-License-Identifier: MIT
//
// What the loader adds to a training epoch: `epoch/loader_overhead` trains on batches that the loader decodes and
// augments meanwhile, and on the same number of batches made beforehand, an epoch each in turns, so that what else
// the machine does meets both. `ratio` is the first over the second; 1 means that the loader is free.
#include <benchmark/benchmark.h>

#include <chrono>
#include <optional>
#include <vector>

#include "contrastive/augment/recipes.hpp"
#include "contrastive/data/array_dataset.hpp"
#include "contrastive/data/loader.hpp"
#include "contrastive/data/shapes.hpp"
#include "contrastive/encoders/conv_net.hpp"
#include "contrastive/encoders/resnet.hpp"
#include "contrastive/methods/simclr.hpp"
#include "contrastive/optim/sgd.hpp"

using namespace contrastive;

namespace {

/// Pictures in memory, as CIFAR and Fashion-MNIST are held.
ArrayDataset pictures(std::size_t count, int size, int channels) {
  const Shapes shapes(count, size);
  ArrayDataset set{"benchmark", size, size, channels};
  for (std::size_t i = 0; i < count; ++i) {
    const Image image = shapes.image(i);
    for (std::size_t p = 0; p < image.pixels.size(); p += channels == 3 ? 1 : 3) set.pixels.push_back(image.pixels[p]);
  }
  return set;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <class Encoder, class A>
void loader_overhead(benchmark::State& state, Encoder encoder, A augment, int size, int channels) {
  const auto batch = static_cast<std::size_t>(state.range(0)), steps = static_cast<std::size_t>(state.range(1));
  auto method = simclr(std::move(encoder), augment, {}, Rng(2));
  Sgd optimizer(parameter_groups(method.online), {.momentum = 0.9});
  const auto step = [&](const Views& views) {
    method.loss(views).backward();
    optimizer.step(0.01);
    optimizer.clear_grad();
  };
  const AnyDataset set = pictures(batch * steps, size, channels);
  std::vector<Batch> cached;
  {
    Loader once(set, augment, {.batch = batch, .threads = 0});
    once.start(0);
    while (std::optional<Batch> made = once.next()) cached.push_back(std::move(*made));
  }
  step(cached[0].views);
  double with_loader = 0, alone = 0;
  std::int64_t epoch = 0;
  for (auto _ : state) {
    // An epoch each; as the trainer does, the kernels use all threads and the loader one fewer. It is made anew, so
    // that it works during its own epoch only: the start, when no batch is ready, counts too.
    auto start = std::chrono::steady_clock::now();
    {
      Loader fresh(set, augment, {.batch = batch, .threads = std::max(1, threads() - 1)});
      fresh.start(epoch++);
      while (std::optional<Batch> made = fresh.next()) step(made->views);
      with_loader += seconds_since(start);
    }
    start = std::chrono::steady_clock::now();
    for (const Batch& made : cached) step(made.views);
    alone += seconds_since(start);
  }
  state.counters["ratio"] = with_loader / alone;
  state.counters["images/s"] =
      static_cast<double>(batch * steps) * static_cast<double>(state.iterations()) / with_loader;
}

void quickstart(benchmark::State& state) {
  loader_overhead(state, ConvNet(1, {32, 64, 64, 128, 256}, Rng(1)), simclr_grey(28), 28, 1);
}
void resnet20(benchmark::State& state) { loader_overhead(state, resnet_cifar(20, Rng(1)), simclr_cifar(32), 32, 3); }
BENCHMARK(quickstart)
    ->Name("epoch/loader_overhead/quickstart")
    ->Args({256, 16})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(resnet20)
    ->Name("epoch/loader_overhead/resnet20")
    ->Args({256, 12})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
