// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>

#include "contrastive/nn/bi_attention.hpp"
#include "contrastive/nn/linear.hpp"

namespace contrastive {

/// Scores of each place of an image for each token (microsoft/GLIP, modeling/rpn/vldyhead.py, VLDyHead.forward, the
/// dot-product head): r . P(t / 2) / e^log_scale + t . bias_lang + bias0 with t the token's unit row, within +-50000.
struct WordRegion {
  Linear projection;    // of tokens to the width of places
  Parameter log_scale;  // (1)
  Parameter bias_lang;  // (text width)
  Parameter bias0;      // (1)

  WordRegion() = default;
  /// `prior`: the probability that every place starts with for every token.
  WordRegion(std::int64_t image, std::int64_t text, Rng rng, double prior = 0.01)
      : projection(text, image, rng / "projection"),
        log_scale(Tensor::zeros({1})),
        bias_lang(Tensor::zeros({text})),
        bias0(Tensor::full({1}, -std::log((1 - prior) / prior))) {}

  /// (N, A, C) and (N, L, D) -> (N, A, L)
  Tensor operator()(const Tensor& regions, const Tensor& tokens) const {
    require(regions.rank() == 3 && tokens.rank() == 3 && regions.size(0) == tokens.size(0),
            "[word_region] expected places (N, A, C) and tokens (N, L, D) of as many texts, got ", regions.shape(),
            " and ", tokens.shape());
    const std::int64_t N = tokens.size(0), L = tokens.size(1), D = tokens.size(2);
    const Tensor unit = normalize(tokens.reshape({N * L, D}));
    const Tensor words = projection(unit * 0.5).reshape({N, L, projection.weight.size(0)});
    const auto as_data = [&](const Tensor& x) { return cast(x, regions.dtype()); };
    const Tensor bias = matmul(unit, as_data(bias_lang).reshape({D, 1})).reshape({N, 1, L}) + as_data(bias0);
    return clamp(matmul(regions, words, false, true) * as_data(exp(-log_scale)) + bias, 50000);
  }

  template <class F>
  void members(F&& f) {
    f("projection", projection);
    f("log_scale", log_scale);
    f("bias_lang", bias_lang);
    f("bias0", bias0);
  }
};

}  // namespace contrastive
