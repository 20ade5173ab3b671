// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "contrastive/core/labels.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/eval/linear_probe.hpp"
#include "contrastive/ops/index.hpp"

namespace contrastive {

struct FewLabelOptions {
  std::int64_t labels_per_class = 10;  // 1 to 1e9
  int draws = 10;                      // 1 to 10,000
  std::uint64_t seed = 0;
  LogisticOptions logistic{.l2 = 1e-2};  // scikit-learn's C = 1 at a hundred labels
};

struct FewLabelResult {
  double top1 = 0;       // mean over the draws, 0 to 1
  double deviation = 0;  // of one draw; the mean's own error is this over sqrt(draws)
  std::vector<double> draws;
};

/// Accuracy when only a few rows of each class have labels: logistic regression on them, scored on the test rows, over
/// several seeded draws. The features are standardised by all training rows, which needs no labels. A class with fewer
/// rows gives all it has.
inline FewLabelResult few_labels(const Tensor& train_features, const Labels& train_labels, const Tensor& test_features,
                                 const Labels& test_labels, const FewLabelOptions& options = {}) {
  const NoGrad no_grad;
  require_within("few_labels", "labels_per_class", options.labels_per_class, 1, 1000000000);
  require_within("few_labels", "draws", options.draws, 1, 10000);
  detail::check_logistic("few_labels", options.logistic);
  const Tensor x = detail::checked_features("few_labels", train_features);
  const std::vector<std::int64_t> train = train_labels.wide(), test = test_labels.wide();
  const detail::Classes classes = detail::checked_classes("few_labels", train, x.size(0));
  const std::vector<std::int64_t> class_of = classes.places(train), truth = classes.places(test);
  const std::int64_t C = classes.count();
  require(x.size(0) > 0, "[few_labels] no rows to fit");
  const detail::Standardiser standardiser(x, options.logistic.standardise);
  std::vector<std::vector<std::int64_t>> members(static_cast<std::size_t>(C));
  for (std::size_t i = 0; i < class_of.size(); ++i) members[class_of[i]].push_back(static_cast<std::int64_t>(i));

  FewLabelResult result;
  for (int draw = 0; draw < options.draws; ++draw) {
    std::vector<std::int64_t> rows, labels;
    for (std::int64_t c = 0; c < C; ++c) {
      std::vector<std::int64_t> order = members[c];
      Stream stream(Rng(options.seed) / "few_labels" / static_cast<std::uint64_t>(draw) /
                    static_cast<std::uint64_t>(c));
      stream.shuffle(order);
      order.resize(std::min(order.size(), static_cast<std::size_t>(options.labels_per_class)));
      rows.insert(rows.end(), order.begin(), order.end());
      labels.insert(labels.end(), order.size(), c);
    }
    const auto count = static_cast<std::int64_t>(rows.size());
    const Tensor chosen = gather(x, Tensor::from<std::int64_t>(rows, {count}));
    const LogisticFit fit = detail::fit_standardised(standardiser(chosen), labels, C, standardiser, options.logistic);
    result.draws.push_back(accuracy(fit.classifier.predict(test_features), truth));
    result.top1 += result.draws.back() / options.draws;
  }
  double squares = 0;
  for (const double value : result.draws) squares += (value - result.top1) * (value - result.top1);
  if (options.draws > 1) result.deviation = std::sqrt(squares / (options.draws - 1));
  return result;
}

}  // namespace contrastive
