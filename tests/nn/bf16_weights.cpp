// SPDX-License-Identifier: MIT
#include "contrastive/nn/bf16_weights.hpp"

#include "contrastive/encoders/bert.hpp"
#include "contrastive/encoders/clip_vision.hpp"
#include "contrastive/encoders/modified_resnet.hpp"
#include "contrastive/encoders/siglip.hpp"
#include "contrastive/encoders/text_transformer.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/ops/softmax.hpp"
#include "support/catch.hpp"

using namespace contrastive;

namespace {

/// Rows in bf16 before and after the weights of `matrices` linear layers are held in it.
template <class M>
void check(M model, const Tensor& input, std::int64_t matrices) {
  const NoGrad no_grad;
  const Eval eval;
  const EmbedIn computed(DType::bf16);
  const auto rows = [&] { return normalize(cast(model(input), DType::f32)); };
  const Tensor before = rows();
  hold_linear_weights_in_bf16(model);
  std::int64_t narrow = 0;
  each_parameter(model, [&](const std::string&, Parameter& p) { narrow += p.dtype() == DType::bf16; });
  CHECK(narrow == matrices);
  const Tensor cosines = sum(before * rows(), 1);
  for (const float cosine : cosines.template span<float>()) CHECK(cosine > 0.999f);
}

}  // namespace

TEST_CASE("a model whose linear weights are held in bf16 gives what it gives in bf16 with f32 weights") {
  const Tensor images = init::normal({3, 32, 32, 3}, 1, Rng(1)).to(DType::bf16);
  const Tensor ids = Tensor::from<std::int32_t>({1, 5, 7, 9, 2, 6, 9, 0}, {2, 4});
  check(ClipVision({.image_size = 32, .patch = 8, .width = 64, .layers = 2, .heads = 2}, Rng(2)), images, 2 * 4);
  check(SiglipVision({.image_size = 32, .patch = 8, .width = 64, .layers = 1, .heads = 2, .hidden = 128}, Rng(2)),
        images, 4 + 4);  // of the block and of the pool
  check(ModifiedResNet({.blocks = {1, 1, 1, 1}, .width = 16, .image_size = 32, .heads = 8, .output = 32}, Rng(2)),
        images, 4);
  check(TextTransformer({.vocabulary = 10, .context_length = 4, .width = 64, .layers = 2, .heads = 2}, Rng(2)), ids,
        2 * 4);
  check(Bert({.vocabulary = 10, .positions = 8, .width = 64, .layers = 2, .heads = 2, .hidden = 128}, Rng(2)), ids,
        2 * 4);
}
