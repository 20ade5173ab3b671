// SPDX-License-Identifier: MIT
#include "contrastive/ops/boxes.hpp"

#include <algorithm>
#include <numeric>

#include "contrastive/core/rng.hpp"
#include "contrastive/ops/roi_align.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/golden.hpp"

using namespace contrastive;

namespace {

Tensor init_features(Shape shape) {
  Tensor x(shape);
  Stream draw(Rng(8) / "features");
  for (float& one : x.span<float>()) one = static_cast<float>(draw.normal());
  return x;
}

}  // namespace

TEST_CASE("overlaps and suppression are torchvision's", "[golden]") {
  const Golden g = load_golden("boxes.safetensors");
  CHECK(largest_difference(box_iou(g.tensor("iou/a"), g.tensor("iou/b")), g.tensor("iou/iou")) < 1e-12);
  CHECK(largest_difference(box_giou(g.tensor("iou/a"), g.tensor("iou/b")), g.tensor("iou/giou")) < 1e-12);
  const auto list = [](const Tensor& keep) {
    const auto values = keep.span<std::int64_t>();
    return std::vector<std::int64_t>(values.begin(), values.end());
  };
  CHECK(nms(g.tensor("nms/boxes"), g.tensor("nms/scores"), 0.4) == list(g.tensor("nms/keep_040")));
  CHECK(nms(g.tensor("nms/boxes"), g.tensor("nms/scores"), 0.5, g.tensor("nms/classes")) ==
        list(g.tensor("nms/keep_by_class_050")));
}

TEST_CASE("suppression leaves the boxes that a look at all pairs leaves", "[ops]") {
  Stream draw(Rng(3));
  for (const std::int64_t N : {0, 1, 7, 300}) {
    const Tensor boxes({N, 4}), scores({N}), classes({N}, DType::i64);
    for (std::int64_t i = 0; i < N; ++i) {
      float* const box = boxes.data<float>() + 4 * i;
      box[0] = static_cast<float>(draw.below(40)), box[1] = static_cast<float>(draw.below(40));
      box[2] = box[0] + static_cast<float>(draw.below(20)), box[3] = box[1] + static_cast<float>(draw.below(20));
      scores.data<float>()[i] = static_cast<float>(draw.below(50));  // many are equal
      classes.data<std::int64_t>()[i] = static_cast<std::int64_t>(draw.below(3));
    }
    const Tensor overlap = box_iou(boxes.to(DType::f64), boxes.to(DType::f64));
    for (const bool by_class : {false, true})
      for (const double threshold : {0.0, 0.3137, 0.5051}) {  // no overlap is just that
        std::vector<std::int64_t> order(static_cast<std::size_t>(N)), stay;
        std::iota(order.begin(), order.end(), 0);
        std::ranges::stable_sort(
            order, [&](std::int64_t i, std::int64_t j) { return scores.data<float>()[i] > scores.data<float>()[j]; });
        for (const std::int64_t i : order)
          if (std::ranges::none_of(stay, [&](std::int64_t j) {
                const bool same = !by_class || classes.data<std::int64_t>()[i] == classes.data<std::int64_t>()[j];
                return same && overlap.data<double>()[i * N + j] > threshold;
              }))
            stay.push_back(i);
        CHECK(nms(boxes, scores, threshold, by_class ? classes : Tensor()) == stay);
      }
  }
  CHECK_THROWS_WITH(nms(Tensor({2, 4}), Tensor({2}), -0.1), Contains("[nms] expected a threshold of 0 or more"));
}

TEST_CASE("RoIAlign and its gradient are torchvision's", "[golden]") {
  const Golden g = load_golden("boxes.safetensors");
  for (const DType dtype : {DType::f64, DType::f32})
    for (const auto& [name, samples, aligned] :
         {std::tuple("aligned_2", 2, true), {"aligned_adaptive", 0, true}, {"legacy_2", 2, false}}) {
      INFO(name << " " << to_string(dtype));
      Tensor x = permute(g.tensor("roi_align/input"), {0, 2, 3, 1}).to(dtype);
      x.set_requires_grad(true);
      const Tensor y = roi_align(x, g.tensor("roi_align/rois"),
                                 {.height = 3, .width = 4, .scale = 0.125, .samples = samples, .aligned = aligned});
      const std::string of = std::string("roi_align/") + name;
      const double close = dtype == DType::f64 ? 1e-10 : 1e-5;
      CHECK(largest_difference(permute(y.detach(), {0, 3, 1, 2}), g.tensor(of + "/output")) < close);
      sum(y * permute(g.tensor(of + "/upstream"), {0, 2, 3, 1}).to(dtype)).backward();
      CHECK(largest_difference(permute(x.grad(), {0, 3, 1, 2}), g.tensor(of + "/grad_input")) < close);
    }
}

TEST_CASE("RoIAlign from other ops, and in any number of threads, is the same", "[ops]") {
  // Two images, regions inside, outside and across the edge; 83 channels are whole blocks, a vector and a rest.
  const Tensor regions = Tensor::from<float>(
      {0, 3, 2, 40, 30, 1, -9, -9, 20, 70, 0, 100, 100, 120, 120, 1, 5, 5, 5, 5, 1, 30, 8, 12, 60}, {5, 5});
  for (const int samples : {0, 1, 3}) {
    const RoiAlignOptions options{.height = 3, .width = 5, .scale = 0.25, .samples = samples};
    Tensor x = init_features({2, 9, 12, 83});
    x.set_requires_grad(true);
    const auto both = [&](auto&& f) {
      x.clear_grad();
      const Tensor y = f();
      sum(y * y).backward();
      return std::pair(y.detach(), x.grad().clone());
    };
    const auto [y, dx] = both([&] { return roi_align(x, regions, options); });
    const auto [z, dz] =
        both([&] { return detail::roi_align_gathered(x, detail::roi_cells(x.shape(), regions, options)); });
    CHECK(largest_difference(y, z) < 1e-6);
    CHECK(largest_difference(dx, dz) < 1e-5);
    const int before = threads();
    set_threads(5);
    const auto [y5, dx5] = both([&] { return roi_align(x, regions, options); });
    set_threads(before);
    CHECK(std::ranges::equal(y.span<float>(), y5.span<float>()));
    CHECK(std::ranges::equal(dx.span<float>(), dx5.span<float>()));
  }
  const Tensor x = init_features({1, 4, 4, 2});
  CHECK(roi_align(x, Tensor({0, 5})).shape() == Shape{0, 7, 7, 2});
  CHECK(roi_align(x.to(DType::bf16), Tensor::from<float>({0, 0, 0, 4, 4}, {1, 5})).dtype() == DType::bf16);
  CHECK_THROWS_WITH(roi_align(x, Tensor::from<float>({1, 0, 0, 4, 4}, {1, 5})),
                    Contains("is of image 1, and there are 1"));
  CHECK_THROWS_WITH(roi_align(x, Tensor::from<float>({0, 0, std::nanf(""), 4, 4}, {1, 5})),
                    Contains("[roi_align] region 0 is not finite"));
}
