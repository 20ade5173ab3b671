// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "contrastive/nn/transformer.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/matmul.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/ops/resize.hpp"
#include "contrastive/ops/softmax.hpp"

/// A word for each pixel from a CLIP that never learned it: rows of patches instead of the class token's row. Only the
/// values of the last block are kept (MaskCLIP, Zhou et al. 2022, arXiv:2112.01071), or their means over patches that
/// another network finds alike (ProxyCLIP, Lan et al. 2024, arXiv:2408.04883; mc-lan/ProxyCLIP, open_clip/transformer.py,
/// custom_attn). Nothing here is trained. `Net` is a vision transformer with a class token, `ViT` or `ClipVision`.
namespace contrastive {

/// How patches that look alike share their values; the official numbers.
struct ProxyConfig {
  double beta = 1.2;  // of the mean similarity: what lies below takes no part
  double gamma = 3;   // of the similarities, before the softmax
};

/// The weights with which each patch takes the values of the others, (N, P, P), rows summing to 1: the softmax of
/// gamma (cosine - beta mean) over the patches where that is not negative; the mean is over all pairs of an image. A patch
/// that no patch is similar enough to, not even itself, keeps its own value (the official code gives NaN there). features:
/// (N, P, D) of the proxy. No gradient.
inline Tensor patch_affinities(const Tensor& features, const ProxyConfig& config = {}) {
  require(features.rank() == 3 && features.count() > 0, "[patch_affinities] expected features (N, P, D), got ",
          features.shape());
  const NoGrad no_grad;
  const std::int64_t N = features.size(0), P = features.size(1), D = features.size(2);
  const DType exact = features.dtype() == DType::bf16 ? DType::f32 : features.dtype();
  const Tensor unit = normalize(features.to(exact).reshape({N * P, D})).reshape({N, P, D});
  const Tensor scores = matmul(unit, unit, false, true).to(Device::cpu).to(DType::f64);
  for (std::int64_t n = 0; n < N; ++n) {
    double* const of_image = scores.data<double>() + n * P * P;
    double mean = 0;
    for (std::int64_t i = 0; i < P * P; ++i) mean += of_image[i] / static_cast<double>(P * P);
    for (std::int64_t i = 0; i < P; ++i) {
      double* const row = of_image + i * P;
      bool any = false;
      for (std::int64_t j = 0; j < P; ++j) {
        const double score = config.gamma * (row[j] - config.beta * mean);
        row[j] = score < 0 ? -std::numeric_limits<double>::infinity() : score;
        any = any || score >= 0;
      }
      if (!any) row[i] = 0;
    }
  }
  return softmax(scores).to(features.dtype()).to(features.device());
}

namespace detail {
template <class Net>
const auto& blocks_of(const Net& net) {
  if constexpr (requires { net.resblocks; })
    return net.resblocks;
  else
    return net.blocks;
}
template <class Net>
Tensor last_norm(const Net& net, const Tensor& x) {
  if constexpr (requires { net.ln_post; })
    return net.ln_post(x);
  else
    return net.norm(x);
}
/// The rows before the last block and after it, (N, 1 + P, D).
template <class Net>
std::pair<Tensor, Tensor> around_last_block(const Net& net, const Tensor& images) {
  const std::size_t depth = blocks_of(net).size();
  require(depth >= 2, "[dense_clip] expected a transformer of two blocks or more, got ", depth);
  Tensor before, after;
  const auto each = [&](std::size_t i, const Tensor& x) {
    if (i + 2 == depth) before = x;
  };
  if constexpr (requires { net.resblocks; })
    after = net.through_blocks(images, each);
  else
    after = net.through_blocks(net.with_class(net.patches(images)), each);
  return {before, after};
}
inline Tensor without_class(const Tensor& x) { return narrow(x, 1, 1, x.size(1)); }
}  // namespace detail

/// The rows of the patches behind all blocks, as the class token's are, (N, P, width): plain CLIP.
template <class Net>
Tensor patch_rows(const Net& net, const Tensor& images) {
  const NoGrad no_grad;
  const Eval eval;
  return detail::last_norm(net, detail::without_class(detail::around_last_block(net, images).second));
}

/// The values of the last block's attention, heads side by side, (N, P, width).
template <class Net>
Tensor patch_values(const Net& net, const Tensor& images) {
  const NoGrad no_grad;
  const Eval eval;
  const TransformerBlock& last = detail::blocks_of(net).back();
  require(!last.options.post_norm, "[dense_clip] expected pre-norm blocks");
  const Tensor qkv = last.attn.qkv(last.norm1(detail::around_last_block(net, images).first));
  return detail::without_class(narrow(qkv, 2, qkv.size(2) / 3 * 2, qkv.size(2)));
}

/// What becomes of values, (N, P, width): the rest of the attention and the last norm, without the block's residuals and
/// feed-forward.
template <class Net>
Tensor rows_of_values(const Net& net, const Tensor& values) {
  const NoGrad no_grad;
  return detail::last_norm(net, detail::blocks_of(net).back().attn.proj(values));
}

/// Values of patches in h rows to the proxy's grid, bilinearly, and averaged there: (N, P, width) and (N, Q, Q) to
/// (N, Q, width), Q in `to` rows.
inline Tensor shared_values(const Tensor& values, std::int64_t h, const Tensor& affinities, std::int64_t to) {
  require(values.rank() == 3 && h > 0 && values.size(1) % h == 0 && affinities.rank() == 3 && to > 0 &&
              affinities.size(0) == values.size(0) && affinities.size(1) == affinities.size(2) &&
              affinities.size(1) % to == 0,
          "[dense_clip] expected values (N, ", h, " * w, D) and affinities (N, Q, Q) with Q in ", to, " rows, got ",
          values.shape(), " and ", affinities.shape());
  const NoGrad no_grad;
  const std::int64_t N = values.size(0), D = values.size(2), Q = affinities.size(1);
  const Tensor there = resize_bilinear(values.reshape({N, h, values.size(1) / h, D}), to, Q / to, ResizeCorners::free);
  return matmul(affinities, there.reshape({N, Q, D}));
}

/// The nearest word of each pixel, i64 (N, H, W): rows (N, P, D) of patches in h rows and words (V, D), unit rows of one
/// space. Cosines are resized bilinearly, an image at a time.
inline Tensor nearest_words(const Tensor& rows, const Tensor& words, std::int64_t h, std::int64_t H, std::int64_t W) {
  require(rows.rank() == 3 && words.rank() == 2 && words.size(1) == rows.size(2) && h > 0 && rows.size(1) % h == 0,
          "[dense_clip] expected rows (N, ", h, " * w, D) and words (V, D), got ", rows.shape(), " and ",
          words.shape());
  const NoGrad no_grad;
  const Tensor found({rows.size(0), H, W}, DType::i64);
  for (std::int64_t n = 0; n < rows.size(0); ++n) {
    const Tensor one = rows.slice(n, n + 1).reshape({rows.size(1), rows.size(2)});
    const Tensor cosines = matmul(one, words, false, true).reshape({1, h, rows.size(1) / h, words.size(0)});
    found.slice(n, n + 1).copy_from(argmax(resize_bilinear(cosines, H, W, ResizeCorners::free), 3).to(Device::cpu));
  }
  return found;
}

}  // namespace contrastive
