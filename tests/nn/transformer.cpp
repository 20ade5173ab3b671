// SPDX-License-Identifier: MIT
#include "contrastive/nn/transformer.hpp"

#include "contrastive/nn/init.hpp"
#include "support/catch.hpp"

using namespace contrastive;

TEST_CASE("a block's padded sequences are what they are alone, whatever their padding holds") {
  const std::int64_t L = 9, D = 12;
  const TransformerBlock block(D, 3, 24, Rng(1));
  const Tensor lengths = Tensor::from<std::int64_t>({9, 1, 5}, {3});
  const Tensor x = init::normal({3, L, D}, 1, Rng(2)), other = init::normal({3, L, D}, 5, Rng(3));
  for (std::int64_t n = 0; n < 3; ++n)
    for (std::int64_t i = 0; i < lengths.data<std::int64_t>()[n] * D; ++i)
      other.data<float>()[n * L * D + i] = x.data<float>()[n * L * D + i];
  const NoGrad no_grad;
  const auto near = [](const Tensor& a, const Tensor& b) {
    REQUIRE(a.shape() == b.shape());
    for (std::int64_t i = 0; i < a.count(); ++i) REQUIRE(a.data<float>()[i] == Approx(b.data<float>()[i]).margin(1e-5));
  };
  const Tensor y = block(x, lengths), changed = block(other, lengths), weights = block.attn.weights(x, 2, lengths);
  for (std::int64_t n = 0; n < 3; ++n) {
    const std::int64_t length = lengths.data<std::int64_t>()[n];
    const auto live = [&](const Tensor& t) { return narrow(t.slice(n, n + 1), 1, 0, length); };
    near(live(y), block(live(x)));
    near(live(changed), live(y));
    const Tensor hidden = narrow(weights.slice(n, n + 1), 3, length, L);
    near(hidden, Tensor::zeros(hidden.shape()));
  }
  const TransformerBlock::Keep neither{Tensor::zeros({3}), Tensor::zeros({3})};
  near(block(x, neither, lengths), x);
}
