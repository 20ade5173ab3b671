// SPDX-License-Identifier: MIT

// GroupViT's multi-label loss against its official code and the formula.

#include "contrastive/objectives/multi_label_loss.hpp"

#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "objectives/support.hpp"
#include "ops/support.hpp"

using namespace contrastive;

TEST_CASE("the losses on captions and prompts are GroupViT's, with all gradients", "[golden]") {
  const Golden g = load_golden("descendants/groupvit_loss.safetensors");
  for (const auto& [of_case, tolerance, floor] : cases)
    for (const std::string way : {"two_scales/", "shared/", "clamped/"}) {
      const DType dtype = of_case;  // no structured binding, for what is caught below
      INFO(to_string(dtype) << " " << way);
      const bool shared = way == "shared/", clamped = way == "clamped/";
      const Tensor image = leaf(g.tensor("image"), dtype), text = leaf(g.tensor("text"), dtype),
                   prompts = leaf(g.tensor("prompts"), dtype);
      const auto scale_of = [&](const char* name) {
        const double given = g.tensor(way + name).item();
        // Beyond the clamp a scale is a constant: here `LearnedScale` never lets it go there.
        if (clamped) CHECK(given > std::log(100.0));
        Tensor scale = Tensor::full({}, clamped ? std::log(100.0) : given, dtype);
        scale.set_requires_grad(!clamped);
        return scale;
      };
      const Tensor scale = scale_of("logit_scale"), own = shared ? scale : scale_of("multi_label_logit_scale");
      const Tensor captions = clip_loss(image, text, scale, RowLength::normalize);
      const Tensor nouns = multi_label_loss(image, prompts, own, RowLength::normalize);
      check_close(captions, g.tensor(way + "loss"), tolerance, floor);
      check_close(nouns, g.tensor(way + "multi_label_loss"), tolerance, floor);
      const Tensor total = captions + nouns;
      check_close(total, g.tensor(way + "total"), tolerance, floor);
      total.backward();
      check_close(image.grad(), g.tensor(way + "grad/image"), tolerance, floor);
      check_close(text.grad(), g.tensor(way + "grad/text"), tolerance, floor);
      check_close(prompts.grad(), g.tensor(way + "grad/prompts"), tolerance, floor);
      if (clamped) {
        CHECK(g.tensor(way + "grad/logit_scale").item() == 0);
        CHECK(g.tensor(way + "grad/multi_label_logit_scale").item() == 0);
        continue;
      }
      check_close(scale.grad(), g.tensor(way + "grad/logit_scale"), tolerance, floor);
      if (!shared) check_close(own.grad(), g.tensor(way + "grad/multi_label_logit_scale"), tolerance, floor);
    }
}

TEST_CASE("the multi-label loss has the gradients of differences; with one prompt it is CLIP's") {
  const Tensor images = random({4, 5}, 1), prompts = random({4, 3, 5}, 2), scale = Tensor::full({}, 1.3, DType::f64);
  const GradcheckResult checked = gradcheck(
      [](const std::vector<Tensor>& in) { return multi_label_loss(in[0], in[1], in[2], RowLength::normalize); },
      {images, prompts, scale});
  INFO(checked.message);
  CHECK(checked.ok);
  const Tensor one = narrow(prompts, 1, 0, 1);
  const double clip = clip_loss(images, one.reshape({4, 5}), scale, RowLength::normalize).item();
  CHECK(std::abs(multi_label_loss(images, one, scale, RowLength::normalize).item() - clip) < 1e-12);
  CHECK_THROWS_WITH(multi_label_loss(images, random({3, 3, 5}, 2), scale),
                    Contains("[multi_label_loss] expected images (N, D) and prompts (N, P, D)"));
  CHECK_THROWS_WITH(multi_label_loss(images, prompts, scale),
                    Contains("[multi_label_loss]"));  // rows not of unit length
}
