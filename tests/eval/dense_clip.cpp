// SPDX-License-Identifier: MIT

// A word for each pixel from a CLIP's patches: against loops, with weights that change nothing, and with patches that change
// places.

#include "contrastive/eval/dense_clip.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "contrastive/encoders/clip_vision.hpp"
#include "contrastive/encoders/vit.hpp"
#include "ops/support.hpp"

using namespace contrastive;

namespace {

ClipVision tiny_clip() {
  return ClipVision({.image_size = 8, .patch = 2, .width = 8, .layers = 3, .heads = 2}, Rng(3));
}

double dot(const double* a, const double* b, std::int64_t D) {
  double sum = 0;
  for (std::int64_t d = 0; d < D; ++d) sum += a[d] * b[d];
  return sum;
}

/// One image's affinities, a pair at a time.
std::vector<double> affinities_by_loops(const double* x, std::int64_t P, std::int64_t D, double beta, double gamma) {
  std::vector<double> cosine(static_cast<std::size_t>(P * P)), weight(cosine.size());
  double mean = 0;
  for (std::int64_t i = 0; i < P; ++i)
    for (std::int64_t j = 0; j < P; ++j) {
      const double* const a = x + i * D;
      const double* const b = x + j * D;
      const auto at = static_cast<std::size_t>(i * P + j);
      cosine[at] = dot(a, b, D) / std::sqrt(dot(a, a, D) * dot(b, b, D));
      mean += cosine[at] / static_cast<double>(P * P);
    }
  for (std::int64_t i = 0; i < P; ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < P; ++j) {
      const auto at = static_cast<std::size_t>(i * P + j);
      weight[at] = cosine[at] < beta * mean ? 0 : std::exp(gamma * (cosine[at] - beta * mean));
      sum += weight[at];
    }
    for (std::int64_t j = 0; j < P; ++j) weight[static_cast<std::size_t>(i * P + j)] /= sum;
  }
  return weight;
}

}  // namespace

TEST_CASE("affinities are what loops over pairs of patches say, an image at a time") {
  const std::int64_t N = 2, P = 12, D = 5;
  const Tensor features = random({N, P, D}, 1);
  const Tensor weights = patch_affinities(features);
  REQUIRE(weights.shape() == Shape{N, P, P});
  for (std::int64_t n = 0; n < N; ++n) {
    const std::vector<double> slow = affinities_by_loops(features.data<double>() + n * P * D, P, D, 1.2, 3);
    double largest = 0;
    std::int64_t left_out = 0;
    for (std::int64_t i = 0; i < P * P; ++i) {
      const double fast = weights.data<double>()[n * P * P + i];
      largest = std::max(largest, std::abs(fast - slow[static_cast<std::size_t>(i)]));
      left_out += fast == 0;
    }
    CHECK(largest < 1e-12);
    CHECK(left_out > P);  // the threshold is at work
  }
  // Patches that are all the same lie below 1.2 times their mean: each keeps its own value.
  const Tensor same = patch_affinities(Tensor::full({1, 3, 4}, 1.0, DType::f64));
  for (std::int64_t i = 0; i < 9; ++i) CHECK(same.data<double>()[i] == (i % 4 == 0 ? 1 : 0));
}

TEST_CASE("the values of the last block are what a walk over heads gives, with and without a proxy") {
  const ClipVision net = tiny_clip();
  const Tensor images = random({2, 8, 8, 3}, 2, DType::f32);
  const std::int64_t P = 16, D = 8;
  const Tensor values = patch_values(net, images);
  REQUIRE(values.shape() == Shape{2, P, D});

  // The block itself, with attention that sees each position alone, is this and its residuals.
  Tensor before;
  {
    const NoGrad no_grad;
    net.through_blocks(images, [&](std::size_t i, const Tensor& x) {
      if (i == 1) before = x;
    });
  }
  const TransformerBlock& last = net.resblocks.back();
  const Tensor x = last.norm1(before).detach(), w = last.attn.qkv.weight.detach(), b = last.attn.qkv.bias.detach();
  double largest = 0;
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t p = 0; p < P; ++p)
      for (std::int64_t d = 0; d < D; ++d) {
        double v = b.data<float>()[2 * D + d];
        for (std::int64_t k = 0; k < D; ++k)
          v += double{w.data<float>()[(2 * D + d) * D + k]} * x.data<float>()[(n * (P + 1) + p + 1) * D + k];
        largest = std::max(largest, std::abs(v - values.data<float>()[(n * P + p) * D + d]));
      }
  CHECK(largest < 1e-5);

  const Tensor weights = patch_affinities(random({2, P, 6}, 4, DType::f32)),
               shared = shared_values(values, 4, weights, 4);
  largest = 0;
  for (std::int64_t n = 0; n < 2; ++n)
    for (std::int64_t p = 0; p < P; ++p)
      for (std::int64_t d = 0; d < D; ++d) {
        double mean = 0;
        for (std::int64_t q = 0; q < P; ++q)
          mean += double{weights.data<float>()[(n * P + p) * P + q]} * values.data<float>()[(n * P + q) * D + d];
        largest = std::max(largest, std::abs(mean - shared.data<float>()[(n * P + p) * D + d]));
      }
  CHECK(largest < 1e-5);

  // A proxy that finds no two patches alike changes nothing; one that does, does.
  const Tensor apart = Tensor::zeros({2, P, P});
  for (std::int64_t i = 0; i < 2 * P; ++i) apart.data<float>()[i * P + i % P] = 1;
  CHECK(largest_difference(shared_values(values, 4, patch_affinities(apart), 4), values) < 1e-6);
  CHECK(largest_difference(shared, values) > 1e-2);
  CHECK(rows_of_values(net, values).shape() == Shape{2, P, D});
  CHECK(patch_rows(net, images).shape() == Shape{2, P, D});
}

TEST_CASE("patches that change places take their answers with them") {
  const std::int64_t P = 9;
  const Tensor features = random({1, P, 5}, 5), values = random({1, P, 4}, 6);
  const Tensor order = Tensor::from<std::int64_t>({4, 0, 7, 1, 8, 2, 6, 3, 5}, {P});
  const auto moved = [&](const Tensor& x) { return gather(x.reshape({P, x.size(2)}), order).reshape(x.shape()); };
  const Tensor here = shared_values(values, 3, patch_affinities(features), 3),
               there = shared_values(moved(values), 3, patch_affinities(moved(features)), 3);
  CHECK(largest_difference(moved(here), there) < 1e-12);
  CHECK(largest_difference(here, there) > 1e-3);
}

TEST_CASE("a proxy with smaller patches gives a finer answer, and pixels take the nearest word") {
  const ViT clip(ViTConfig{.image_size = 8, .patch = 4, .width = 6, .depth = 2, .heads = 2}, Rng(1));
  const ViT proxy(ViTConfig{.image_size = 8, .patch = 2, .width = 6, .depth = 2, .heads = 2}, Rng(2));
  const Tensor images = random({1, 8, 8, 3}, 7, DType::f32);
  const Tensor weights = patch_affinities(patch_rows(proxy, images));
  CHECK(weights.shape() == Shape{1, 16, 16});
  CHECK(rows_of_values(clip, shared_values(patch_values(clip, images), 2, weights, 4)).shape() == Shape{1, 16, 6});

  const Tensor rows = Tensor::from<float>({1, 0, 1, 0, 0, 1, 0, 1}, {1, 4, 2}),
               words = Tensor::from<float>({0, 1, 1, 0, -1, 0}, {3, 2});
  const Tensor found = nearest_words(rows, words, 2, 4, 2);
  const std::vector<std::int64_t> expected{1, 1, 1, 1, 0, 0, 0, 0};
  for (std::size_t p = 0; p < 8; ++p) CHECK(found.data<std::int64_t>()[p] == expected[p]);
  CHECK_THROWS_WITH(nearest_words(rows, words, 3, 4, 2), Contains("expected rows (N, 3 * w, D)"));
  CHECK_THROWS_WITH(
      patch_values(ViT(ViTConfig{.image_size = 8, .patch = 4, .width = 6, .depth = 1, .heads = 2}, Rng(1)), images),
      Contains("two blocks or more, got 1"));
}
