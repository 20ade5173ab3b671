// SPDX-License-Identifier: MIT
//
// What a step does beside encoding: moving averages, codes, centres, queues and heads, each alone.
//
//   momentum/<encoder>       target <- m target + (1 - m) online, all parameters
//   sinkhorn/<B>/<K>         three iterations over the scores of a view
//   swapped/<B>/<K>/<V>      swapped prediction of V views with two targets, value and gradient
//   center/<B>/<K>           DINO's targets and centre, two views
//   enqueue/<K>/<N>          a batch of N into MoCo's queue, 128 wide
//   snapshot/<K>             what the loss reads of it
//   draw/<n>/<K>             K rows of a bank of n, 128 wide, for each of 64 pictures
//   nce/<n>/<K>              their scores and loss, value and gradient; GB/s of the drawn rows, each once
//   push/<L>/<N>             a batch of N into SwAV's queue, two views, 128 wide
//   dino_head/<N>/<K>        384 -> 2048 -> 2048 -> 256 -> K, forward and backward
//   swav_head/<N>/<K>        512 -> 2048 -> 128 -> K, forward and backward
//
// GB/s counts the bytes that must be read and written; GFLOP/s the multiply-adds of the head's products.
#include <benchmark/benchmark.h>

#include "contrastive/encoders/resnet.hpp"
#include "contrastive/methods/dino.hpp"
#include "contrastive/methods/swav.hpp"
#include "contrastive/objectives/nce.hpp"
#include "contrastive/objectives/state/queue.hpp"

using namespace contrastive;

namespace {

using benchmark::Counter;

void moved(benchmark::State& state, double bytes) {
  state.counters["GB/s"] = Counter(bytes * 1e-9, Counter::kIsIterationInvariantRate);
}
void computed(benchmark::State& state, double operations) {
  state.counters["GFLOP/s"] = Counter(operations * 1e-9, Counter::kIsIterationInvariantRate);
}

void momentum(benchmark::State& state, ResNet (*make)(Rng, ResNetStem)) {
  ResNet online = make(Rng(1), ResNetStem::imagenet), target = clone(online);
  for (auto _ : state) momentum_update(target, online, 0.99);
  moved(state, 12.0 * static_cast<double>(parameter_count(online)));
}
BENCHMARK_CAPTURE(momentum, resnet18, resnet18)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(momentum, resnet50, resnet50)->UseRealTime()->Unit(benchmark::kMillisecond);

void sinkhorn_codes(benchmark::State& state) {
  const std::int64_t B = state.range(0), K = state.range(1);
  const Tensor scores = init::normal({B, K}, 0.1, Rng(1));
  for (auto _ : state) benchmark::DoNotOptimize(sinkhorn(scores));
  moved(state, 4.0 * static_cast<double>(B * K) * (2 + 2 * 3));  // scores, codes, and a look a scaling
}
BENCHMARK(sinkhorn_codes)
    ->Name("sinkhorn")
    ->Args({64, 3000})
    ->Args({512, 3000})
    ->Args({4096, 3000})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void swapped(benchmark::State& state) {
  const std::int64_t B = state.range(0), K = state.range(1);
  std::vector<Tensor> scores, targets;
  for (std::int64_t v = 0; v < state.range(2); ++v) {
    scores.push_back(init::normal({B, K}, 0.1, Rng(static_cast<std::uint64_t>(v))));
    scores.back().set_requires_grad(true);
    if (v < 2) targets.push_back(softmax(scores.back().detach() / 0.05));
  }
  for (auto _ : state) {
    swapped_prediction(scores, targets, 0.1).backward();
    for (const Tensor& s : scores) s.clear_grad();
  }
  moved(state, 4.0 * static_cast<double>(B * K) * static_cast<double>(2 * state.range(2) + 2));
}
BENCHMARK(swapped)->Args({64, 3000, 8})->Args({64, 65536, 10})->UseRealTime()->Unit(benchmark::kMillisecond);

void centring(benchmark::State& state) {
  const std::int64_t B = state.range(0), K = state.range(1);
  const std::vector<Tensor> teacher{init::normal({B, K}, 0.1, Rng(1)), init::normal({B, K}, 0.1, Rng(2))};
  Center center(K);
  for (auto _ : state) {
    for (const Tensor& t : teacher) benchmark::DoNotOptimize(dino_targets(t, center, 0.04));
    center.update(teacher);
  }
  moved(state, 4.0 * static_cast<double>(B * K) * 2 * 3);
}
BENCHMARK(centring)->Name("center")->Args({64, 4096})->Args({64, 65536})->UseRealTime()->Unit(benchmark::kMillisecond);

void enqueue(benchmark::State& state) {
  Queue queue(state.range(0), 128, Rng(1));
  const Tensor keys = init::normal({state.range(1), 128}, 1, Rng(2));
  for (auto _ : state) queue.enqueue(keys);
  moved(state, 8.0 * static_cast<double>(keys.count()));
}
BENCHMARK(enqueue)->Args({65536, 256})->UseRealTime()->Unit(benchmark::kMicrosecond);

void snapshot(benchmark::State& state) {
  const Queue queue(state.range(0), 128, Rng(1));
  for (auto _ : state) benchmark::DoNotOptimize(queue.snapshot());
  moved(state, 8.0 * static_cast<double>(queue.keys.count()));
}
BENCHMARK(snapshot)->Arg(4096)->Arg(65536)->UseRealTime()->Unit(benchmark::kMicrosecond);

std::vector<std::int64_t> some_pictures(std::int64_t n) {
  std::vector<std::int64_t> pictures;
  for (std::int64_t i = 0; i < 64; ++i) pictures.push_back(i * (n / 64));
  return pictures;
}

void draw(benchmark::State& state) {
  const MemoryBank bank(state.range(0), 128, Rng(1));
  const std::vector<std::int64_t> pictures = some_pictures(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(bank.draw(pictures, state.range(1), Rng(2)));
}
BENCHMARK(draw)->Args({50000, 4096})->UseRealTime()->Unit(benchmark::kMillisecond);

void drawn_nce(benchmark::State& state) {
  MemoryBank bank(state.range(0), 128, Rng(1));
  const Tensor sampled = bank.draw(some_pictures(state.range(0)), state.range(1), Rng(2));
  Tensor f = normalize(init::normal({64, 128}, 1, Rng(3)));
  f.set_requires_grad(true);
  for (auto _ : state) {
    nce(f, bank, sampled).backward();
    f.clear_grad();
  }
  moved(state, 4.0 * 128 * static_cast<double>(sampled.count()));
}
BENCHMARK(drawn_nce)
    ->Name("nce")
    ->Args({50000, 4096})
    ->Args({1281167, 4096})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

void push(benchmark::State& state) {
  EmbeddingQueue queue(2, state.range(0), 128);
  const std::vector<Tensor> batches(2, init::normal({state.range(1), 128}, 1, Rng(2)));
  for (auto _ : state) queue.push(batches);
  moved(state, 8.0 * static_cast<double>(queue.rows.count()));
}
BENCHMARK(push)->Args({3840, 256})->UseRealTime()->Unit(benchmark::kMicrosecond);

template <class Head>
void step(benchmark::State& state, Head& head, std::int64_t features) {
  Tensor x = init::normal({state.range(0), features}, 1, Rng(2));
  x.set_requires_grad(true);
  std::int64_t weights = 0;
  each_parameter(head,
                 [&](const std::string&, Parameter& p) { weights += p.rank() == 2 && p.size(1) > 1 ? p.count() : 0; });
  const Tensor dy = init::normal(head(x).shape(), 1e-3, Rng(3));
  for (auto _ : state) {
    head(x).backward(dy);
    clear_gradients(head);
    x.clear_grad();
  }
  computed(state, 6.0 * static_cast<double>(state.range(0) * weights));
}

void dino_head(benchmark::State& state) {
  DinoHead head(384, {.outputs = state.range(1)}, Rng(1));
  step(state, head, 384);
}
BENCHMARK(dino_head)->Args({128, 4096})->Args({128, 65536})->UseRealTime()->Unit(benchmark::kMillisecond);

struct SwavHead {
  Mlp mlp;
  Prototypes prototypes;
  Tensor operator()(const Tensor& x) const { return prototypes(normalize(mlp(x))); }
  template <class F>
  void members(F&& f) {
    f("mlp", mlp);
    f("prototypes", prototypes);
  }
};

void swav_head(benchmark::State& state) {
  SwavHead head{Mlp(512, {{.out = 2048}, {.out = 128, .norm = false, .relu = false}}, Rng(1)),
                Prototypes(state.range(1), 128, Rng(2))};
  step(state, head, 512);
}
BENCHMARK(swav_head)->Args({512, 3000})->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
