// SPDX-License-Identifier: MIT

// GLIP's fusion and its word-region logits against the official code.

#include "contrastive/nn/bi_attention.hpp"

#include "contrastive/nn/word_region.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "objectives/support.hpp"
#include "ops/support.hpp"

using namespace contrastive;

namespace {

/// The golden weights under their official names, in `dtype`; how many there were.
template <class M>
std::size_t load_weights(M& module, const Golden& g, DType dtype) {
  std::size_t count = 0;
  each_parameter(module, [&](const std::string& name, Parameter& p) {
    p = Parameter(g.tensor("weights/" + name).to(dtype).reshape(p.shape()).clone());
    ++count;
  });
  return count;
}

Tensor channels_last(const Tensor& x) { return permute(x, {0, 2, 3, 1}); }

}  // namespace

TEST_CASE("fusion in both directions is GLIP's, with every gradient", "[golden]") {
  const Golden g = load_golden("glip_bi_attention.safetensors");
  for (const auto& [dtype, exact, floor] : cases) {
    INFO(to_string(dtype));
    const double tolerance = dtype == DType::f32 ? 2e-5 : exact;
    BiAttentionBlock block(8, 6, 8, 2, 1.0 / 6, Rng(1));
    CHECK(load_weights(block, g, dtype) == 18);
    const Tensor visual = leaf(g.tensor("visual"), dtype), text = leaf(g.tensor("text"), dtype),
                 mask = g.tensor("mask").to(dtype);
    const ImageAndText out = block(visual, text, mask);
    check_close(out.image, g.tensor("out/visual"), tolerance, floor);
    check_close(out.text, g.tensor("out/text"), tolerance, floor);
    (sum(out.image * g.tensor("weight_visual").to(dtype)) + sum(out.text * g.tensor("weight_text").to(dtype)))
        .backward();
    check_close(visual.grad(), g.tensor("grad/visual"), tolerance, floor);
    check_close(text.grad(), g.tensor("grad/text"), tolerance, floor);
    each_parameter(block, [&, floor = floor](const std::string& name, Parameter& p) {
      INFO(name);
      check_close(p.grad(), g.tensor("grad/weights/" + name).reshape(p.shape()), tolerance, floor);
    });

    const NoGrad no_grad;
    const ImageAndText open = block(visual, text);
    check_close(open.image, g.tensor("no_mask/visual"), tolerance, floor);
    check_close(open.text, g.tensor("no_mask/text"), tolerance, floor);
    const ImageAndText attended = block.attn(visual, text, mask);
    check_close(attended.image, g.tensor("attn_only/visual"), tolerance, floor);
    check_close(attended.text, g.tensor("attn_only/text"), tolerance, floor);
    for (Linear* const linear : {&block.attn.v_proj, &block.attn.l_proj}) {
      linear->weight.copy_from(linear->weight * 512);
      linear->bias.copy_from(linear->bias * 512);
    }
    const ImageAndText clamped = block.attn(visual, text, mask);
    const double loose = dtype == DType::f32 ? 1e-4 : exact;
    check_close(clamped.image, g.tensor("clamped/visual"), loose, floor);
    check_close(clamped.text, g.tensor("clamped/text"), loose, floor);
  }
}

TEST_CASE("the fusion's gradients are those of differences") {
  BiAttentionBlock block(4, 6, 4, 2, 0.5, Rng(1));
  move_to(block, Device::cpu, DType::f64);
  const Tensor mask = Tensor::from<double>({1, 1, 0, 1, 1, 1}, {2, 3});
  for (const bool image : {true, false}) {
    const GradcheckResult checked = gradcheck(
        [&](const std::vector<Tensor>& in) {
          const ImageAndText out = block(in[0], in[1], mask);
          return image ? out.image : out.text;
        },
        {random({2, 3, 4}, 2), random({2, 3, 6}, 3)}, {.tolerance = 1e-5});
    INFO(checked.message);
    CHECK(checked.ok);
  }
}

TEST_CASE("a pyramid is fused as one sequence, the finest map first", "[golden]") {
  const Golden g = load_golden("glip_fuse_levels.safetensors");
  for (const auto& [dtype, exact, floor] : cases) {
    INFO(to_string(dtype));
    const double tolerance = dtype == DType::f32 ? 2e-5 : exact;
    BiAttentionBlock block(6, 6, 8, 2, 1.0 / 6, Rng(1));
    CHECK(load_weights(block, g, dtype) == 18);
    std::vector<Tensor> levels;
    for (int i = 0; i < 5; ++i) levels.push_back(channels_last(g.tensor(join("level", i))).to(dtype));
    const NoGrad no_grad;
    const ImageAndText out = block(rows_of_levels(levels), g.tensor("text").to(dtype), g.tensor("mask").to(dtype));
    const std::vector<Tensor> maps = levels_of_rows(out.image, levels);
    for (std::size_t i = 0; i < 5; ++i)
      check_close(maps[i], channels_last(g.tensor(join("out/level", i))), tolerance, floor);
    check_close(out.text, g.tensor("out/text"), tolerance, floor);
  }
}

TEST_CASE("word-region logits are GLIP's, with every gradient", "[golden]") {
  const Golden g = load_golden("glip_alignment.safetensors");
  for (const auto& [dtype, tolerance, floor] : cases) {
    INFO(to_string(dtype));
    WordRegion head(6, 8, Rng(1));
    CHECK(std::abs(head.bias0.item() + std::log(99.0)) < 1e-6);
    CHECK(head.log_scale.item() == 0);
    head.projection.weight = Parameter(g.tensor("weights/projection.weight").to(dtype));
    head.projection.bias = Parameter(g.tensor("weights/projection.bias").to(dtype));
    head.log_scale = Parameter(g.tensor("log_scale").to(dtype));
    head.bias_lang = Parameter(g.tensor("bias_lang").to(dtype));
    head.bias0 = Parameter(g.tensor("bias0").to(dtype));
    std::vector<Tensor> levels;
    for (int i = 0; i < 3; ++i) levels.push_back(leaf(channels_last(g.tensor(join("level", i))), dtype));
    const Tensor text = leaf(g.tensor("text"), dtype);
    const Tensor logits = head(rows_of_levels(levels), text);
    Tensor loss;
    std::int64_t first = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const std::int64_t count = levels[i].size(1) * levels[i].size(2);
      const Tensor own = narrow(logits, 1, first, first + count);
      first += count;
      check_close(own, g.tensor(join("logits/level", i)), tolerance, floor);
      const Tensor part = sum(own * g.tensor(join("loss_weight/level", i)).to(dtype));
      loss = loss.defined() ? loss + part : part;
    }
    loss.backward();
    for (std::size_t i = 0; i < 3; ++i)
      check_close(levels[i].grad(), channels_last(g.tensor(join("grad/level", i))), tolerance, floor);
    check_close(text.grad(), g.tensor("grad/text"), tolerance, floor);
    check_close(head.projection.weight.grad(), g.tensor("grad/weights/projection.weight"), tolerance, floor);
    check_close(head.log_scale.grad(), g.tensor("grad/log_scale"), tolerance, floor);
    check_close(head.bias_lang.grad(), g.tensor("grad/bias_lang"), tolerance, floor);
    check_close(head.bias0.grad(), g.tensor("grad/bias0"), tolerance, floor);
  }
}
