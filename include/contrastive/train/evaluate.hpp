// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/data/batches.hpp"
#include "contrastive/data/match_classes.hpp"
#include "contrastive/eval/few_labels.hpp"
#include "contrastive/eval/knn.hpp"
#include "contrastive/eval/linear_probe.hpp"
#include "contrastive/ops/elementwise.hpp"

namespace contrastive {

/// Features of a set with their labels (-1 where there is none) and places in the set that was encoded. Labels of two sets
/// mean the same only after `match_classes`.
struct FeatureSet {
  Tensor features;  // (N, D) f32
  std::vector<std::int64_t> labels, samples;
};

/// Encodes the samples of a set in evaluation mode; `random_subset` takes fewer. `encode` maps their views (N, ...) on the
/// CPU to (N, D) on any device; the features come back to the CPU.
template <class Encode>
FeatureSet encode_set(const AnyDataset& set, const AnyAugment& transform, Encode&& encode, std::size_t batch = 256,
                      bool strict = false) {
  const NoGrad no_grad;
  const Eval eval;
  FeatureSet result;
  std::int64_t filled = 0;
  for_each_batch(
      set, transform, batch,
      [&](const Tensor& images, std::span<const std::int64_t> labels, std::span<const std::int64_t> samples) {
        const Tensor features = Tensor(encode(images)).detach().to(DType::f32).to(Device::cpu);
        if (!result.features.defined())
          result.features = Tensor({static_cast<std::int64_t>(set.size()), features.size(1)});
        result.features.slice(filled, filled + features.size(0)).copy_from(features);
        filled += features.size(0);
        result.labels.insert(result.labels.end(), labels.begin(), labels.end());
        result.samples.insert(result.samples.end(), samples.begin(), samples.end());
      },
      strict);
  require(filled > 0, "[evaluate] ", set.name(), ": no sample could be read");
  result.features = result.features.slice(0, filled);
  return result;
}

/// The three numbers by which representations are compared, each 0 to 1.
struct Scores {
  double knn_top1 = 0;        // k = 20, temperature 0.1
  double linear_top1 = 0;     // logistic regression on all training features
  double few_label_top1 = 0;  // ten labels a class, mean of ten draws
  double few_label_std = 0;
};

/// Of a training and a test part after `match_classes`. `seed` draws the few labels.
inline Scores score(const FeatureSet& train, const FeatureSet& test, std::uint64_t seed) {
  Scores scores;
  scores.knn_top1 = knn(train.features, train.labels, test.features, test.labels, {.k = 20, .temperature = 0.1}).top1;
  scores.linear_top1 = linear_probe(train.features, train.labels, test.features, test.labels).top1;
  const FewLabelResult few = few_labels(train.features, train.labels, test.features, test.labels, {.seed = seed});
  scores.few_label_top1 = few.top1;
  scores.few_label_std = few.deviation;
  return scores;
}

}  // namespace contrastive
