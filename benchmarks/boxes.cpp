// SPDX-License-Identifier: MIT
//
// RoIAlign and its gradient, suppression, COCO's average precision and the mean IoU. benchmarks/peers/boxes.py runs
// torchvision and pycocotools on the same data beside it and prints the ratios.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/eval/detection.hpp"
#include "contrastive/eval/segmentation.hpp"
#include "contrastive/ops/boxes.hpp"
#include "contrastive/ops/roi_align.hpp"

using namespace contrastive;

namespace {

/// Numbers in [0, 1) that the peer makes too: (a n + b) mod 2^32, over 2^32.
class Numbers {
 public:
  explicit Numbers(std::uint32_t seed) : state_(seed) {}
  double next() {
    state_ = 1664525 * state_ + 1013904223;
    return static_cast<double>(state_) / 4294967296.0;
  }

 private:
  std::uint32_t state_;
};

/// Sides of 4 to 4 + `side` pixels somewhere in an image of that size.
Box random_box(Numbers& draw, double width, double height, double side) {
  const double left = draw.next() * (width - 8), top = draw.next() * (height - 8);
  const double wide = 4 + side * draw.next(), tall = 4 + side * draw.next();
  return {static_cast<float>(left), static_cast<float>(top), static_cast<float>(std::min(width, left + wide)),
          static_cast<float>(std::min(height, top + tall)), 0};
}

Tensor random_rows(std::int64_t N, std::int64_t columns, double width, double height, double side) {
  const Tensor rows({N, columns});
  Numbers draw(1);
  for (std::int64_t n = 0; n < N; ++n) {
    const Box box = random_box(draw, width, height, side);
    float* const row = rows.data<float>() + n * columns;
    row[0] = static_cast<float>(n % 2);
    float* const at = row + (columns - 4);
    at[0] = box.left, at[1] = box.top, at[2] = box.right, at[3] = box.bottom;
  }
  return rows;
}

void roi_align_of(benchmark::State& state, bool gradient) {
  set_threads(1);
  Tensor x({2, 50, 68, 256});
  Numbers draw(2);
  for (float& one : x.span<float>()) one = static_cast<float>(draw.next());
  x.set_requires_grad(gradient);
  const Tensor regions = random_rows(1000, 5, 1088, 800, 400);
  const RoiAlignOptions options{.scale = 1.0 / 16};
  const Tensor dy = Tensor::full({1000, 7, 7, 256}, 1);
  for (auto _ : state) {
    const Tensor y = roi_align(x, regions, options);
    benchmark::DoNotOptimize(y.view().data);
    if (!gradient) continue;
    y.backward(dy);
    x.clear_grad();
  }
}
BENCHMARK_CAPTURE(roi_align_of, forward, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(roi_align_of, both, true)->Unit(benchmark::kMillisecond);

void suppression(benchmark::State& state) {
  set_threads(1);
  const std::int64_t N = state.range(0);
  const Tensor boxes = random_rows(N, 4, 1333, 800, 200), scores({N});
  Numbers draw(3);
  for (float& one : scores.span<float>()) one = static_cast<float>(draw.next());
  std::size_t stay = 0;
  for (auto _ : state) stay = nms(boxes, scores, 0.5).size();
  state.counters["stay"] = static_cast<double>(stay);
}
BENCHMARK(suppression)->Arg(2000)->Arg(10000)->Unit(benchmark::kMillisecond);

/// 500 images with 7 true boxes of 80 classes and 100 that were found: each true one, moved a little, and others.
void average_precision(benchmark::State& state) {
  set_threads(1);
  std::vector<std::vector<Detection>> found(500);
  std::vector<std::vector<TrueBox>> truth(500);
  Numbers draw(4);
  for (std::size_t n = 0; n < 500; ++n) {
    for (int k = 0; k < 7; ++k) {
      Box box = random_box(draw, 640, 480, 200);
      box.label = static_cast<int>(80 * draw.next());
      truth[n].push_back({box});
    }
    for (int k = 0; k < 100; ++k) {
      Box box = k < 7 ? truth[n][static_cast<std::size_t>(k)].box : random_box(draw, 640, 480, 200);
      if (k < 7)
        box.right += static_cast<float>(8 * draw.next());
      else
        box.label = static_cast<int>(80 * draw.next());
      found[n].push_back({box, draw.next()});
    }
  }
  double ap = 0;
  for (auto _ : state) ap = coco_average_precision(found, truth, 80).ap;
  state.counters["ap"] = ap;
}
BENCHMARK(average_precision)->Unit(benchmark::kMillisecond);

/// 100 maps of 512 x 512 pixels and 150 classes; a tenth of the pixels have no class.
void mean_iou(benchmark::State& state) {
  set_threads(1);
  const Tensor found({512, 512}, DType::i64), truth({512, 512}, DType::i64);
  Numbers draw(5);
  for (std::int64_t i = 0; i < truth.count(); ++i) {
    const auto label = static_cast<std::int64_t>(150 * draw.next());
    truth.data<std::int64_t>()[i] = draw.next() < 0.1 ? -1 : label;
    found.data<std::int64_t>()[i] = draw.next() < 0.5 ? label : static_cast<std::int64_t>(150 * draw.next());
  }
  double iou = 0;
  for (auto _ : state) {
    SegmentationCounts counts(150);
    for (int map = 0; map < 100; ++map) counts.add(found, truth);
    iou = counts.mean_iou();
  }
  state.counters["iou"] = iou;
}
BENCHMARK(mean_iou)->Unit(benchmark::kMillisecond);

}  // namespace
