// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "contrastive/core/bounds.hpp"
#include "contrastive/core/labels.hpp"
#include "contrastive/eval/neighbours.hpp"

namespace contrastive {

struct KnnOptions {
  std::int64_t k = 200;      // 1 or more
  double temperature = 0.1;  // 1e-4 to 1e4; 0.07 for ImageNet in InstDisc, MoCo and DINO
};

struct KnnResult {
  double top1 = 0;                        // share of test rows, 0 to 1
  double top5 = 0;                        // classes without a neighbour never count
  std::vector<std::int64_t> predictions;  // (M)
  std::vector<std::int64_t> classes;      // (C): the labels of training rows, ascending
  /// (M, C): sum of exp((cosine - that of the nearest) / temperature) over the neighbours of a class, so at most k.
  Tensor scores;
};

/// Weighted k-nearest-neighbour classification by cosine (Wu et al. 2018, arXiv 1805.01978, section 3.4;
/// lemniscate.pytorch, test.py). Features (N, D) and (M, D) need not be normalised; k is cut to N. Neighbours at the
/// same distance are taken by index; between classes with the same score the smaller label wins.
inline KnnResult knn(const Tensor& train_features, const Labels& train_labels, const Tensor& test_features,
                     const Labels& test_labels, const KnnOptions& options = {}) {
  check_temperature("knn", options.temperature);
  const Neighbours near = nearest_neighbours(test_features, train_features, options.k);
  const std::int64_t M = near.indices.size(0), k = near.indices.size(1);
  const std::vector<std::int64_t> train = train_labels.wide(), test = test_labels.wide();
  const detail::Classes classes = detail::checked_classes("knn", train, train_features.size(0));
  const std::vector<std::int64_t> class_of = classes.places(train), truth = classes.places(test);
  detail::check_labels("knn", test, M);
  const std::int64_t C = classes.count();

  KnnResult result;
  result.predictions.resize(static_cast<std::size_t>(M));
  result.classes = classes.labels;
  result.scores = Tensor({M, C}, near.similarities.dtype());
  std::int64_t right = 0, near_right = 0;
  const auto vote = [&]<class T>(detail::TypeTag<T>) {
    // Of each class the nearest neighbour's logit, and the sum over its neighbours relative to that one: their logarithms
    // are compared, which neither overflow nor vanish at any temperature.
    struct Votes {
      double nearest = 0, sum = 0, score = 0;
    };
    std::vector<Votes> votes(static_cast<std::size_t>(C));
    std::vector<std::int64_t> met;
    for (std::int64_t i = 0; i < M; ++i) {
      met.clear();
      const T* const similarities = near.similarities.data<T>() + i * k;
      T* const scores = result.scores.data<T>() + i * C;
      std::fill(scores, scores + C, T(0));
      for (std::int64_t j = 0; j < k; ++j) {  // nearest first
        const double logit =
            (static_cast<double>(similarities[j]) - static_cast<double>(similarities[0])) / options.temperature;
        const std::int64_t c = class_of[near.indices.data<std::int64_t>()[i * k + j]];
        Votes& of = votes[c];
        if (of.sum == 0) of.nearest = logit, met.push_back(c);
        of.sum += std::exp(logit - of.nearest);
      }
      for (const std::int64_t c : met) {
        votes[c].score = votes[c].nearest + std::log(votes[c].sum);
        scores[c] = static_cast<T>(std::exp(votes[c].score));
      }
      const auto ahead = [&](std::int64_t a, std::int64_t b) {
        return votes[a].score > votes[b].score || (votes[a].score == votes[b].score && a < b);
      };
      std::sort(met.begin(), met.end(), ahead);
      const auto place = std::find(met.begin(), met.end(), truth[i]) - met.begin();
      result.predictions[i] = classes.labels[met[0]];
      right += place == 0;
      near_right += place < 5 && place < static_cast<std::int64_t>(met.size());
      for (const std::int64_t c : met) votes[c] = {};
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
