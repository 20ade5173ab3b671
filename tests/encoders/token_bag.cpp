// SPDX-License-Identifier: MIT

// A text as a set of words: by loops, and beside a transformer, for which the order counts.

#include "contrastive/encoders/token_bag.hpp"

#include "contrastive/encoders/text_encoder.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "contrastive/text/bpe_tokenizer.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"

using namespace contrastive;

namespace {

Tensor ids_of(const std::vector<std::string>& texts, std::int64_t L = 12) {
  const BpeTokenizer tokenizer;
  const Tensor rows({static_cast<std::int64_t>(texts.size()), L}, DType::i32);
  for (std::size_t i = 0; i < texts.size(); ++i)
    tokenizer.write(texts[i],
                    rows.span<std::int32_t>().subspan(i * static_cast<std::size_t>(L), static_cast<std::size_t>(L)));
  return rows;
}

}  // namespace

TEST_CASE("a bag of tokens is the mean of their vectors, from the start token to the end token") {
  const TokenBag bag(49408, 8, Rng(1));
  const Tensor ids = ids_of({"a red dog and a blue cat", "dog", ""});
  const Tensor rows = bag(ids);
  REQUIRE(rows.shape() == Shape{3, 8});
  for (std::int64_t n = 0; n < 3; ++n)
    for (std::int64_t d = 0; d < 8; ++d) {
      double sum = 0;
      int count = 0;
      for (std::int64_t l = 0; l < 12; ++l) {
        const std::int64_t id = ids.data<std::int32_t>()[n * 12 + l];
        sum += bag.token_embedding.weight.data<float>()[id * 8 + d];
        ++count;
        if (id == 49407) break;
      }
      CHECK(rows.data<float>()[n * 8 + d] == Approx(sum / count).margin(1e-8));
    }
  CHECK(largest_difference(bag(ids_of({"dog"}, 4)), rows.slice(1, 2)) == 0);  // padding is not counted
  CHECK_THROWS_WITH(bag(Tensor::zeros({2, 3})), Contains("[token_bag] expected i32 ids (N, L)"));
}

TEST_CASE("the order of the words changes nothing for a bag, and does for a transformer") {
  const Tensor one = ids_of({"a red dog and a blue cat"}), other = ids_of({"a blue dog and a red cat"}),
               third = ids_of({"a blue dog and a red bird"});
  const auto change = [&](const TextEncoder& encoder, const Tensor& ids) {
    return largest_difference(encoder(one), encoder(ids));
  };
  const TextEncoder bag(TokenBag(49408, 16, Rng(1)));
  const TextEncoder transformer(TextTransformer({.width = 16, .layers = 1, .heads = 1}, Rng(1)));
  CHECK(change(bag, other) < 1e-8);
  CHECK(change(bag, third) > 1e-4);
  CHECK(change(transformer, other) > 1e-4);
}

TEST_CASE("the gradient of a bag of tokens") {
  const Tensor ids = Tensor::from<std::int32_t>({8, 3, 3, 9, 0, 8, 9, 0, 0, 0}, {2, 5});
  const Tensor upstream = init::normal({2, 3}, 1, Rng(2)).to(DType::f64);
  const GradcheckResult result = gradcheck(
      [&](const std::vector<Tensor>& in) {
        TokenBag bag;
        static_cast<Tensor&>(bag.token_embedding.weight) = in[0];
        return sum(upstream * bag(ids));
      },
      {init::normal({10, 3}, 1, Rng(1)).to(DType::f64)});
  INFO(result.message);
  CHECK(result.ok);
}
