// SPDX-License-Identifier: MIT
#include "contrastive/encoders/siglip.hpp"

#include "contrastive/objectives/siglip_loss.hpp"
#include "contrastive/ops/ops.hpp"
#include "support/golden_tower.hpp"

using namespace contrastive;

namespace {

constexpr WeightLayout hf = WeightLayout::hf_siglip;

SiglipVisionConfig tiny_image() {
  return {.image_size = 16, .patch = 8, .width = 24, .layers = 2, .heads = 3, .hidden = 40};
}
SiglipTextConfig tiny_text() {
  return {.vocabulary = 37, .context_length = 9, .width = 18, .layers = 2, .heads = 3, .hidden = 28, .output = 24};
}

}  // namespace

TEST_CASE("SigLIP equals transformers': both towers, logits, the sigmoid loss and every gradient") {
  const Golden g = load_golden("models/siglip_tiny.safetensors");
  const Tensor ids = g.tensor("ids").to(DType::i32);
  for (const DType dtype : {DType::f64, DType::f32}) {
    INFO(to_string(dtype));
    const double close = dtype == DType::f64 ? 1e-10 : 1e-5;
    SiglipVision vision = golden_tower(SiglipVision(tiny_image(), Rng(0)), g, hf, dtype, "visual.");
    SiglipText text = golden_tower(SiglipText(tiny_text(), Rng(0)), g, hf, dtype);
    const Tensor pixels = permute(g.tensor("pixels"), {0, 2, 3, 1}).to(dtype);
    {
      const NoGrad no_grad;
      check_close(vision.tokens(pixels), g.tensor("vision_hidden"), close, 0);
      check_close(text.tokens(ids), g.tensor("text_hidden"), close, 0);
    }
    const Tensor image_rows = vision(pixels), text_rows = text(ids);
    check_close(image_rows, g.tensor("vision_pooled"), close, 0);
    check_close(text_rows, g.tensor("text_pooled"), close, 0);
    const Tensor a = normalize(image_rows), b = normalize(text_rows);
    check_close(a, g.tensor("image_embeds"), close, 0);
    check_close(b, g.tensor("text_embeds"), close, 0);
    const Parameter log_scale(g.tensor("weight.logit_scale").to(dtype)), bias(g.tensor("weight.logit_bias").to(dtype));
    {
      const NoGrad no_grad;
      const Tensor logits = matmul(b, a, false, true) * exp(log_scale) + bias;
      check_close(logits, g.tensor("logits_per_text"), close, 0);
    }
    const Tensor loss = siglip_loss(a, b, log_scale, bias);
    check_close(loss, g.tensor("loss"), close, 0);
    loss.backward();
    check_close(log_scale.grad(), g.tensor("grad.logit_scale"), close, 0);
    check_close(bias.grad(), g.tensor("grad.logit_bias"), close, 0);
    const std::size_t seen =
        check_gradients(vision, g, hf, close, "visual.").size() + check_gradients(text, g, hf, close).size();
    CHECK(seen == 86);
  }
}

TEST_CASE("SigLIP sees the padding of a text, so a text that is not padded is refused") {
  const SiglipText text(tiny_text(), Rng(1));
  const Tensor a = Tensor::from<std::int32_t>({3, 4, 5, 1, 1, 1, 1, 1, 1}, {1, 9});
  const Tensor b = Tensor::from<std::int32_t>({3, 4, 5, 0, 0, 0, 0, 0, 0}, {1, 9});
  CHECK(largest_difference(text(a), text(b)) > 1e-3);
  CHECK_THROWS_WITH(text(Tensor::zeros({2, 5}, DType::i32)),
                    "[siglip] expected i32 ids (N, 9), padded to that length, got (2, 5) i32");
}

TEST_CASE("SigLIP's towers take images of other sizes, and compute in bf16") {
  const Golden g = load_golden("models/siglip_tiny.safetensors");
  const NoGrad no_grad;
  const SiglipVision vision = golden_tower(SiglipVision(tiny_image(), Rng(0)), g, hf, DType::f32, "visual.");
  const SiglipText text = golden_tower(SiglipText(tiny_text(), Rng(0)), g, hf, DType::f32);
  CHECK(vision.tokens(Tensor::zeros({1, 27, 33, 3})).shape() ==
        Shape{1, 3 * 4, 24});  // what a patch does not fill is cut
  CHECK(vision(Tensor::zeros({1, 24, 24, 3})).shape() == Shape{1, 24});
  const EmbedIn in_bf16(DType::bf16);
  const Tensor image = vision(permute(g.tensor("pixels"), {0, 2, 3, 1}).to(DType::bf16));
  const Tensor row = text(g.tensor("ids").to(DType::i32));
  CHECK(image.dtype() == DType::bf16);
  CHECK(row.dtype() == DType::bf16);
  CHECK(largest_error(image.to(DType::f64).span<double>(), g.tensor("vision_pooled").span<double>()) < 0.05);
  CHECK(largest_error(row.to(DType::f64).span<double>(), g.tensor("text_pooled").span<double>()) < 0.05);
}
