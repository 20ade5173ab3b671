// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "contrastive/encoders/token_rows.hpp"
#include "contrastive/nn/embedding.hpp"
#include "contrastive/nn/transformer.hpp"

namespace contrastive {

/// Sizes of CLIP's text transformer; the defaults are those beside ViT-B.
struct TextTransformerConfig {
  std::int64_t vocabulary = 49408;
  std::int64_t context_length = 77;
  std::int64_t width = 512;
  int layers = 12;
  int heads = 8;  // OpenAI's: width / 64
  Activation activation = Activation::quick_gelu;
};

/// CLIP's text transformer without its projection (Radford et al. 2021, arXiv:2103.00020; OpenAI, clip/model.py,
/// CLIP.encode_text): token ids (N, L) -> (N, width). Embeddings and learned positions, causal blocks, a layer norm, and
/// of each text the row of its largest id, which is the end token; eps 1e-5. Names are OpenAI's.
///
/// What follows the end token changes nothing, because attention is causal, and is not computed: rows are cut behind the
/// last end token of the batch. L may be anything up to the context's length.
class TextTransformer {
 public:
  TextTransformer() = default;
  TextTransformer(const TextTransformerConfig& config, Rng rng) : ln_final(config.width, 1e-5), config_(config) {
    const std::int64_t D = config.width;
    token_embedding = Embedding(config.vocabulary, D, rng / "token_embedding", 0.02);
    positional_embedding = Parameter(init::normal({config.context_length, D}, 0.01, rng / "positional_embedding"));
    const double in = 1 / std::sqrt(static_cast<double>(D)), out = in / std::sqrt(2.0 * config.layers),
                 hidden = 1 / std::sqrt(2.0 * static_cast<double>(D));
    for (int i = 0; i < config.layers; ++i) {
      const Rng stream = rng / "resblocks" / static_cast<std::uint64_t>(i);
      resblocks.emplace_back(
          D, config.heads, 4 * D, stream,
          BlockOptions{
              .activation = config.activation, .eps = 1e-5, .causal = true, .names = BlockOptions::Names::clip});
      TransformerBlock& block = resblocks.back();
      const auto normal = [](Linear& linear, double deviation, Rng draws) {
        linear.weight.copy_from(init::normal(linear.weight.shape(), deviation, draws));
      };
      normal(block.attn.qkv, in, stream / "in_proj");
      normal(block.attn.proj, out, stream / "out_proj");
      normal(block.mlp.fc1, hidden, stream / "c_fc");
      normal(block.mlp.fc2, out, stream / "c_proj");
      block.attn.qkv.bias.copy_from(Tensor::zeros({3 * D}));
      block.attn.proj.bias.copy_from(Tensor::zeros({D}));
    }
  }

  std::int64_t features() const { return config_.width; }
  const TextTransformerConfig& config() const { return config_; }

  Tensor operator()(const Tensor& ids) const {
    const std::vector<std::int64_t> ends = end_positions(ids);
    const Tensor x = through_blocks(ids, ends, [](std::size_t, const Tensor&) {});
    return ln_final(end_rows(x, ends));
  }
  /// Each token's row after all blocks and `ln_final`, (N, L, width): token features, for those up to the end token.
  Tensor tokens(const Tensor& ids) const {
    return ln_final(
        through_blocks(ids, std::vector<std::int64_t>(1, ids.size(1) - 1), [](std::size_t, const Tensor&) {}));
  }
  /// All blocks, of the positions up to the last of `ends`. `each(i, x)` sees the rows after block i.
  template <class Each>
  Tensor through_blocks(const Tensor& ids, const std::vector<std::int64_t>& ends, Each&& each) const {
    const std::int64_t L = 1 + *std::max_element(ends.begin(), ends.end());
    const Tensor table = token_embedding(L == ids.size(1) ? ids : narrow(ids, 1, 0, L));
    Tensor x = table + cast(narrow(positional_embedding, 0, 0, L), table.dtype());
    for (std::size_t i = 0; i < resblocks.size(); ++i) {
      x = resblocks[i](x);
      each(i, x);
    }
    return x;
  }
  /// Where each text ends: the first place of its largest id.
  std::vector<std::int64_t> end_positions(const Tensor& ids) const {
    require(ids.rank() == 2 && ids.dtype() == DType::i32 && ids.size(1) >= 1 && ids.size(1) <= config_.context_length,
            "[text_transformer] expected i32 ids (N, up to ", config_.context_length, "), got ", ids.shape(), " ",
            to_string(ids.dtype()));
    return contrastive::end_positions(ids);
  }
  /// Row ends[n] of each text: (N, L, width) -> (N, width).
  static Tensor end_rows(const Tensor& x, const std::vector<std::int64_t>& ends) {
    const auto N = static_cast<std::int64_t>(ends.size());
    const Tensor rows({N}, DType::i64);
    for (std::int64_t n = 0; n < N; ++n)
      rows.data<std::int64_t>()[n] = n * x.size(1) + ends[static_cast<std::size_t>(n)];
    return gather(x.reshape({N * x.size(1), x.size(2)}), rows.to(x.device()));
  }

  template <class F>
  void members(F&& f) {
    f("token_embedding", token_embedding);
    f("positional_embedding", positional_embedding);
    f("transformer.resblocks", resblocks);
    f("ln_final", ln_final);
  }

  Embedding token_embedding;
  Parameter positional_embedding;  // (context length, width)
  std::vector<TransformerBlock> resblocks;
  LayerNorm ln_final;

 private:
  TextTransformerConfig config_;
};

}  // namespace contrastive
