// SPDX-License-Identifier: MIT
#include "contrastive/ops/boxes.hpp"

#include "support/catch.hpp"
#include "support/differences.hpp"
#include "support/golden.hpp"

using namespace contrastive;

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
