// SPDX-License-Identifier: MIT
#include "contrastive/encoders/bert.hpp"

#include <cstdlib>

#include "contrastive/io/json.hpp"
#include "contrastive/ops/ops.hpp"
#include "contrastive/text/wordpiece_tokenizer.hpp"
#include "support/golden_tower.hpp"

using namespace contrastive;

namespace {

BertConfig tiny() { return {.vocabulary = 61, .positions = 20, .width = 24, .layers = 2, .heads = 3, .hidden = 40}; }

}  // namespace

TEST_CASE("BERT equals transformers': hidden states, mean, unit rows and every gradient") {
  const Golden g = load_golden("models/bert_tiny.safetensors");
  const Tensor ids = g.tensor("ids").to(DType::i32);
  for (const DType dtype : {DType::f64, DType::f32}) {
    const double close = dtype == DType::f64 ? 1e-10 : 1e-5;
    INFO(to_string(dtype));
    Bert bert = golden_tower(Bert(tiny(), Rng(0)), g, WeightLayout::hf_bert, dtype);
    const Tensor lengths = sum(g.tensor("mask").to(DType::f64), 1);
    CHECK(largest_difference(bert.lengths(ids), lengths) == 0);
    {
      const NoGrad no_grad;
      const Tensor mask = g.tensor("mask").to(dtype).reshape({3, 9, 1});
      check_close(bert.tokens(ids) * mask, g.tensor("hidden"), close, 0);
    }
    const Tensor mean = bert(ids), unit = normalize(mean);
    check_close(mean, g.tensor("mean_pooled"), close, 0);
    check_close(unit, g.tensor("unit"), close, 0);
    sum(unit * g.tensor("upstream").to(dtype)).backward();
    check_gradients(bert, g, WeightLayout::hf_bert, close);
  }
}

TEST_CASE("what a batch pads changes no sentence, and padding gets no gradient") {
  Bert bert(tiny(), Rng(1));
  const Tensor one = Tensor::from<std::int32_t>({5, 9, 60, 7}, {1, 4});
  const Tensor two = Tensor::from<std::int32_t>({5, 9, 60, 7, 0, 0, 0, 8, 0, 3, 1, 2, 6, 0}, {2, 7});
  const Tensor alone = bert(one);
  CHECK(largest_difference(bert(two).slice(0, 1), alone) < 1e-6);
  CHECK(bert.lengths(two).data<std::int64_t>()[1] == 6);  // a 0 within a text is a token
  sum(bert(two)).backward();
  CHECK(largest(bert.position_embeddings.weight.grad().slice(6, 20)) == 0);
  CHECK(largest(bert.position_embeddings.weight.grad().slice(5, 6)) > 0);
}

TEST_CASE("BERT computes in bf16") {
  const Golden g = load_golden("models/bert_tiny.safetensors");
  const Bert bert = golden_tower(Bert(tiny(), Rng(0)), g, WeightLayout::hf_bert, DType::f32);
  const NoGrad no_grad;
  const EmbedIn in_bf16(DType::bf16);
  const Tensor unit = bert(g.tensor("ids").to(DType::i32));
  CHECK(unit.dtype() == DType::bf16);
  CHECK(largest_error(normalize(unit.to(DType::f32)).to(DType::f64).span<double>(), g.tensor("unit").span<double>()) <
        0.05);
}

TEST_CASE("ids that BERT cannot read") {
  const Bert bert(tiny(), Rng(0));
  CHECK_THROWS_WITH(bert(Tensor::from<std::int32_t>({1, 2, 0, 0}, {2, 2})), "[bert] text 1 has no token but padding");
  CHECK_THROWS_WITH(bert(Tensor::zeros({1, 21}, DType::i32)), "[bert] expected i32 ids (N, 1 to 20), got (1, 21) i32");
  CHECK_THROWS_WITH(bert(Tensor::zeros({1, 4}, DType::i64)), "[bert] expected i32 ids (N, 1 to 20), got (1, 4) i64");
  CHECK_THROWS_AS(bert(Tensor::from<std::int32_t>({61}, {1, 1})), Error);
}

TEST_CASE("where BERT starts") {
  Bert bert(tiny(), Rng(3));
  const auto deviation = [](const Tensor& x) { return std::sqrt(mean(square(x.to(DType::f64))).item()); };
  CHECK(deviation(bert.word_embeddings.weight.detach()) == Approx(0.02).epsilon(0.1));
  CHECK(deviation(bert.layers[1].mlp.fc1.weight.detach()) == Approx(0.02).epsilon(0.1));
  CHECK(largest(bert.layers[0].attn.qkv.bias) == 0);
  CHECK(largest_difference(bert.layers[0].mlp.fc1.weight.reshape({-1}), bert.layers[0].mlp.fc2.weight.reshape({-1})) >
        0.01);
}
