// SPDX-License-Identifier: MIT
//
// From files to views on one core, and what the threaded loader adds to compute.
//   CONTRASTIVE_BENCH_JPEG=photo.jpg build/release/benchmarks/data --benchmark_filter=jpeg
// takes a picture of yours; otherwise one of 500 x 375 is made. benchmarks/peers/jpeg.py runs torchvision beside it,
// benchmarks/peers/webdataset_loader.py makes tar shards and runs webdataset beside `shards`.

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "contrastive/augment/recipes.hpp"
#include "contrastive/data/image_folder.hpp"
#include "contrastive/data/jpeg.hpp"
#include "contrastive/data/loader.hpp"
#include "contrastive/data/open.hpp"
#include "contrastive/data/shapes.hpp"
#include "contrastive/data/webdataset.hpp"

using namespace contrastive;

namespace {

/// Noise at every scale, like the spectrum of photographs.
Image photograph(int height, int width) {
  Image image(height, width, 3);
  std::vector<double> level(image.pixels.size(), 128.0);
  double strength = 60;
  for (int cell = 128; cell >= 1; cell /= 2, strength *= 0.72) {
    const int columns = width / cell + 2, rows = height / cell + 2;
    Stream draw(Rng(1) / static_cast<std::uint64_t>(cell));
    std::vector<double> grid(static_cast<std::size_t>(columns * rows * 3));
    for (std::size_t i = 0; i < grid.size(); i += 3) {
      const double grey = draw.normal();
      for (std::size_t c = 0; c < 3; ++c) grid[i + c] = 0.8 * grey + 0.3 * draw.normal();
    }
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        for (int c = 0; c < 3; ++c) {
          const double fy = static_cast<double>(y % cell) / cell, fx = static_cast<double>(x % cell) / cell;
          const auto at = [&](int dy, int dx) {
            return grid[static_cast<std::size_t>(((y / cell + dy) * columns + x / cell + dx) * 3 + c)];
          };
          level[static_cast<std::size_t>((y * width + x) * 3 + c)] +=
              strength *
              ((1 - fy) * ((1 - fx) * at(0, 0) + fx * at(0, 1)) + fy * ((1 - fx) * at(1, 0) + fx * at(1, 1)));
        }
  }
  for (std::size_t i = 0; i < level.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(std::clamp(level[i], 0.0, 255.0));
  return image;
}

#if defined(CONTRASTIVE_WITH_JPEG)
std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality) {
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  jpeg_start_compress(&info, TRUE);
  for (int y = 0; y < image.height; ++y) {
    JSAMPROW row = const_cast<std::uint8_t*>(image.row(y));
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::vector<std::uint8_t> file(bytes, bytes + size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return file;
}

/// A JPEG on disk, as a data set of one picture.
ImageFolder one_photograph() {
  const auto folder = std::filesystem::temp_directory_path() / "contrastive-bench-jpeg";
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "photo.jpg").string();
  if (const char* given = std::getenv("CONTRASTIVE_BENCH_JPEG")) {
    std::filesystem::copy_file(given, path, std::filesystem::copy_options::overwrite_existing);
  } else {
    const auto file = encode_jpeg(photograph(375, 500), 90);
    std::FILE* out = std::fopen(path.c_str(), "wb");
    require(out != nullptr && std::fwrite(file.data(), 1, file.size(), out) == file.size() && std::fclose(out) == 0,
            "cannot write ", path);
  }
  return ImageFolder(folder.string());
}

/// A file opened, decoded and made into one SimCLR view with blur, as torchvision's loader does for each view.
void jpeg_to_view(benchmark::State& state) {
  const AnyDataset set = one_photograph();
  const int size = static_cast<int>(state.range(0));
  const OneView view(simclr(size).first);
  Views views = detail::room_for(view, 1);
  std::uint64_t draw = 0;
  for (auto _ : state)
    detail::read_views(view, Rng(0) / draw++, views, 0,
                       [&](const CropPlan& plan) { return std::optional(set.sample(0, Part::image, plan)); });
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(jpeg_to_view)->Name("jpeg_to_view")->Arg(224)->Unit(benchmark::kMillisecond);

void jpeg_decode(benchmark::State& state) {
  const AnyDataset set = one_photograph();
  for (auto _ : state) benchmark::DoNotOptimize(set.image(0));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(jpeg_decode)->Unit(benchmark::kMillisecond);
#endif

/// Batches of 32 from tar shards on one thread: decoded, cropped (that share of the picture or more), normalised. The folder
/// of shards is CONTRASTIVE_BENCH_SHARDS.
void shards(benchmark::State& state, double least) {
  const char* const root = std::getenv("CONTRASTIVE_BENCH_SHARDS");
  if (root == nullptr) return state.SkipWithError("CONTRASTIVE_BENCH_SHARDS names no folder of tar shards");
  const OneView view(ClipTrainView(RandomResizedCrop{224, {least, 1.0}, Filter::bicubic}, clip_statistics));
  Loader loader(AnyDataset(WebDataset(root, "train")), view, {.batch = 32, .threads = 0});
  std::int64_t epoch = 0;
  loader.start(epoch);
  for (auto _ : state) {
    auto batch = loader.next();
    if (!batch) {
      loader.start(++epoch);
      batch = loader.next();
    }
    benchmark::DoNotOptimize(batch->views.view[0].data<float>());
  }
  state.SetItemsProcessed(32 * state.iterations());
}
BENCHMARK_CAPTURE(shards, crop, 0.08)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(shards, clip, 0.9)->Unit(benchmark::kMillisecond);

/// What waiting for batches adds to a step of `range` milliseconds of compute elsewhere: views for it are made
/// meanwhile.
void loader_overhead(benchmark::State& state) {
  Loader loader(AnyDataset(Shapes(4096, 32)), simclr(32, 0.5, false), {.batch = 64, .threads = 1});
  const auto compute = std::chrono::milliseconds(state.range(0));
  std::int64_t epoch = 0;
  loader.start(epoch);
  double waited = 0;
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    auto batch = loader.next();
    if (!batch) {
      loader.start(++epoch);
      batch = loader.next();
    }
    waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    benchmark::DoNotOptimize(batch->views.view[0].data<float>());
    for (const auto until = std::chrono::steady_clock::now() + compute; std::chrono::steady_clock::now() < until;) {
    }
  }
  state.counters["overhead"] = 1 + waited / (1e-3 * static_cast<double>(state.range(0) * state.iterations()));
}
BENCHMARK(loader_overhead)->Arg(20)->Arg(100)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
