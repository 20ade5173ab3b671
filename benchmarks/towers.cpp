// SPDX-License-Identifier: MIT
//
// CLIP's towers at the sizes of OpenAI's ViT-B/32: images and captions a second, and a training step.
// benchmarks/peers/towers.py runs open_clip beside it and prints the ratios.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "contrastive/augment/text_view.hpp"
#include "contrastive/encoders/clip_vision.hpp"
#include "contrastive/encoders/text_transformer.hpp"
#include "contrastive/methods/dual_encoder.hpp"
#include "contrastive/nn/bf16_weights.hpp"
#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/optim/adamw.hpp"
#include "contrastive/optim/parameter_groups.hpp"
#include "contrastive/text/bpe_tokenizer.hpp"

using namespace contrastive;

namespace {

auto vit_b32() {
  return DualEncoder(ClipVision({}, Rng(0)), UnitProjection(768, 512, Rng(1)), TextTransformer({}, Rng(2)),
                     UnitProjection(512, 512, Rng(3)));
}

Tensor images(std::int64_t N, DType dtype) { return init::normal({N, 224, 224, 3}, 1, Rng(4)).to(dtype); }

/// Captions of 4 to 20 words; benchmarks/peers/towers.py makes the same ones.
Tensor captions(std::int64_t N) {
  const std::vector<std::string> words{"a",     "photo", "of",    "the",   "dog",  "red", "house", "on",
                                       "beach", "two",   "small", "trees", "with", "sky", "old",   "car"};
  std::vector<std::string> texts;
  for (std::int64_t n = 0; n < N; ++n) {
    texts.emplace_back();
    for (std::int64_t k = 0; k < 4 + n % 17; ++k)
      texts.back() += (k ? " " : "") + words[static_cast<std::size_t>((7 * n + 3 * k) % 16)];
  }
  return of_text(BpeTokenizer(), 77).ids(texts);
}

void image_tower(benchmark::State& state, DType dtype) {
  auto model = vit_b32();
  if (dtype == DType::bf16) hold_linear_weights_in_bf16(model);
  const Tensor x = images(state.range(0), dtype);
  const NoGrad no_grad;
  const Eval eval;
  for (auto _ : state) benchmark::DoNotOptimize(model.image_rows(x).view().data);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK_CAPTURE(image_tower, f32, DType::f32)->Arg(32)->Arg(1)->UseRealTime()->MinTime(3);
BENCHMARK_CAPTURE(image_tower, bf16, DType::bf16)->Arg(32)->Arg(1)->UseRealTime()->MinTime(3);

void text_tower(benchmark::State& state, DType dtype) {
  auto model = vit_b32();
  if (dtype == DType::bf16) hold_linear_weights_in_bf16(model);
  const Tensor ids = captions(state.range(0));
  const NoGrad no_grad;
  const Eval eval;
  const EmbedIn computed(dtype);
  for (auto _ : state) benchmark::DoNotOptimize(model.text_rows(ids).view().data);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK_CAPTURE(text_tower, f32, DType::f32)->Arg(32)->UseRealTime()->MinTime(3);
BENCHMARK_CAPTURE(text_tower, bf16, DType::bf16)->Arg(32)->UseRealTime()->MinTime(3);

void step(benchmark::State& state, DType dtype) {
  auto model = vit_b32();
  AdamW optimizer(parameter_groups(model, {.weight_decay = 0.2, .exclude_norm_and_bias = true}), {.beta2 = 0.98});
  const Tensor x = images(32, dtype), ids = captions(32);
  for (auto _ : state) {
    const EmbedIn computed(dtype);
    const Tensor a = cast(model.image_rows(x), DType::f32), b = cast(model.text_rows(ids), DType::f32);
    clip_loss(normalize(a), normalize(b), model.scale.log_scale).backward();
    optimizer.step(5e-4);
    optimizer.clear_grad();
  }
  state.SetItemsProcessed(state.iterations() * 32);
}
BENCHMARK_CAPTURE(step, f32, DType::f32)->UseRealTime()->MinTime(5);
BENCHMARK_CAPTURE(step, bf16, DType::bf16)->UseRealTime()->MinTime(5);

}  // namespace
