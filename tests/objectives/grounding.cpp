// SPDX-License-Identifier: MIT

// GLIP's losses, its assignment of anchors and its scores of phrases against the official code.

#include "contrastive/objectives/grounding_loss.hpp"

#include "contrastive/objectives/phrase_scores.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "objectives/support.hpp"
#include "ops/support.hpp"

using namespace contrastive;

namespace {

/// Levels (N, C, H, W) of a pyramid to (N, A, C).
Tensor rows_of(const Golden& g, const std::string& name, int levels) {
  std::vector<Tensor> rows;
  for (int i = 0; i < levels; ++i) {
    const Tensor x = g.tensor(join(name, "/level", i));
    rows.push_back(permute(x.reshape({x.size(0), x.size(1), x.size(2) * x.size(3)}), {0, 2, 1}));
  }
  return concat(rows, 1);
}

}  // namespace

TEST_CASE("the focal loss over tokens is GLIP's, and padding counts nowhere", "[golden]") {
  const Golden g = load_golden("glip_token_loss.safetensors");
  for (const auto& [dtype, tolerance, floor] : cases)
    for (const bool masked : {false, true}) {
      INFO(to_string(dtype) << masked);
      const Tensor logits = leaf(g.tensor("logits"), dtype);
      const Tensor loss =
          token_focal_loss(logits, g.tensor("targets").to(dtype), masked ? g.tensor("text_mask") : Tensor(),
                           {g.number("alpha"), g.number("gamma")});
      const std::string name = masked ? "masked" : "all";
      check_close(loss, g.tensor(name + "/loss"), tolerance, floor);
      loss.backward();
      check_close(logits.grad(), g.tensor(name + "/grad/logits"), tolerance, floor);
    }
}

TEST_CASE("codes, boxes and the GIoU loss are GLIP's, far, inside out and exploding boxes too", "[golden]") {
  const Golden g = load_golden("glip_giou.safetensors");
  for (const auto& [dtype, exact, floor] : cases) {
    INFO(to_string(dtype));
    const double tolerance = dtype == DType::f32 ? 2e-5 : exact;
    const Tensor anchors = g.tensor("anchors").to(dtype), target = g.tensor("target").to(dtype);
    check_close(encode_boxes(g.tensor("target_boxes").to(dtype), anchors), g.tensor("encoded"), tolerance, floor);
    check_close(decode_boxes(target, anchors), g.tensor("target_boxes"), tolerance, floor);
    const Tensor predicted = leaf(g.tensor("predicted"), dtype);
    Tensor boxes = decode_boxes(predicted, anchors).detach().clone();
    check_close(boxes, g.tensor("predicted_boxes"), tolerance, floor);
    const Tensor losses = giou_losses(predicted, target, anchors);
    check_close(losses, g.tensor("losses"), tolerance, floor);
    check_close(sum(losses.detach()), g.tensor("loss_unweighted"), tolerance, floor);
    const Tensor loss = sum(losses * g.tensor("weight").to(dtype));
    check_close(loss, g.tensor("loss"), tolerance, floor);
    loss.backward();
    check_close(predicted.grad(), g.tensor("grad_predicted"), tolerance, floor);
  }
}

TEST_CASE("the GIoU loss has the gradients of differences") {
  const Tensor anchors = Tensor::from<double>({0, 0, 15, 15, 4, 8, 19, 23, 8, 0, 39, 31}, {3, 4});
  const GradcheckResult checked = gradcheck(
      [&](const std::vector<Tensor>& in) {
        return giou_losses(in[0], random({3, 4}, 4), anchors);
      },
      {random({3, 4}, 3)}, {.tolerance = 1e-5});
  INFO(checked.message);
  CHECK(checked.ok);
}

TEST_CASE("anchors, their boxes and the three losses are GLIP's", "[golden]") {
  const Golden g = load_golden("glip_atss.safetensors");
  const std::vector<AnchorLevel> levels{{8, 12, 8, 32}, {4, 6, 16, 64}, {2, 3, 32, 128}};
  const std::vector<Tensor> boxes{g.tensor("boxes0"), g.tensor("boxes1")};
  const Tensor map = g.tensor("positive_map");
  CHECK(largest_difference(make_anchors(levels), g.tensor("anchors")) == 0);
  for (const auto& [dtype, exact, floor] : cases) {
    INFO(to_string(dtype));
    const double tolerance = dtype == DType::f32 ? 2e-5 : 1e-9;
    const Tensor tokens = leaf(concat({g.tensor("token_logits/level0"), g.tensor("token_logits/level1"),
                                       g.tensor("token_logits/level2")},
                                      1),
                               dtype),
                 codes = leaf(rows_of(g, "regression", 3), dtype),
                 central = leaf(rows_of(g, "centerness", 3).reshape({2, 126}), dtype);
    const GroundingTargets targets = grounding_targets(levels, boxes, {map.slice(0, 3), map.slice(3, 4)}, tokens);
    std::vector<std::int64_t> positive;
    for (std::int64_t n = 0; n < 2; ++n) {
      const std::vector<std::int64_t> match =
          assign_anchors(levels, make_anchors(levels), boxes[static_cast<std::size_t>(n)]);
      const Tensor labels = g.tensor(join("labels", n));
      for (std::int64_t a = 0; a < 126; ++a) {
        const std::int64_t b = match[static_cast<std::size_t>(a)], row = n * 126 + a;
        CHECK(b == g.tensor("matched").data<std::int64_t>()[row]);
        CHECK((b < 0 ? 0 : labels.data<std::int64_t>()[b]) == g.tensor("class_labels").data<std::int64_t>()[row]);
        if (b >= 0) positive.push_back(row);
        for (std::int64_t t = 0; t < 9; ++t) {
          // There, a place without a box has a 1 in the last column, which is masked.
          const bool last = t == 8 && b < 0;
          CHECK(targets.tokens.to(DType::f64).data<double>()[row * 9 + t] ==
                (last ? 0 : g.tensor("token_labels").data<std::uint8_t>()[row * 9 + t]));
        }
      }
    }
    CHECK(positive == targets.positive);
    CHECK(positive.size() == 14);
    check_close(targets.codes, g.tensor("reg_targets_positive"), tolerance, floor);
    check_close(targets.centerness, g.tensor("centerness_target_positive"), tolerance, floor);
    const GroundingLoss loss = grounding_loss({tokens, codes, central}, targets, g.tensor("text_mask"));
    check_close(loss.tokens, g.tensor("loss_token"), tolerance, floor);
    check_close(loss.boxes, g.tensor("loss_reg"), tolerance, floor);
    check_close(loss.centerness, g.tensor("loss_centerness"), tolerance, floor);
    loss.total().backward();
    check_close(tokens.grad(), g.tensor("grad/token_logits"), tolerance, floor);
    check_close(codes.grad(), rows_of(g, "grad/regression", 3), tolerance, floor);
    check_close(central.grad(), rows_of(g, "grad/centerness", 3).reshape({2, 126}), tolerance, floor);
  }
}

TEST_CASE("without any box the losses are finite, and boxes and centres have none") {
  const std::vector<AnchorLevel> levels{{2, 2, 8, 16}};
  const Tensor tokens = leaf(random({1, 4, 3}, 1), DType::f64), codes = leaf(random({1, 4, 4}, 2), DType::f64),
               central = leaf(random({1, 4}, 3), DType::f64);
  const GroundingTargets none =
      grounding_targets(levels, {Tensor::zeros({0, 4}, DType::f64)}, {Tensor::zeros({0, 3}, DType::f64)}, tokens);
  const GroundingLoss loss = grounding_loss({tokens, codes, central}, none, Tensor::from<double>({1, 1, 0}, {1, 3}));
  CHECK(loss.tokens.item() > 0);
  CHECK(loss.boxes.item() == 0);
  CHECK(loss.centerness.item() == 0);
  loss.total().backward();
  CHECK(largest(tokens.grad()) > 0);
  for (std::int64_t a = 0; a < 4; ++a) CHECK(tokens.grad().data<double>()[a * 3 + 2] == 0);
  CHECK(largest(codes.grad()) == 0);
}

TEST_CASE("scores of phrases and their boxes are GLIP's", "[golden]") {
  const Golden g = load_golden("glip_scores.safetensors");
  std::vector<TokenSpan> spans;
  for (int p = 0; p < 3; ++p)
    spans.push_back(
        {g.tensor("span_starts").data<std::int64_t>()[p], g.tensor("span_lengths").data<std::int64_t>()[p]});
  const double least = g.number("threshold");
  for (const auto& [dtype, tolerance, floor] : cases) {
    INFO(to_string(dtype));
    const Tensor scores = phrase_scores(g.tensor("token_logits").to(dtype), spans);
    check_close(scores, g.tensor("class_mean"), tolerance, floor);
    const Tensor codes = permute(g.tensor("regression").reshape({4, 12}), {1, 0}).to(dtype),
                 central = g.tensor("centerness").reshape({12}).to(dtype);
    const PhraseBoxes found =
        phrase_boxes(scores, codes, central, g.tensor("anchors"), 24, 32, {.least = least, .overlap = 1, .most = 1000});
    check_close(found.boxes, g.tensor("sorted_boxes"), tolerance, floor);
    check_close(Tensor::from<double>(found.scores, {std::ssize(found.scores)}), g.tensor("sorted_scores"), tolerance,
                floor);
    REQUIRE(found.phrases.size() == 31);
    for (std::size_t k = 0; k < 31; ++k)
      CHECK(found.phrases[k] + 1 == g.tensor("sorted_labels").data<std::int64_t>()[k]);
    // Which are kept, and the score of each place and phrase.
    std::size_t kept = 0;
    for (std::int64_t i = 0; i < 36; ++i) {
      const bool stays = scores.data<double>()[i] > least;
      CHECK(stays == (g.tensor("kept").data<std::uint8_t>()[i] != 0));
      kept += stays;
      const double c = g.tensor("centerness").data<double>()[i / 3];
      const double score = stays ? std::sqrt(scores.data<double>()[i] / (1 + std::exp(-c))) : 0;
      if (stays) CHECK(score == Approx(g.tensor("scores").data<double>()[i]).epsilon(tolerance));
    }
    CHECK(kept == 31);
  }
}

TEST_CASE("boxes of one phrase that overlap a better one are left out; those of other phrases stay") {
  const Tensor anchors = Tensor::from<double>({0, 0, 7, 7, 0, 0, 7, 7, 8, 8, 15, 15}, {3, 4});
  const Tensor scores = Tensor::from<double>({0.9, 0.5, 0.8, 0.6, 0.7, 0.01}, {3, 2});
  const Tensor codes = Tensor::zeros({3, 4}, DType::f64), central = Tensor::zeros({3}, DType::f64);
  const PhraseBoxes found = phrase_boxes(scores, codes, central, anchors, 16, 16);
  CHECK(found.phrases == std::vector<std::int64_t>{0, 0, 1});
  CHECK(found.scores[0] == Approx(std::sqrt(0.45)));
  CHECK(found.scores[1] == Approx(std::sqrt(0.35)));
  CHECK(found.boxes.data<double>()[4] == 8);
  CHECK(phrase_boxes(scores, codes, central, anchors, 16, 16, {.most = 1}).scores.size() == 1);
  const PhraseBoxes one_each = phrase_boxes(scores, codes, central, anchors, 16, 16, {.each = 1});
  CHECK(one_each.phrases == std::vector<std::int64_t>{0, 1});
  CHECK(phrase_boxes(scores, codes, central, anchors, 16, 16, {.overlap = 1}).scores.size() == 5);
  CHECK_THROWS_WITH(phrase_scores(Tensor::zeros({2, 3}), {{2, 2}}),
                    Contains("[phrase_scores] phrase 0 has tokens 2 to 4 of 3"));
}
