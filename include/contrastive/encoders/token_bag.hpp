// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "contrastive/encoders/token_rows.hpp"
#include "contrastive/nn/embedding.hpp"

namespace contrastive {

/// A text as a set of words: the mean of the learned vectors of its tokens, ids (N, L) of CLIP's tokenizer, i32 ->
/// (N, width). No positions and no attention, so that the order of the words changes nothing: what a text transformer is to
/// be compared with. What follows the end token is not counted; start and end are, so that an empty text has a row.
class TokenBag {
 public:
  TokenBag() = default;
  /// Starts from N(0, 0.02^2), as the embeddings of CLIP's transformer.
  TokenBag(std::int64_t vocabulary, std::int64_t width, Rng rng)
      : token_embedding(vocabulary, width, rng / "token_embedding", 0.02) {}

  std::int64_t features() const { return token_embedding.weight.size(1); }
  Tensor operator()(const Tensor& ids) const {
    require(ids.rank() == 2 && ids.dtype() == DType::i32 && ids.size(0) >= 1 && ids.size(1) >= 1,
            "[token_bag] expected i32 ids (N, L), got ", ids.shape(), " ", to_string(ids.dtype()));
    std::vector<std::int64_t> lengths = end_positions(ids);
    for (std::int64_t& length : lengths) ++length;
    const std::int64_t L = *std::max_element(lengths.begin(), lengths.end());
    return mean_of_tokens(token_embedding(L == ids.size(1) ? ids : narrow(ids, 1, 0, L)), lengths);
  }

  template <class F>
  void members(F&& f) {
    f("token_embedding", token_embedding);
  }

  Embedding token_embedding;
};

}  // namespace contrastive
