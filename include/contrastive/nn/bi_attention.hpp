// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/nn/layer_norm.hpp"
#include "contrastive/nn/linear.hpp"
#include "contrastive/ops/cross_attention.hpp"

namespace contrastive {

/// Rows of an image and rows of a text.
struct ImageAndText {
  Tensor image, text;  // (N, A, Dv), (N, L, Dt)
};

/// min(max(x, -bound), bound); no gradient passes outside.
inline Tensor clamp(const Tensor& x, double bound) { return clamp_max(clamp_min(x, -bound), bound); }

/// Attention in both directions by one matrix of scores (Li et al. 2022, arXiv:2112.03857, section 3.2; microsoft/GLIP,
/// utils/fuse_helper.py, BiMultiHeadAttention): the image's rows take a softmax over the tokens, the tokens one over the
/// image's rows. `mask` (N, L), 1 for tokens and 0 for padding, hides padding from the image; padding still reads the image.
struct BiAttention {
  Linear v_proj, l_proj, values_v_proj, values_l_proj, out_v_proj, out_l_proj;
  int heads = 1;

  BiAttention() = default;
  BiAttention(std::int64_t image, std::int64_t text, std::int64_t inner, int head_count, Rng rng) : heads(head_count) {
    require(head_count >= 1 && inner % head_count == 0, "[bi_attention] ", head_count,
            " heads do not divide a width of ", inner);
    const auto linear = [&](std::int64_t in, std::int64_t out, const char* name) {
      Linear made(in, out, rng / name);
      made.weight.copy_from(init::xavier_uniform({out, in}, rng / name));
      made.bias.copy_from(Tensor::zeros({out}));
      return made;
    };
    v_proj = linear(image, inner, "v_proj"), l_proj = linear(text, inner, "l_proj");
    values_v_proj = linear(image, inner, "values_v_proj"), values_l_proj = linear(text, inner, "values_l_proj");
    out_v_proj = linear(inner, image, "out_v_proj"), out_l_proj = linear(inner, text, "out_l_proj");
  }

  ImageAndText operator()(const Tensor& image, const Tensor& text, const Tensor& mask = {}) const {
    require(image.rank() == 3 && text.rank() == 3 && image.size(0) == text.size(0),
            "[bi_attention] expected rows (N, A, D) and tokens (N, L, D) of as many texts, got ", image.shape(),
            " and ", text.shape());
    constexpr double bound = 50000;
    const std::int64_t N = image.size(0), A = image.size(1), L = text.size(1), D = v_proj.weight.size(0);
    const double scale = 1 / std::sqrt(static_cast<double>(D / heads));
    const auto by_head = [&](const Tensor& x) { return detail::split_heads(x, heads); };
    const Tensor scores = clamp(matmul(by_head(v_proj(image)), by_head(l_proj(text)), false, true, scale), bound);
    Tensor seen = scores;  // (N heads, A, L)
    if (mask.defined()) {
      require(mask.shape() == Shape{N, L}, "[bi_attention] expected a mask ", Shape{N, L}, ", got ", mask.shape());
      const Tensor hides = (mask.to(scores.dtype()) - 1) * 9e15;
      seen = (scores.reshape({N, heads, A, L}) + hides.reshape({N, 1, 1, L})).reshape({N * heads, A, L});
    }
    const Tensor of_image = matmul(softmax(seen), by_head(values_l_proj(text)));
    const Tensor of_text = matmul(softmax(permute(scores, {0, 2, 1})), by_head(values_v_proj(image)));
    return {out_v_proj(detail::join_heads(of_image, heads)), out_l_proj(detail::join_heads(of_text, heads))};
  }

  template <class F>
  void members(F&& f) {
    f("v_proj", v_proj);
    f("l_proj", l_proj);
    f("values_v_proj", values_v_proj);
    f("values_l_proj", values_l_proj);
    f("out_v_proj", out_v_proj);
    f("out_l_proj", out_l_proj);
  }
};

/// GLIP's fusion (utils/fuse_helper.py, BiAttentionBlock): both sides through a layer norm, plus what each takes from the
/// other, by a learned factor a channel. What goes on is the normed input, not the input.
struct BiAttentionBlock {
  LayerNorm layer_norm_v, layer_norm_l;
  BiAttention attn;
  Parameter gamma_v, gamma_l;

  BiAttentionBlock() = default;
  /// `gamma`: where the factors start, one over the number of fusions.
  BiAttentionBlock(std::int64_t image, std::int64_t text, std::int64_t inner, int heads, double gamma, Rng rng)
      : layer_norm_v(image, 1e-5),
        layer_norm_l(text, 1e-5),
        attn(image, text, inner, heads, rng),
        gamma_v(Tensor::full({image}, gamma)),
        gamma_l(Tensor::full({text}, gamma)) {}

  ImageAndText operator()(const Tensor& image, const Tensor& text, const Tensor& mask = {}) const {
    const Tensor v = layer_norm_v(image), l = layer_norm_l(text);
    const ImageAndText taken = attn(v, l, mask);
    return {v + cast(gamma_v, v.dtype()) * taken.image, l + cast(gamma_l, l.dtype()) * taken.text};
  }

  template <class F>
  void members(F&& f) {
    f("layer_norm_v", layer_norm_v);
    f("layer_norm_l", layer_norm_l);
    f("attn", attn);
    f("gamma_v", gamma_v);
    f("gamma_l", gamma_l);
  }
};

/// Maps (N, H, W, C) of several sizes as one sequence (N, A, C): each row by row, in the order of the list.
inline Tensor rows_of_levels(const std::vector<Tensor>& levels) {
  std::vector<Tensor> rows;
  for (const Tensor& level : levels)
    rows.push_back(level.reshape({level.size(0), level.size(1) * level.size(2), level.size(3)}));
  return concat(rows, 1);
}
/// The sequence as maps again, of the sizes that `like` has.
inline std::vector<Tensor> levels_of_rows(const Tensor& rows, const std::vector<Tensor>& like) {
  std::vector<Tensor> levels;
  std::int64_t first = 0;
  for (const Tensor& level : like) {
    const std::int64_t count = level.size(1) * level.size(2);
    levels.push_back(
        narrow(rows, 1, first, first + count).reshape({level.size(0), level.size(1), level.size(2), rows.size(2)}));
    first += count;
  }
  return levels;
}

}  // namespace contrastive
