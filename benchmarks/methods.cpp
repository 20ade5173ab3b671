// SPDX-License-Identifier: MIT
//
// A step of every method, as `train METHOD` takes it: its recipe, with ResNet-18 at 32 pixels (MAE: vit_tiny) and 64
// pictures, and those made for vision transformers also with vit_small at 224 pixels and 8 pictures (MAE's decoder as in
// the paper); loss, gradients, optimiser and momentum update, without the loader. `outside_products` is the share of it
// outside products, convolutions and attention.
//
//     methods --benchmark_filter=train_step/byol
#include <benchmark/benchmark.h>

#include "contrastive/train/schedules.hpp"
#include "support/methods.hpp"
#include "timed_kernels.hpp"

using namespace contrastive;

namespace {

Views noise(const AnyAugment& augment, std::int64_t N) {
  Views views = allocate_views(augment, N);
  for (std::size_t v = 0; v < views.view.size(); ++v) {
    Stream stream(Rng(3) / v);
    for (float& value : views.view[v].span<float>()) value = static_cast<float>(stream.uniform(0, 1));
  }
  for (std::int64_t n = 0; n < N; ++n) {
    views.sample.push_back(n);
    views.label.push_back(n % 10);
  }
  return views;
}

Settings small_pictures(Settings s) {
  s.data = "cifar10";
  s.image_size = 32;
  s.batch = 64;
  if (s.encoder == "small") s.encoder = "resnet18";
  if (s.encoder == "vit_micro") s.encoder = "vit_tiny";
  return s;
}

Settings large_pictures(Settings s) {
  s.data = "cifar10";
  s.encoder = "vit_small";
  s.image_size = 224;
  s.batch = 8;
  if (s.method == "mae")
    settings_from_json(Json{{"decoder-width", 512}, {"decoder-depth", 8}}, s, "this benchmark's settings");
  return s;
}

void train_step(benchmark::State& state, const app::Program& program, const Settings& s) {
  const app::Composition made = program.compose(s, 50000, Rng(0));
  std::size_t tower = 0;
  Optimizer optimizer =
      make_optimizer(made.method.parameter_groups(
                         {.weight_decay = s.weight_decay, .exclude_norm_and_bias = s.exclude_norm_and_bias}, tower),
                     s);
  const Views views = noise(made.method.augment(), s.batch);
  Progress progress{1000, 100000, 700};
  const auto step = [&] {
    made.method.backward(views, progress, 1);
    made.method.before_update(progress);
    optimizer.step(1e-3);
    optimizer.clear_grad();
    made.method.after_step(progress);
    ++progress.step;
  };
  for (int warm = 0; warm < 2; ++warm) step();
  const timed::OutsideProducts outside;
  for (auto _ : state) step();
  state.counters["outside_products"] = outside.share();
  state.counters["images/s"] =
      benchmark::Counter(static_cast<double>(s.batch * state.iterations()), benchmark::Counter::kIsRate);
  state.counters["views"] = static_cast<double>(views.view.size());
}

}  // namespace

int main(int argc, char** argv) {
  const auto add = [](const std::string& name, const app::Program& program, const Settings& settings) {
    benchmark::RegisterBenchmark(
        ("train_step/" + name).c_str(),
        [&program, settings](benchmark::State& state) { train_step(state, program, settings); })
        ->Unit(benchmark::kMillisecond)
        ->MinTime(4)
        ->UseRealTime();
  };
  for (const app::Program* program : app::all_methods()) {
    const std::string method = program->recipe.method;
    add(method, *program, program->recipe.images ? small_pictures(program->recipe) : program->recipe);
    if (method == "moco_v3" || method == "dino" || method == "mae")
      add(method + "/vit_small", *program, large_pictures(program->recipe));
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
