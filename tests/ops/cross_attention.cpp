// SPDX-License-Identifier: MIT
#include "contrastive/ops/cross_attention.hpp"

#include "contrastive/nn/init.hpp"
#include "contrastive/ops/attention.hpp"
#include "contrastive/ops/ops.hpp"
#include "contrastive/tensor/gradcheck.hpp"
#include "support/catch.hpp"
#include "support/differences.hpp"

using namespace contrastive;

TEST_CASE("attention of queries to other keys is self-attention where they are the same") {
  const Tensor qkv = init::normal({2, 7, 3 * 12}, 1, Rng(1)).to(DType::f64);
  const Tensor q = narrow(qkv, 2, 0, 12), k = narrow(qkv, 2, 12, 24), v = narrow(qkv, 2, 24, 36);
  CHECK(largest_difference(cross_attention(q, k, v, 3), attention(qkv, 3)) < 1e-12);
  const Tensor two = narrow(q, 1, 0, 2);
  CHECK(largest_difference(cross_attention(two, k, v, 3), narrow(attention(qkv, 3), 1, 0, 2)) < 1e-12);
  CHECK(largest_difference(cross_attention_weights(two, k, 3), attention_weights(qkv, 3, 2)) < 1e-12);
}

TEST_CASE("the gradient of attention to other keys") {
  const auto drawn = [](std::int64_t L, std::uint64_t seed) {
    return init::normal({2, L, 6}, 1, Rng(seed)).to(DType::f64);
  };
  const auto checked = gradcheck([](const std::vector<Tensor>& x) { return cross_attention(x[0], x[1], x[2], 2); },
                                 {drawn(1, 1), drawn(5, 2), drawn(5, 3)});
  INFO(checked.message);
  CHECK(checked.ok);
}

TEST_CASE("attention to keys that do not fit") {
  const Tensor q = Tensor::zeros({2, 1, 6}), k = Tensor::zeros({2, 5, 6});
  CHECK_THROWS_WITH(cross_attention(q, k, Tensor::zeros({2, 4, 6}), 2),
                    "[cross_attention] keys (2, 5, 6) and values (2, 4, 6) differ");
  CHECK_THROWS_WITH(cross_attention(q, k, k, 4),
                    "[cross_attention] expected queries (N, M, D) and keys (N, L, D) with D a multiple of 4 heads, got "
                    "(2, 1, 6) and (2, 5, 6)");
}
