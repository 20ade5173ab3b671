// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/nn/label_blocks.hpp"
#include "contrastive/ops/resize.hpp"
#include "contrastive/ops/softmax.hpp"
#include "contrastive/ops/sum_of_parts.hpp"

namespace contrastive {

/// LSeg's scale of cosines, 14.29. Its official code makes it a plain tensor, so it is never trained.
inline constexpr double label_scale = 1 / 0.07;

/// Scaled cosines of pixels and labels (Li et al. 2022, arXiv:2201.03546, eq. 1): features (N, h, w, D) and rows (V, D), of
/// any length, to (N, h, w, V).
inline Tensor label_logits(const Tensor& features, const Tensor& rows, double scale = label_scale) {
  require(features.rank() == 4 && rows.rank() == 2 && rows.size(0) > 0 && features.size(3) == rows.size(1),
          "[label_logits] expected features (N, H, W, D) and label rows (V, D), got ", features.shape(), " and ",
          rows.shape());
  const Tensor pixels = normalize(features.reshape({-1, features.size(3)}));
  return matmul(pixels, normalize(rows), false, true, scale)
      .reshape({features.size(0), features.size(1), features.size(2), rows.size(0)});
}

/// The logits of labels at a size of their own: cosines, blocks, bilinear upsampling with aligned corners
/// (isl-org/lang-seg, lseg_net.py, LSeg.forward).
inline Tensor upsampled_label_logits(const Tensor& features, const Tensor& rows, const LabelBlocks& blocks,
                                     std::int64_t H, std::int64_t W) {
  return resize_bilinear(blocks(label_logits(features, rows)), H, W, ResizeCorners::aligned);
}

namespace detail {

/// Pixels of a map that have a label: their places and labels, i64 (P) on the CPU.
inline std::pair<Tensor, Tensor> labelled_pixels(const Tensor& targets, std::int64_t V) {
  std::vector<std::int64_t> places, labels;
  const auto all = targets.span<std::int64_t>();
  for (std::size_t p = 0; p < all.size(); ++p) {
    require(all[p] < V, "[pixel_cross_entropy] label ", all[p], " is outside a list of ", V);
    if (all[p] < 0) continue;
    places.push_back(static_cast<std::int64_t>(p));
    labels.push_back(all[p]);
  }
  const auto count = static_cast<std::int64_t>(places.size());
  return {Tensor::from<std::int64_t>(places, {count}), Tensor::from<std::int64_t>(labels, {count})};
}

}  // namespace detail

/// The mean over labelled pixels of -log softmax(logits)[target]. logits: (N, H, W, V); targets: i64 (N, H, W), negative
/// where a pixel has no label. 0 where none has one.
inline Tensor pixel_cross_entropy(const Tensor& logits, const Tensor& targets) {
  require(logits.rank() == 4 && targets.dtype() == DType::i64 &&
              targets.shape() == Shape{logits.size(0), logits.size(1), logits.size(2)},
          "[pixel_cross_entropy] expected logits (N, H, W, V) and i64 targets (N, H, W), got ", logits.shape(), " and ",
          targets.shape(), " ", to_string(targets.dtype()));
  const auto [places, labels] = detail::labelled_pixels(targets.to(Device::cpu), logits.size(3));
  if (labels.count() == 0) return sum(logits * 0);
  const Tensor rows = gather(logits.reshape({-1, logits.size(3)}), places.to(logits.device()));
  return mean(cross_entropy_rows(rows, labels.to(logits.device())));
}

/// `pixel_cross_entropy` of `upsampled_label_logits` at the targets' size, image by image: the logits of one image are all
/// that is in memory. features: (N, h, w, D); rows: (V, D); targets: i64 (N, H, W).
inline Tensor label_cross_entropy(const Tensor& features, const Tensor& rows, const LabelBlocks& blocks,
                                  const Tensor& targets) {
  require(features.rank() == 4 && targets.rank() == 3 && targets.dtype() == DType::i64 &&
              targets.size(0) == features.size(0),
          "[label_cross_entropy] expected features (N, h, w, D) and i64 targets (N, H, W), got ", features.shape(),
          " and ", targets.shape(), " ", to_string(targets.dtype()));
  const std::int64_t H = targets.size(1), W = targets.size(2);
  const Tensor host = targets.to(Device::cpu);
  std::int64_t labelled = 0;
  for (const std::int64_t label : host.span<std::int64_t>()) labelled += label >= 0;
  const double share = 1 / static_cast<double>(std::max<std::int64_t>(1, labelled));
  return sum_of_parts(
      features, {normalize(rows), blocks.weight, blocks.bias},
      [&](const Tensor& image, const std::vector<Tensor>& shared, std::int64_t n) {
        const auto [places, labels] = detail::labelled_pixels(host.slice(n, n + 1), rows.size(0));
        if (labels.count() == 0) return Tensor();
        const Tensor low = blocks.apply(label_logits(image, shared[0]), shared[1], shared[2]);
        const Tensor logits = resize_bilinear(low, H, W, ResizeCorners::aligned).reshape({H * W, rows.size(0)});
        const Tensor some = labels.count() == H * W ? logits : gather(logits, places.to(image.device()));
        return sum(cross_entropy_rows(some, labels.to(image.device()))) * share;
      });
}

/// The label of each pixel, i64 (N, H, W): of equal logits the first label.
inline Tensor label_pixels(const Tensor& features, const Tensor& rows, const LabelBlocks& blocks, std::int64_t H,
                           std::int64_t W) {
  const NoGrad no_grad;
  require(features.rank() == 4, "[label_pixels] expected features (N, h, w, D), got ", features.shape());
  const Tensor found({features.size(0), H, W}, DType::i64, features.device());
  for (std::int64_t n = 0; n < features.size(0); ++n) {
    const Tensor logits = upsampled_label_logits(features.detach().slice(n, n + 1), rows, blocks, H, W);
    found.slice(n, n + 1).copy_from(argmax(logits, 3));
  }
  return found;
}

}  // namespace contrastive
