// SPDX-License-Identifier: MIT

// ViLD's arithmetic against its official code: both heads, their ensemble, crops.

#include "contrastive/objectives/region_words.hpp"

#include "contrastive/augment/box_view.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "objectives/support.hpp"

using namespace contrastive;

TEST_CASE("ViLD's text head: logits, losses with and without the mask of novel classes, gradients", "[golden]") {
  const Golden g = load_golden("vild_text.safetensors");
  const Tensor labels = g.tensor("labels").reshape({10});
  for (const auto& [dtype, tolerance, floor] : cases) {
    INFO(to_string(dtype));
    for (const bool masked : {false, true}) {
      INFO((masked ? "masked" : "all"));
      const Tensor region = leaf(g.tensor("region"), dtype), projection = leaf(g.tensor("projection"), dtype),
                   background = leaf(g.tensor("background"), dtype);
      const Tensor logits =
          region_logits(matmul(region.reshape({10, 6}), projection), g.tensor("text").to(dtype), background);
      check_close(logits, g.tensor("logits").reshape({10, 7}), tolerance, floor);
      const Tensor loss = region_cross_entropy(logits, labels, masked ? g.tensor("keep_mask") : Tensor());
      const std::string at = masked ? "masked/" : "all/";
      check_close(loss, g.tensor(at + "loss"), dtype == DType::f32 ? 2e-5 : tolerance, floor);
      loss.backward();
      check_close(region.grad(), g.tensor(at + "grad/region"), tolerance, floor);
      check_close(projection.grad(), g.tensor(at + "grad/projection"), tolerance, floor);
      check_close(background.grad(), g.tensor(at + "grad/background"), tolerance, floor);
    }
  }
  const Tensor zero = Tensor::zeros({1, 8}, DType::f64);
  check_close(region_logits(zero, g.tensor("text")), Tensor::zeros({1, 6}, DType::f64), 0, 0);  // and not NaN
}

TEST_CASE("ViLD's image head: L1 to the teacher over the boxes that are there", "[golden]") {
  const Golden g = load_golden("vild_image.safetensors");
  // Padded boxes are left out before the loss: those whose largest coordinate is not positive.
  std::vector<std::int64_t> valid;
  for (std::int64_t k = 0; k < 12; ++k) {
    const double* box = g.tensor("boxes").data<double>() + 4 * k;
    if (*std::max_element(box, box + 4) > 0) valid.push_back(k);
  }
  REQUIRE((valid.size() > 2 && valid.size() < 12));
  const Tensor places = Tensor::from<std::int64_t>(valid, {std::ssize(valid)});
  for (const auto& [dtype, tolerance, floor] : cases) {
    INFO(to_string(dtype));
    const Tensor region = leaf(g.tensor("region").reshape({12, 8}), dtype);
    const Tensor teacher = g.tensor("teacher").to(dtype).reshape({12, 8});
    const Tensor loss = region_distillation(gather(region, places), gather(teacher, places));
    check_close(loss, g.tensor("loss"), tolerance, floor);
    check_close(loss * g.number("weight"), g.tensor("weighted_loss"), tolerance, floor);
    loss.backward();  // the file's gradient is of the loss without its weight
    check_close(region.grad().reshape({2, 6, 8}), g.tensor("grad_region"), tolerance, floor);
  }
  CHECK(region_distillation(Tensor::zeros({0, 8}), Tensor::zeros({0, 8})).item() == 0);
}

TEST_CASE("ViLD's ensemble: the weighted geometric mean of both heads", "[golden]") {
  const Golden g = load_golden("vild_ensemble.safetensors");
  std::vector<bool> is_base;
  for (std::int64_t c = 0; c < 5; ++c) is_base.push_back(g.tensor("is_base").to(DType::f64).data<double>()[c] != 0);
  for (const auto& [dtype, tolerance, floor] : cases) {
    const Tensor text = text_head_scores(g.tensor("text_logits").to(dtype).reshape({6, 6})),
                 image = image_head_scores(g.tensor("image_logits").to(dtype).reshape({6, 5}));
    check_close(text, g.tensor("text_probability").reshape({6, 5}), tolerance, floor);
    check_close(image, g.tensor("image_probability").reshape({6, 5}), tolerance, floor);
    check_close(ensemble_scores(text, image, is_base), g.tensor("scores").reshape({6, 5}), tolerance, floor);
  }
}

TEST_CASE("ViLD's crops: 1.5 times a box, and the teacher's sum of both", "[golden]") {
  const Golden g = load_golden("vild_crop.safetensors");
  const ImageSize image{static_cast<int>(g.number("image_height")), static_cast<int>(g.number("image_width"))};
  for (std::int64_t k = 0; k < 5; ++k) {
    const auto corners = [&](const char* name, std::int64_t c) { return g.tensor(name).data<double>()[4 * k + c]; };
    const Box box{static_cast<float>(corners("boxes", 0)), static_cast<float>(corners("boxes", 1)),
                  static_cast<float>(corners("boxes", 2)), static_cast<float>(corners("boxes", 3)), 0};
    const Box larger = grown(box, g.number("factor")), inside = cut(larger, image);
    const float got[2][4] = {{larger.left, larger.top, larger.right, larger.bottom},
                             {inside.left, inside.top, inside.right, inside.bottom}};
    for (std::int64_t c = 0; c < 4; ++c) {
      CHECK(std::abs(got[0][c] - corners("boxes_15", c)) < 1e-6 * 100);
      CHECK(std::abs(got[1][c] - corners("boxes_15_clipped", c)) < 1e-6 * 100);
    }
  }
  const Tensor one = g.tensor("embedding_1"), larger = g.tensor("embedding_15");
  check_close(crop_ensemble(one, larger), g.tensor("ensemble_of_unit"), 1e-12, 1e-14);
  // The sum of what the tower gives, which is the same where it gives unit rows.
  check_close(normalize(one + larger), g.tensor("ensemble"), 1e-12, 1e-14);
}

TEST_CASE("gradients of ViLD's losses are those of differences", "[gradients]") {
  const Tensor regions = init::normal({4, 5}, 1, Rng(1)).to(DType::f64),
               background = init::normal({5}, 1, Rng(2)).to(DType::f64),
               rows = init::normal({3, 5}, 1, Rng(3)).to(DType::f64),
               teacher = init::normal({4, 5}, 1, Rng(4)).to(DType::f64);
  const Tensor labels = Tensor::from<std::int64_t>({0, 2, 3, 0}, {4}), keep = Tensor::from<double>({1, 1, 0, 1}, {4});
  const GradcheckResult text = gradcheck(
      [&](const std::vector<Tensor>& in) {
        return region_cross_entropy(region_logits(in[0], rows, in[1]), labels, keep);
      },
      {regions, background}, {.tolerance = 1e-5});
  INFO(text.message);
  CHECK(text.ok);
  const GradcheckResult image =
      gradcheck([&](const std::vector<Tensor>& in) { return region_distillation(in[0], teacher); }, {regions},
                {.tolerance = 1e-5});
  INFO(image.message);
  CHECK(image.ok);
}
