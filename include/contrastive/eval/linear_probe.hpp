// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "contrastive/core/bounds.hpp"
#include "contrastive/core/labels.hpp"
#include "contrastive/eval/lbfgs.hpp"
#include "contrastive/eval/linear_classifier.hpp"
#include "contrastive/eval/softmax_regression.hpp"

namespace contrastive {

struct LogisticOptions {
  /// 0.5 l2 |W|^2 stands beside the mean loss: 1 / (C N) of scikit-learn; 0 to 1e4. The bias is free.
  double l2 = 1e-3;
  bool standardise = true;   // W acts on standardised columns, so that one l2 serves features of any scale
  int max_iterations = 100;  // 1 to 100,000
  double tolerance = 1e-5;   // on the largest entry of the mean loss' gradient; 0 to 1
};

struct LogisticFit {
  LinearClassifier classifier;  // on features as given
  double loss = 0;              // mean, with the penalty
  int iterations = 0;
  bool converged = false;
};

namespace detail {

inline void check_logistic(const char* op, const LogisticOptions& options) {
  require_within(op, "l2", options.l2, 0, 1e4);
  require_within(op, "max_iterations", options.max_iterations, 1, 100000);
  require_within(op, "the tolerance", options.tolerance, 0, 1);
}

/// The fit on rows that are already standardised, folded back into the features as they came.
inline LogisticFit fit_standardised(const Tensor& x, std::span<const std::int64_t> labels, std::int64_t C,
                                    const Standardiser& standardiser, const LogisticOptions& options) {
  const std::int64_t D = x.size(1);
  const double l2 = options.l2 * static_cast<double>(x.size(0));  // beside the sum
  std::vector<double> w(static_cast<std::size_t>(C * (D + 1)), 0.0);
  const bool wide = x.dtype() == DType::f64;
  const LbfgsResult solved = lbfgs(
      w, options.max_iterations, options.tolerance, wide ? 1e-15 : 1e-8,
      [&](const std::vector<double>& at, std::vector<double>& grad) {
        return wide ? softmax_regression<double>(x, labels, C, l2, at, grad)
                    : softmax_regression<float>(x, labels, C, l2, at, grad);
      },
      CovarianceInverse(x, C, l2));
  for (std::int64_t c = 0; c < C; ++c)
    for (std::int64_t d = 0; d < D; ++d) {
      w[c * D + d] *= standardiser.scale[d];
      w[C * D + c] -= w[c * D + d] * standardiser.mean[d];
    }
  const Tensor weight = Tensor::from<double>({w.data(), static_cast<std::size_t>(C * D)}, {C, D});
  const Tensor bias = Tensor::from<double>({w.data() + C * D, static_cast<std::size_t>(C)}, {C});
  return {{weight.to(x.dtype()), bias.to(x.dtype())}, solved.loss, solved.iterations, solved.converged};
}

}  // namespace detail

/// Multinomial logistic regression on features (N, D), standardised unless the options say otherwise, run to convergence. `classes` beyond those in
/// `labels` get a column that is never right; 0 takes them from the labels.
inline LogisticFit fit_logistic(const Tensor& features, const Labels& some_labels, const LogisticOptions& options = {},
                                std::int64_t classes = 0) {
  const Tensor x = detail::checked_features("fit_logistic", features);
  const std::vector<std::int64_t> labels = some_labels.wide();
  classes = std::max(classes, detail::checked_labels("fit_logistic", labels, x.size(0), x.size(1)));
  require(x.size(0) > 0, "[fit_logistic] no rows to fit");
  detail::check_logistic("fit_logistic", options);
  const detail::Standardiser standardiser(x, options.standardise);
  return detail::fit_standardised(standardiser(x), labels, classes, standardiser, options);
}

struct LinearProbeResult {
  double top1 = 0, train_top1 = 0;  // 0 to 1
  LogisticFit fit;
};

/// How much of the labels a linear classifier reads from frozen features: fitted on the training rows, scored on the
/// test rows. The convex problem has one answer, which does not depend on a learning rate or an order. The classifier has
/// a row for each class of the training rows.
inline LinearProbeResult linear_probe(const Tensor& train_features, const Labels& train_labels,
                                      const Tensor& test_features, const Labels& test_labels,
                                      const LogisticOptions& options = {}) {
  const std::vector<std::int64_t> train = train_labels.wide();
  const detail::Classes classes = detail::checked_classes("linear_probe", train, train_features.size(0));
  LinearProbeResult result{.fit = fit_logistic(train_features, classes.places(train), options)};
  result.fit.classifier.classes = classes.labels;
  result.top1 = accuracy(result.fit.classifier.predict(test_features), test_labels);
  result.train_top1 = accuracy(result.fit.classifier.predict(train_features), train_labels);
  return result;
}

}  // namespace contrastive
