// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "contrastive/core/labels.hpp"
#include "contrastive/core/parallel.hpp"
#include "contrastive/ops/matmul.hpp"

namespace contrastive {

/// How far up the right ones stand, of rows 0, 1, ... of a ranking; ranks count from 0.
struct RetrievalScores {
  double r1 = 0, r5 = 0, r10 = 0;  // share of queries whose rank is below 1, 5, 10
  double median_rank = 0, mean_rank = 0;
  std::vector<std::int64_t> ranks;  // of each query
  std::array<double, 3> chance{};   // r1, r5, r10 of candidates in random order
};

struct Retrieval {
  RetrievalScores text_to_image;  // a query a text: the rank of its image
  RetrievalScores image_to_text;  // a query an image that has a text: the rank of the best of its texts
};

/// Share of ranks below k.
inline double recall_at(std::span<const std::int64_t> ranks, std::int64_t k) {
  if (ranks.empty()) return 0;
  return static_cast<double>(std::ranges::count_if(ranks, [k](std::int64_t rank) { return rank < k; })) /
         static_cast<double>(ranks.size());
}

/// The chance that one of `own` of `candidates` in random order is among the first k.
inline double chance_at(std::int64_t own, std::int64_t candidates, std::int64_t k) {
  double none = 1;
  for (std::int64_t place = 0; place < std::min(k, candidates); ++place)
    none *= std::max(0.0, static_cast<double>(candidates - own - place)) / static_cast<double>(candidates - place);
  return 1 - none;
}

namespace detail {

inline RetrievalScores retrieval_scores(std::vector<std::int64_t> ranks) {
  RetrievalScores scores;
  scores.r1 = recall_at(ranks, 1), scores.r5 = recall_at(ranks, 5), scores.r10 = recall_at(ranks, 10);
  if (!ranks.empty()) {
    std::vector<std::int64_t> sorted = ranks;
    std::ranges::sort(sorted);
    const std::size_t n = sorted.size();
    scores.median_rank = 0.5 * static_cast<double>(sorted[(n - 1) / 2] + sorted[n / 2]);
    scores.mean_rank =
        static_cast<double>(std::accumulate(sorted.begin(), sorted.end(), std::int64_t{0})) / static_cast<double>(n);
  }
  scores.ranks = std::move(ranks);
  return scores;
}

/// For each query (N, D) the rank of the best of its own among the candidates (M, D): those ahead of it score higher, or
/// the same at a lower index. `own(n)` lists the query's own; a query without any is left out. Scores are computed a block
/// of queries at a time, never all at once.
template <class Own>
RetrievalScores scores_of_own(const Tensor& queries, const Tensor& candidates, Own&& own) {
  constexpr std::int64_t scores_at_once = 1 << 22;
  const std::int64_t N = queries.size(0), M = candidates.size(0);
  const std::int64_t block = std::clamp<std::int64_t>(scores_at_once / std::max<std::int64_t>(1, M), 1, 1024);
  std::vector<std::int64_t> ranks(static_cast<std::size_t>(N), -1);
  for (std::int64_t first = 0; first < N; first += block) {
    const std::int64_t last = std::min(N, first + block);
    const Tensor scores = matmul(queries.slice(first, last), candidates, false, true);
    const auto rank = [&]<class T>(const T* row, std::span<const std::int64_t> mine) {
      std::int64_t best = mine[0];
      for (const std::int64_t j : mine)
        if (row[j] > row[best] || (row[j] == row[best] && j < best)) best = j;
      std::int64_t ahead = 0;
      for (std::int64_t j = 0; j < M; ++j) ahead += row[j] > row[best] || (row[j] == row[best] && j < best);
      return ahead;
    };
    parallel_for(last - first, grain_for(M), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        const std::span<const std::int64_t> mine = own(first + n);
        if (mine.empty()) continue;
        ranks[static_cast<std::size_t>(first + n)] = scores.dtype() == DType::f64
                                                         ? rank(scores.data<double>() + n * M, mine)
                                                         : rank(scores.data<float>() + n * M, mine);
      }
    });
  }
  std::erase(ranks, -1);
  RetrievalScores found = retrieval_scores(std::move(ranks));
  for (std::int64_t n = 0; n < N; ++n) {
    const auto count = static_cast<std::int64_t>(own(n).size());
    if (count == 0) continue;
    for (std::size_t i = 0; i < 3; ++i)
      found.chance[i] += chance_at(count, M, std::array{1, 5, 10}[i]) / static_cast<double>(found.ranks.size());
  }
  return found;
}

}  // namespace detail

/// Retrieval in both directions by cosine, of unit rows: images (N, D) and texts (M, D), where text m is of image
/// `image_of_text[m]`. Ties go to the lower index (open_clip, src/open_clip_train/metrics.py); an image counts as found
/// when any of its texts is (LAION-AI/CLIP_benchmark, metrics/zeroshot_retrieval.py). Ranks are counted in blocks, so
/// memory is O(N + M). f32 or f64, on the CPU.
inline Retrieval retrieval(const Tensor& images, const Tensor& texts, const Labels& image_of_text) {
  require(images.rank() == 2 && texts.rank() == 2 && images.size(1) == texts.size(1) &&
              images.dtype() == texts.dtype() && (images.dtype() == DType::f32 || images.dtype() == DType::f64),
          "[retrieval] expected images (N, D) and texts (M, D) of f32 or f64, got ", images.shape(), " and ",
          texts.shape());
  const std::int64_t N = images.size(0), M = texts.size(0);
  require(static_cast<std::int64_t>(image_of_text.size()) == M, "[retrieval] expected an image for each of ", M,
          " texts, got ", image_of_text.size());
  const NoGrad no_grad;
  const std::vector<std::int64_t> image = image_of_text.wide();
  std::vector<std::vector<std::int64_t>> texts_of(static_cast<std::size_t>(N));
  for (std::int64_t m = 0; m < M; ++m) {
    const std::int64_t n = image[static_cast<std::size_t>(m)];
    require(n >= 0 && n < N, "[retrieval] text ", m, " is of image ", n, ", and there are ", N);
    texts_of[static_cast<std::size_t>(n)].push_back(m);
  }
  const auto of_text = [&](std::int64_t m) { return std::span(image).subspan(static_cast<std::size_t>(m), 1); };
  const auto of_image = [&](std::int64_t n) {
    return std::span<const std::int64_t>(texts_of[static_cast<std::size_t>(n)]);
  };
  return {detail::scores_of_own(texts, images, of_text), detail::scores_of_own(images, texts, of_image)};
}

}  // namespace contrastive
