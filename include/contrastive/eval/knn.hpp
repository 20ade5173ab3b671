// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "contrastive/eval/neighbours.hpp"

namespace contrastive {

struct KnnOptions {
  std::int64_t k = 200;
  double temperature = 0.1;  // 0.07 for ImageNet in InstDisc, MoCo and DINO
};

struct KnnResult {
  double top1 = 0;                        // share of test rows, 0 to 1
  double top5 = 0;                        // classes without a neighbour never count
  std::vector<std::int64_t> predictions;  // (M)
  Tensor scores;                          // (M, C): sum of exp(cosine / temperature) over the neighbours of a class
};

/// Weighted k-nearest-neighbour classification by cosine (Wu et al. 2018, arXiv 1805.01978, section 3.4;
/// lemniscate.pytorch, test.py). Features (N, D) and (M, D) need not be normalised; k is cut to N. Neighbours at the
/// same distance are taken by index; between classes with the same score the smaller label wins.
inline KnnResult knn(const Tensor& train_features, std::span<const std::int64_t> train_labels,
                     const Tensor& test_features, std::span<const std::int64_t> test_labels,
                     const KnnOptions& options = {}) {
  require(options.temperature > 0, "[knn] the temperature is above 0, got ", options.temperature);
  const Neighbours near = nearest_neighbours(test_features, train_features, options.k);
  const std::int64_t M = near.indices.size(0), k = near.indices.size(1);
  const std::int64_t C = detail::checked_labels("knn", train_labels, train_features.size(0));
  detail::checked_labels("knn", test_labels, M);

  KnnResult result;
  result.predictions.resize(static_cast<std::size_t>(M));
  result.scores = Tensor({M, C}, near.similarities.dtype());
  std::int64_t right = 0, near_right = 0;
  const auto vote = [&]<class T>(detail::TypeTag<T>) {
    std::vector<double> scores(static_cast<std::size_t>(C));
    for (std::int64_t i = 0; i < M; ++i) {
      std::fill(scores.begin(), scores.end(), 0.0);
      for (std::int64_t j = i * k; j < (i + 1) * k; ++j)
        scores[train_labels[near.indices.data<std::int64_t>()[j]]] +=
            std::exp(static_cast<double>(near.similarities.data<T>()[j]) / options.temperature);
      for (std::int64_t c = 0; c < C; ++c) result.scores.data<T>()[i * C + c] = static_cast<T>(scores[c]);
      const std::int64_t label = test_labels[i];
      std::int64_t best = 0, ahead = 0;
      for (std::int64_t c = 0; c < C; ++c) {
        if (scores[c] > scores[best]) best = c;
        if (label < C) ahead += scores[c] > scores[label] || (scores[c] == scores[label] && c < label);
      }
      result.predictions[i] = best;
      right += best == label;
      near_right += label < C && scores[label] > 0 && ahead < 5;
    }
  };
  if (result.scores.dtype() == DType::f64)
    vote(detail::TypeTag<double>{});
  else
    vote(detail::TypeTag<float>{});
  if (M > 0) {
    result.top1 = static_cast<double>(right) / static_cast<double>(M);
    result.top5 = static_cast<double>(near_right) / static_cast<double>(M);
  }
  return result;
}

}  // namespace contrastive
