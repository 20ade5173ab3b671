// SPDX-License-Identifier: MIT

// Boxes without anchors: targets, losses, and what is read from a map.

#include "contrastive/objectives/proposals.hpp"

#include "contrastive/tensor/gradcheck.hpp"
#include "objectives/support.hpp"

using namespace contrastive;

namespace {

/// A map of 8 x 8 places of 2 pixels, of which each place in a target says the truth.
PlaceBoxes told(const PlaceTargets& targets, std::int64_t N) {
  PlaceBoxes map{Tensor::full({N * 64}, -9), Tensor::full({N * 64, 4}, 3), N, 8, 8, 2};
  for (std::size_t k = 0; k < targets.places.size(); ++k) {
    map.logits.data<float>()[targets.places[k]] = 4 * targets.centerness[k];
    std::ranges::copy(targets.distances[k], map.distances.data<float>() + 4 * targets.places[k]);
  }
  return map;
}

}  // namespace

TEST_CASE("places in the inner half of a box are told of it, of the smaller box where two meet") {
  const Tensor boxes = Tensor::from<float>({0, 0, 16, 16, 4, 4, 8, 8, 1, 1, 3, 3}, {1, 3, 4}),
               labels = Tensor::from<std::int64_t>({0, 5, -1}, {1, 3});
  const PlaceBoxes map{{}, {}, 1, 8, 8, 2};
  const PlaceTargets targets = place_targets(boxes, labels, map);
  // The inner half of the first box is 4..12, places 2 to 5 of each row; the small one's middle is 6, places 2 and 3.
  REQUIRE(targets.places.size() == 16);
  std::size_t small = 0;
  for (std::size_t k = 0; k < targets.places.size(); ++k) {
    const std::int64_t x = targets.places[k] % 8, y = targets.places[k] / 8;
    CHECK((x >= 2 && x <= 5 && y >= 2 && y <= 5));
    const auto& d = targets.distances[k];
    const bool of_small = x <= 3 && y <= 3;
    small += of_small;
    CHECK(d[0] + d[2] == (of_small ? 4.0F : 16.0F));
    CHECK(d[0] == static_cast<float>(2 * x + 1) - (of_small ? 4.0F : 0.0F));
  }
  CHECK(small == 4);
  // The place (2, 2) of the small box: 1 from left and top, 3 from right and bottom.
  CHECK(std::abs(targets.centerness[0] - 1.0F / 3) < 1e-6F);
  CHECK(place_targets(boxes, Tensor::from<std::int64_t>({-1, -1, -1}, {1, 3}), map).places.empty());
}

TEST_CASE("a map that says the truth has little loss and gives the boxes back") {
  const Tensor boxes = Tensor::from<float>({2, 2, 10, 8, 9, 9, 15, 15, 0, 0, 0, 0, 4, 4, 12, 12}, {2, 2, 4}),
               labels = Tensor::from<std::int64_t>({3, 1, -1, 0}, {2, 2});
  const PlaceTargets targets = place_targets(boxes, labels, {{}, {}, 2, 8, 8, 2});
  const PlaceBoxes right = told(targets, 2);
  const PlaceBoxes wrong{Tensor::full({128}, 0), Tensor::full({128, 4}, 3), 2, 8, 8, 2};
  CHECK(proposal_loss(right, targets).item() < 0.3 * proposal_loss(wrong, targets).item());
  const auto found = best_proposals(right, 8);
  REQUIRE(found.size() == 2);
  const auto has = [](const std::vector<Proposal>& list, const Box& box, std::size_t among) {
    return std::any_of(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(among),
                       [&](const Proposal& one) { return one.box == box; });
  };
  CHECK(has(found[0], {2, 2, 10, 8}, 2));
  CHECK(has(found[0], {9, 9, 15, 15}, 2));
  CHECK(has(found[1], {4, 4, 12, 12}, 1));
  CHECK(found[0].size() <= 8);
  // An image without boxes wants nothing but silence.
  const PlaceTargets none = place_targets(boxes, Tensor::full({2, 2}, -1).to(DType::i64), right);
  CHECK(std::isfinite(proposal_loss(wrong, none).item()));
  CHECK(proposal_loss(told(none, 2), none).item() < 0.1);
}

TEST_CASE("GIoU of distances is that of boxes, and gradients are those of differences", "[gradients]") {
  const Tensor a = (init::uniform({6, 4}, 1, Rng(1)) + 2).to(DType::f64),
               b = (init::uniform({6, 4}, 1, Rng(2)) + 2).to(DType::f64);
  const auto corners = [](const Tensor& d) {
    const Tensor box = d.clone();
    for (std::int64_t i = 0; i < 6; ++i)
      for (std::int64_t c = 0; c < 4; ++c)
        box.data<double>()[4 * i + c] = 9 + (c < 2 ? -1 : 1) * d.data<double>()[4 * i + c];
    return box;
  };
  const Tensor loss = distance_giou_loss(a, b), pairs = box_giou(corners(a), corners(b));
  for (std::int64_t i = 0; i < 6; ++i)
    CHECK(std::abs(loss.data<double>()[i] - (1 - pairs.data<double>()[7 * i])) < 1e-12);

  const Tensor boxes = Tensor::from<float>({2, 2, 10, 8, 9, 9, 15, 15}, {1, 2, 4}),
               labels = Tensor::from<std::int64_t>({3, 1}, {1, 2}),
               map = init::normal({1, 8, 8, 4}, 1, Rng(3)).to(DType::f64);
  ProposalHead head(4, Rng(4));
  move_to(head, Device::cpu, DType::f64);
  const KeepStatistics keep;
  const GradcheckResult result = gradcheck(
      [&](const std::vector<Tensor>& in) {
        const PlaceBoxes found = head(in[0], 2);
        return proposal_loss(found, place_targets(boxes, labels, found));
      },
      {map}, {.tolerance = 1e-5});
  INFO(result.message);
  CHECK(result.ok);
}
