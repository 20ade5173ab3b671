// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <span>
#include <vector>

#include "contrastive/ops/matmul.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/ops/resize.hpp"
#include "contrastive/ops/softmax.hpp"

/// From groups of segments to words of pixels (Xu et al. 2022, arXiv:2202.11094, section 4; NVlabs/GroupViT,
/// segmentation/evaluation/group_vit_seg.py). No tensor has both pixels and words: a pixel has a group, a group has a word.
namespace contrastive {

/// The soft assignments of all stages as one, (N, patches, G) of the last stage's groups.
inline Tensor patch_groups(std::span<const Tensor> soft) {
  require(!soft.empty(), "[patch_groups] expected the assignments of a stage at least");
  Tensor all = soft[0];
  for (std::size_t s = 1; s < soft.size(); ++s) all = matmul(all, soft[s]);
  return all;
}

/// The share of each group in each pixel, (N, H, W, G), of patches in h rows: shares of patches, resized bilinearly.
inline Tensor pixel_group_shares(const Tensor& patches, std::int64_t h, std::int64_t H, std::int64_t W) {
  require(patches.rank() == 3 && h > 0 && patches.size(1) % h == 0, "[pixel_groups] expected patches (N, ", h,
          " * w, G), got ", patches.shape());
  return resize_bilinear(patches.reshape({patches.size(0), h, patches.size(1) / h, patches.size(2)}), H, W,
                         ResizeCorners::free);
}
/// The group with the largest share, i64 (N, H, W).
inline Tensor pixel_groups(const Tensor& patches, std::int64_t h, std::int64_t H, std::int64_t W) {
  return argmax(pixel_group_shares(patches, h, H, W), 3);
}

/// Each part as the class that most of its pixels have, which judges the parts alone: parts and truth i64 of one shape. A
/// negative truth has no class; a part that shows none is -1.
inline Tensor named_by_truth(const Tensor& parts, const Tensor& truth) {
  require(parts.shape() == truth.shape(), "[named_by_truth] expected parts and truth of one shape, got ", parts.shape(),
          " and ", truth.shape());
  std::map<std::int64_t, std::map<std::int64_t, std::int64_t>> counts;
  const auto g = parts.span<std::int64_t>(), t = truth.span<std::int64_t>();
  for (std::size_t p = 0; p < g.size(); ++p)
    if (t[p] >= 0) ++counts[g[p]][t[p]];
  std::map<std::int64_t, std::int64_t> name;
  for (const auto& [part, of] : counts)
    name[part] = std::ranges::max_element(of, {}, [](const auto& one) { return one.second; })->first;
  const Tensor found = parts.clone();
  for (std::int64_t& one : found.span<std::int64_t>()) one = name.contains(one) ? name.at(one) : -1;
  return found;
}

/// Scores of each word for each group, (G, V): softmax over the words that the whole image is nearest to, times softmax
/// over all words. groups (G, D), image (1, D) and words (V, D) are unit rows; `nearest` words take part, others get 0.
inline Tensor group_word_scores(const Tensor& groups, const Tensor& image, const Tensor& words, double scale,
                                std::int64_t nearest = 5) {
  require(groups.rank() == 2 && image.shape() == Shape{1, groups.size(1)} && words.rank() == 2 && words.size(0) > 0 &&
              words.size(1) == groups.size(1) && nearest > 0,
          "[group_word_scores] expected groups (G, D), an image (1, D) and words (V, D), got ", groups.shape(), ", ",
          image.shape(), " and ", words.shape());
  const NoGrad no_grad;
  const std::int64_t G = groups.size(0), V = words.size(0), count = std::min(nearest, V);
  const Tensor logits = matmul(groups, words, false, true, scale).to(DType::f64).to(Device::cpu),
               of_image = matmul(image, words, false, true).to(DType::f64).to(Device::cpu);
  std::vector<std::int64_t> order(static_cast<std::size_t>(V));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::int64_t v) { return of_image.data<double>()[v]; });
  order.resize(static_cast<std::size_t>(count));
  const Tensor some = gather(permute(logits, {1, 0}), Tensor::from<std::int64_t>(order, {count}));  // (count, G)
  const Tensor among = softmax(permute(some, {1, 0})), all = softmax(logits),
               scores = Tensor::zeros({G, V}, DType::f64);
  for (std::int64_t g = 0; g < G; ++g)
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int64_t at = g * V + order[static_cast<std::size_t>(k)];
      scores.data<double>()[at] = among.data<double>()[g * count + k] * all.data<double>()[at];
    }
  return scores;
}

/// The word of each group, the first of equally good ones. With a threshold, -1 (the background) where its best score is
/// below it; but the group with the best score of all always has a word.
inline std::vector<std::int64_t> words_of_groups(const Tensor& scores, double threshold = 0) {
  require(scores.rank() == 2 && scores.size(1) > 0, "[words_of_groups] expected scores (G, V), got ", scores.shape());
  const MaxResult best = max(scores.to(DType::f64).to(Device::cpu), 1);
  const auto values = best.values.span<double>();
  const double least = values.empty() ? 0 : std::min(threshold, *std::ranges::max_element(values));
  std::vector<std::int64_t> words;
  for (std::size_t g = 0; g < values.size(); ++g)
    words.push_back(values[g] < least ? -1 : best.indices.data<std::int64_t>()[g]);
  return words;
}

}  // namespace contrastive
