// SPDX-License-Identifier: MIT
//
// Views a second on one core, from a decoded picture to normalised floats. `peers/augment.py` times torchvision on PIL
// with the same recipes and pictures of the same sizes.
#include <benchmark/benchmark.h>

#include "contrastive/augment/recipes.hpp"

using namespace contrastive;

namespace {

/// Smooth colours with noise: coarse random colours enlarged, as the peer's.
std::vector<Image> pictures(int count, int height, int width, int coarse_height, int coarse_width) {
  std::vector<Image> images;
  for (int i = 0; i < count; ++i) {
    Image coarse(coarse_height, coarse_width, 3);
    Stream stream(Rng(0) / "benchmark" / static_cast<std::uint64_t>(i));
    for (std::uint8_t& pixel : coarse.pixels) pixel = static_cast<std::uint8_t>(stream.bits() >> 24);
    Canvas canvas;
    resample(coarse,
             {0, 0, double(coarse_height), double(coarse_width), height, width, 0, 0, height, width, Filter::bicubic},
             3, canvas);
    Image image(height, width, 3);
    for (std::int64_t p = 0; p < canvas.count(); ++p)
      for (int c = 0; c < 3; ++c) image.pixels[static_cast<std::size_t>(3 * p + c)] = canvas.plane(c)[p];
    images.push_back(std::move(image));
  }
  return images;
}

/// The recipe as torchvision's users write it: bilinear, mean 0.5, std 0.25.
SimClrView view(int size, double strength, bool blur) {
  SimClrView v = simclr(size, strength, blur).first;
  v.crop_step().filter = Filter::bilinear;
  v.step<Normalize>() = {{0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}};
  return v;
}

template <class View>
void run(benchmark::State& state, const View& v, const std::vector<Image>& images) {
  std::vector<float> out(static_cast<std::size_t>(v.view().one.count()));
  std::uint64_t n = 0;
  for (auto _ : state) {
    v(images[n % images.size()], Rng(1) / n, out.data());
    benchmark::DoNotOptimize(out.data());
    ++n;
  }
  state.SetItemsProcessed(state.iterations());
}

void simclr_augment_32(benchmark::State& state) { run(state, view(32, 0.5, false), pictures(64, 32, 32, 32, 32)); }
void simclr_augment_224(benchmark::State& state) { run(state, view(224, 1.0, true), pictures(16, 375, 500, 25, 32)); }
void moco_v2_augment_224(benchmark::State& state) { run(state, moco_v2(224).first, pictures(16, 375, 500, 25, 32)); }

BENCHMARK(simclr_augment_32)->Name("simclr_augment/32");
BENCHMARK(simclr_augment_224)->Name("simclr_augment/224");
BENCHMARK(moco_v2_augment_224)->Name("moco_v2_augment/224");

/// One step at a time, 224 x 224.
template <class Step>
void step(benchmark::State& state, const Step& f) {
  Canvas canvas;
  resample(pictures(1, 224, 224, 20, 20)[0], {0, 0, 224, 224, 224, 224, 0, 0, 224, 224, Filter::bilinear}, 3, canvas);
  Stream stream(Rng(3));
  Drawn drawn;
  for (auto _ : state) f(canvas, stream, drawn);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(step, color_jitter, ColorJitter{0.8, 0.8, 0.8, 0.2});
BENCHMARK_CAPTURE(step, hue, ColorJitter{0, 0, 0, 0.2});
BENCHMARK_CAPTURE(step, gaussian_blur, GaussianBlur{});
BENCHMARK_CAPTURE(step, pillow_blur, PillowBlur{});
BENCHMARK_CAPTURE(step, flip, RandomFlip{1.0});
BENCHMARK_CAPTURE(step, grayscale, RandomGrayscale{1.0});
BENCHMARK_CAPTURE(step, equalize, Equalize{});

void resized_crop_224(benchmark::State& state) {
  const auto images = pictures(16, 375, 500, 25, 32);
  Canvas canvas;
  Stream stream(Rng(4));
  Drawn drawn;
  const RandomResizedCrop crop{224, {0.08, 1.0}, static_cast<Filter>(state.range(0))};
  std::size_t n = 0;
  for (auto _ : state) resample(images[n++ % 16], crop.place({375, 500}, stream, drawn), 3, canvas);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(resized_crop_224)->Arg(1)->Arg(2);

}  // namespace
