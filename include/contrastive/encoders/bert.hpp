// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "contrastive/encoders/token_rows.hpp"
#include "contrastive/nn/embedding.hpp"
#include "contrastive/nn/transformer.hpp"
#include "contrastive/ops/index.hpp"

namespace contrastive {

/// Sizes of BERT; the defaults are those of all-MiniLM-L6-v2.
struct BertConfig {
  std::int64_t vocabulary = 30522;
  std::int64_t positions = 512;  // of the longest text, in tokens
  std::int64_t types = 2;        // of tokens; all tokens here are of type 0
  std::int64_t width = 384;
  int layers = 6;
  int heads = 12;
  std::int64_t hidden = 1536;  // of the feed-forward part
  Activation activation = Activation::gelu;
  double eps = 1e-12;
};

/// BERT (Devlin et al. 2019, arXiv:1810.04805; transformers, modeling_bert.py, BertModel) as an encoder of sentences:
/// token ids (N, L), i32, each text padded with [PAD] = 0 at its end -> (N, width), the mean over its tokens (Reimers
/// and Gurevych 2019, arXiv:1908.10084). Embeddings of words, positions and types, a layer norm, post-norm blocks that
/// do not see padding; no pooler and no dropout. L may be anything up to `positions`; what all texts of a batch pad is
/// not computed.
class Bert {
 public:
  Bert() = default;
  /// Weights start from N(0, 0.02^2), biases from 0.
  Bert(const BertConfig& config, Rng rng) : norm(config.width, config.eps), config_(config) {
    const std::int64_t D = config.width;
    word_embeddings = Embedding(config.vocabulary, D, rng / "word_embeddings", 0.02);
    position_embeddings = Embedding(config.positions, D, rng / "position_embeddings", 0.02);
    type_embeddings = Embedding(config.types, D, rng / "type_embeddings", 0.02);
    for (int i = 0; i < config.layers; ++i) {
      const Rng stream = rng / "layer" / static_cast<std::uint64_t>(i);
      layers.emplace_back(D, config.heads, config.hidden, stream,
                          BlockOptions{.activation = config.activation, .eps = config.eps, .post_norm = true});
      TransformerBlock& block = layers.back();
      const auto start = [](Linear& linear, Rng draws) {
        linear.weight.copy_from(init::normal(linear.weight.shape(), 0.02, draws));
        linear.bias.copy_from(Tensor::zeros(linear.bias.shape()));
      };
      start(block.attn.qkv, stream / "qkv");
      start(block.attn.proj, stream / "proj");
      start(block.mlp.fc1, stream / "fc1");
      start(block.mlp.fc2, stream / "fc2");
    }
  }

  std::int64_t features() const { return config_.width; }
  const BertConfig& config() const { return config_; }

  Tensor operator()(const Tensor& ids) const {
    const Tensor sizes = lengths(ids);
    const std::int64_t L = *std::max_element(sizes.data<std::int64_t>(), sizes.data<std::int64_t>() + sizes.count());
    return mean_of_tokens(through_blocks(L == ids.size(1) ? ids : narrow(ids, 1, 0, L), sizes),
                          sizes.span<std::int64_t>());
  }
  /// Each token's row after all blocks, (N, L, width). Those of padding mean nothing.
  Tensor tokens(const Tensor& ids) const { return through_blocks(ids, lengths(ids)); }

  /// How many tokens each text has, i64 (N) on the host: what stands before the zeros at its end.
  Tensor lengths(const Tensor& ids) const {
    require(ids.rank() == 2 && ids.dtype() == DType::i32 && ids.size(0) >= 1 && ids.size(1) >= 1 &&
                ids.size(1) <= config_.positions,
            "[bert] expected i32 ids (N, 1 to ", config_.positions, "), got ", ids.shape(), " ",
            to_string(ids.dtype()));
    const Tensor host = ids.to(Device::cpu), counts({ids.size(0)}, DType::i64);
    for (std::int64_t n = 0; n < ids.size(0); ++n) {
      const std::int32_t* const row = host.data<std::int32_t>() + n * ids.size(1);
      std::int64_t length = ids.size(1);
      while (length > 0 && row[length - 1] == 0) --length;
      require(length > 0, "[bert] text ", n, " has no token but padding");
      counts.data<std::int64_t>()[n] = length;
    }
    return counts;
  }

  template <class F>
  void members(F&& f) {
    f("embeddings.word_embeddings", word_embeddings);
    f("embeddings.position_embeddings", position_embeddings);
    f("embeddings.token_type_embeddings", type_embeddings);
    f("embeddings.LayerNorm", norm);
    f("encoder.layer", layers);
  }

  Embedding word_embeddings, position_embeddings, type_embeddings;
  LayerNorm norm;
  std::vector<TransformerBlock> layers;

 private:
  Tensor through_blocks(const Tensor& ids, const Tensor& sizes) const {
    const Tensor words = word_embeddings(ids);  // (N, L, width)
    const Tensor place =
        narrow(position_embeddings.weight, 0, 0, ids.size(1)) + narrow(type_embeddings.weight, 0, 0, 1);
    Tensor x = norm(words + cast(place, words.dtype()));
    const Tensor seen = sizes.to(x.device());
    for (const TransformerBlock& block : layers) x = block(x, seen);
    return x;
  }

  BertConfig config_;
};

}  // namespace contrastive
