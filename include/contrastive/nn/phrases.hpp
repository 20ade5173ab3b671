// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/tensor/tensor.hpp"

/// The prompt of a grounding model: phrases, each with tokens of its own, told apart by their places.
namespace contrastive {

/// The place of a phrase's tokens in a prompt.
struct TokenSpan {
  std::int64_t first = 0, count = 0;
};

/// Phrases as rows of tokens (P, L), i32: the tokenizer's ids, each one more, and 0 behind the last. Each phrase is read by
/// itself, so that its tokens are its own whatever stands beside it. Throws `Error` for no phrase, an empty one, and one of
/// more than L tokens.
template <class Tokenizer>
Tensor phrase_tokens(const Tokenizer& tokenizer, const std::vector<std::string>& phrases, std::int64_t L) {
  require(!phrases.empty(), "[glip] the prompt is empty: expected one phrase or more");
  const Tensor tokens = Tensor::zeros({std::ssize(phrases), L}, DType::i32);
  for (std::size_t p = 0; p < phrases.size(); ++p) {
    const std::vector<std::int32_t> ids = tokenizer.encode(phrases[p]);
    require(!ids.empty(), "[glip] phrase ", p, " of the prompt is empty: \"", phrases[p], "\"");
    require(std::ssize(ids) <= L, "[glip] the phrase \"", phrases[p], "\" has ", ids.size(),
            " tokens, expected at most ", L, " (--context-length)");
    std::int32_t* const row = tokens.data<std::int32_t>() + static_cast<std::int64_t>(p) * L;
    for (std::size_t i = 0; i < ids.size(); ++i) row[i] = ids[i] + 1;
  }
  return tokens;
}

/// The places of the tokens of each phrase among the P L of a prompt (P, L), by position alone. A place without a phrase
/// has none.
inline std::vector<TokenSpan> phrase_spans(const Tensor& prompt) {
  const std::int64_t P = prompt.size(0), L = prompt.size(1);
  std::vector<TokenSpan> spans;
  for (std::int64_t p = 0; p < P; ++p) {
    const std::int32_t* const row = prompt.data<std::int32_t>() + p * L;
    spans.push_back({p * L, std::find(row, row + L, 0) - row});
  }
  return spans;
}

/// The phrases of several prompts (N, P, L), each once.
struct DistinctPhrases {
  Tensor tokens;   // (U, L) i32
  Tensor lengths;  // (U) i64
  Tensor row;      // (N, P) i64: which of them; where there is no phrase, any
  Tensor mask;     // (N, P L) f32: 1 for tokens
};
inline DistinctPhrases distinct_phrases(const Tensor& prompts) {
  require(prompts.rank() == 3 && prompts.dtype() == DType::i32 && prompts.count() > 0,
          "[glip] expected prompts (N, P, L) of i32 tokens, got ", prompts.shape(), " ", to_string(prompts.dtype()));
  const Tensor host = prompts.to(Device::cpu);
  const std::int64_t N = host.size(0), P = host.size(1), L = host.size(2);
  DistinctPhrases found{{}, {}, Tensor::zeros({N, P}, DType::i64), Tensor::zeros({N, P * L})};
  std::map<std::vector<std::int32_t>, std::int64_t> known;
  std::vector<std::int32_t> tokens;
  std::vector<std::int64_t> lengths;
  for (std::int64_t i = 0; i < N * P; ++i) {
    const std::int32_t* const first = host.data<std::int32_t>() + i * L;
    const std::int64_t length = std::find(first, first + L, 0) - first;
    if (length == 0) continue;
    std::fill_n(found.mask.data<float>() + i * L, length, 1.0F);
    const auto [at, added] = known.emplace(std::vector(first, first + L), std::ssize(lengths));
    found.row.data<std::int64_t>()[i] = at->second;
    if (!added) continue;
    tokens.insert(tokens.end(), first, first + L);
    lengths.push_back(length);
  }
  if (lengths.empty()) tokens.assign(static_cast<std::size_t>(L), 0), tokens[0] = 1, lengths.push_back(1);
  const auto U = std::ssize(lengths);
  found.tokens = Tensor::from<std::int32_t>(tokens, {U, L});
  found.lengths = Tensor::from<std::int64_t>(lengths, {U});
  return found;
}

}  // namespace contrastive
