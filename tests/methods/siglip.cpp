// SPDX-License-Identifier: MIT

// SigLIP's objective: what it starts from, equal captions, and what it says of a run that learns nothing.

#include "contrastive/methods/siglip.hpp"

#include "support/catch.hpp"
#include "support/formula_weights.hpp"

using namespace contrastive;

namespace {

Embeddings four_pairs() {
  Embeddings z;
  for (const int view : {0, 1}) z.online.push_back(normalize(formula::fill({4, 8}, view ? "text" : "image", 0, 2)));
  z.view = {Tensor(), Tensor::from<std::int32_t>(std::vector<std::int32_t>{1, 2, 3, 4, 1, 2, 5, 6}, {4, 2})};
  return z;
}

}  // namespace

TEST_CASE("other pairs of one caption are not judged") {
  const Embeddings z = four_pairs();
  const auto oracle = [&](bool masked) {
    double loss = 0;
    for (std::int64_t i = 0; i < 4; ++i)
      for (std::int64_t j = 0; j < 4; ++j) {
        if (masked && i != j && i % 2 == 0 && j % 2 == 0) continue;
        double cosine = 0;
        for (std::int64_t d = 0; d < 8; ++d)
          cosine += static_cast<double>(z.online[0].data<float>()[i * 8 + d]) * z.online[1].data<float>()[j * 8 + d];
        const double logit = (i == j ? 1 : -1) * (10 * cosine - 2);
        loss += std::log1p(std::exp(-logit)) / 4;
      }
    return loss;
  };
  CHECK(PairwiseSigmoid(-2)(z).item() == Approx(oracle(true)).epsilon(1e-5));
  CHECK(PairwiseSigmoid(-2, true)(z).item() == Approx(oracle(false)).epsilon(1e-5));
}

TEST_CASE("the bias starts at what chance says of the batch, or where it is told") {
  CHECK(SiglipConfig{}.initial_bias(129) == Approx(-std::log(128.0)));
  CHECK(SiglipConfig{.bias = -10}.initial_bias(129) == -10);
  CHECK(std::exp(PairwiseSigmoid().scale.log_scale.item()) == Approx(10));
}

TEST_CASE("a loss that a constant answer reaches is said, a lower one is not") {
  // Rows that know nothing: all cosines 0, the bias of chance.
  Embeddings z = four_pairs();
  z.view[1] = Tensor::from<std::int32_t>(std::vector<std::int32_t>{1, 2, 3, 4}, {4, 1});
  for (Tensor& x : z.online) x = Tensor::zeros({4, 8});
  for (std::int64_t n = 0; n < 4; ++n) z.online[0].data<float>()[n * 8] = 1, z.online[1].data<float>()[n * 8 + 1] = 1;
  const PairwiseSigmoid objective(SiglipConfig{}.initial_bias(4));
  const double loss = objective(z).item();
  CHECK_THAT(objective.complaint(loss, 4), Contains("a constant answer reaches too"));
  CHECK(objective.complaint(0.9 * loss, 4).empty());
}
