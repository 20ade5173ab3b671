// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "contrastive/core/labels.hpp"
#include "contrastive/core/parallel.hpp"
#include "contrastive/eval/features.hpp"

namespace contrastive {

/// logits = x weight^T + bias.
struct LinearClassifier {
  Tensor weight;                           // (C, D)
  Tensor bias;                             // (C)
  std::vector<std::int64_t> classes = {};  // (C): the label of each row; empty: 0, 1, ...

  /// (N, D) -> (N, C)
  Tensor logits(const Tensor& features) const {
    const Tensor x = detail::checked_features("linear_classifier", features).to(weight.dtype());
    require(x.size(1) == weight.size(1), "[linear_classifier] made for ", weight.size(1), " features, got ", x.shape());
    const Tensor y({x.size(0), weight.size(0)}, x.dtype());
    x.kernels().matmul(x.view(), weight.view(), y.view(), {.transpose_b = true});
    x.kernels().zip[functors::Binary::index_of<functors::Add>()](y.view(), bias.view(), y.view());
    return y;
  }

  /// The label of the largest logit, the first of equals.
  std::vector<std::int64_t> predict(const Tensor& features) const {
    const Tensor y = logits(features).to(DType::f64);
    const std::int64_t C = y.size(1);
    std::vector<std::int64_t> labels(static_cast<std::size_t>(y.size(0)));
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const double* row = y.data<double>() + static_cast<std::int64_t>(i) * C;
      labels[i] = std::max_element(row, row + C) - row;
      if (!classes.empty()) labels[i] = classes[static_cast<std::size_t>(labels[i])];
    }
    return labels;
  }
};

/// Share of `predictions` that are right, 0 to 1; 0 for none.
inline double accuracy(const Labels& predictions, const Labels& labels) {
  require(predictions.size() == labels.size(), "[accuracy] ", predictions.size(), " predictions for ", labels.size(),
          " labels");
  std::size_t right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) right += predictions[i] == labels[i];
  return labels.empty() ? 0 : static_cast<double>(right) / static_cast<double>(labels.size());
}

}  // namespace contrastive
