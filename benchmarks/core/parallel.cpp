// SPDX-License-Identifier: MIT
//
// What runs on the threads of `parallel_for` and of oneDNN, and on the loader's: losses, training steps, the loader
// alone and both together. `busy.py` beside this file runs them next to processes that compete for the CPUs.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <optional>
#include <string>

#include "contrastive/augment/any_augment.hpp"
#include "contrastive/augment/recipes.hpp"
#include "contrastive/data/loader.hpp"
#include "contrastive/data/shapes.hpp"
#include "contrastive/encoders/image_encoder.hpp"
#include "contrastive/methods/simclr.hpp"
#include "contrastive/nn/init.hpp"
#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/optim/sgd.hpp"

using namespace contrastive;

namespace {

void clip(benchmark::State& state) {
  const NoGrad no_grad;
  const std::int64_t N = state.range(0), D = 128;
  const Tensor a = normalize(init::normal({N, D}, 1, Rng(1))), b = normalize(init::normal({N, D}, 1, Rng(2)));
  Tensor da({N, D}), db({N, D});
  similarity::Workspace work;
  const auto step = [&] {
    return similarity::softmax_pairs<float>(work, "clip_loss", similarity::borrow_rows(a), similarity::borrow_rows(b),
                                            {.scale = 10}, similarity::borrow_rows_to_write(da),
                                            similarity::borrow_rows_to_write(db));
  };
  step();
  for (auto _ : state) benchmark::DoNotOptimize(step());
}

/// SimCLR at batch 64 on pictures of `size` pixels that are drawn as they are asked for.
struct Training {
  static constexpr std::size_t batch = 64;

  Training(const std::string& encoder, int size)
      : method(simclr(make_encoder(encoder, {.image_size = size}, Rng(1)), simclr_cifar(size), {}, Rng(2))),
        optimizer(parameter_groups(method.online), {.momentum = 0.9}),
        loader(Shapes(64 * batch, size), method.augment, {.batch = batch, .threads = std::max(1, threads() - 1)}) {}

  void step(const Views& views) {
    method.loss(views).backward();
    optimizer.step(0.01);
    optimizer.clear_grad();
  }
  Batch next() {
    for (;; loader.start(++epoch))
      if (std::optional<Batch> made = loader.next()) return std::move(*made);
  }

  decltype(simclr(ImageEncoder(), simclr_cifar(32), {}, Rng(2))) method;
  Sgd optimizer;
  Loader loader;
  std::int64_t epoch = 0;
};

void step(benchmark::State& state, const char* encoder, int size) {
  Views views;
  {
    Training with_loader(encoder, size);  // its threads end here
    views = with_loader.next().views;
  }
  Training training(encoder, size);
  training.step(views);
  for (auto _ : state) training.step(views);
}

void trainer(benchmark::State& state, const char* encoder, int size) {
  Training training(encoder, size);
  training.step(training.next().views);
  for (auto _ : state) training.step(training.next().views);
}

void loader(benchmark::State& state) {
  Training training("small", 32);
  training.next();
  for (auto _ : state) benchmark::DoNotOptimize(training.next());
}

void add(const std::string& name, void (*run)(benchmark::State&, const char*, int), const char* encoder, int size) {
  benchmark::RegisterBenchmark((name + "/" + encoder).c_str(),
                               [=](benchmark::State& state) { run(state, encoder, size); })
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::RegisterBenchmark("clip_loss", clip)->Arg(256)->Arg(8192)->Unit(benchmark::kMillisecond)->UseRealTime();
  benchmark::RegisterBenchmark("loader", loader)->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const auto& [encoder, size] : {std::pair{"small", 16}, {"vit_micro", 16}, {"resnet18", 32}}) {
    add("step", step, encoder, size);
    add("trainer", trainer, encoder, size);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
