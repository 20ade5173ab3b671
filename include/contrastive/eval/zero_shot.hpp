// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "contrastive/core/labels.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/matmul.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/ops/softmax.hpp"
#include "contrastive/text/templates.hpp"

namespace contrastive {

/// A classifier made of words (Radford et al. 2021, section 3.1.4; openai/CLIP, notebooks/
/// Prompt_Engineering_for_ImageNet.ipynb): the name of each class in each template, encoded, made of unit length, averaged
/// over the templates, made of unit length again. `encode` maps a list of texts to rows (n, D) on the CPU, of any length.
/// Returns (C, D).
template <class Encode>
Tensor zero_shot_classifier(const std::vector<std::string>& names, const std::vector<std::string>& templates,
                            Encode&& encode) {
  require(!names.empty() && !templates.empty(), "[zero_shot] expected names and templates, got ", names.size(), " and ",
          templates.size());
  const NoGrad no_grad;
  std::vector<Tensor> rows;
  for (const std::string& name : names) {
    std::vector<std::string> prompts;
    for (const std::string& one : templates) prompts.push_back(fill_template(one, name));
    rows.push_back(mean(normalize(Tensor(encode(prompts))), 0, true));
  }
  return normalize(concat(rows));
}

struct ZeroShotResult {
  double top1 = 0, top5 = 0;                          // shares of the samples; top5 is NaN for fewer than five classes
  double mean_per_class_recall = 0;                   // mean over the classes that occur
  std::vector<std::int64_t> predictions;              // (N)
  std::vector<std::vector<std::int64_t>> confusions;  // [class][prediction]: how many
};

/// Classifies image features (N, D), of any length, by the classifier's row (C, D) with the largest cosine; of equal ones
/// the smaller class wins. Labels are 0 to C - 1. f32 or f64, on the CPU.
inline ZeroShotResult zero_shot(const Tensor& features, const Tensor& classifier, const Labels& labels) {
  require(features.rank() == 2 && classifier.rank() == 2 && features.size(1) == classifier.size(1),
          "[zero_shot] expected features (N, D) and a classifier (C, D), got ", features.shape(), " and ",
          classifier.shape());
  const std::int64_t N = features.size(0), C = classifier.size(0);
  require(static_cast<std::int64_t>(labels.size()) == N && N > 0, "[zero_shot] expected a label for each of ", N,
          " images, got ", labels.size());
  const NoGrad no_grad;
  const Tensor cosines = matmul(normalize(features), classifier, false, true).to(DType::f64);  // (N, C)
  ZeroShotResult result;
  result.confusions.assign(static_cast<std::size_t>(C), std::vector<std::int64_t>(static_cast<std::size_t>(C), 0));
  std::int64_t right = 0, near = 0;
  for (std::int64_t n = 0; n < N; ++n) {
    const std::int64_t label = labels[static_cast<std::size_t>(n)];
    require(label >= 0 && label < C, "[zero_shot] image ", n, " is of class ", label, ", and there are ", C);
    const double* const row = cosines.data<double>() + n * C;
    std::int64_t ahead = 0;
    for (std::int64_t c = 0; c < C; ++c) ahead += row[c] > row[label] || (row[c] == row[label] && c < label);
    right += ahead == 0, near += ahead < 5;
    result.predictions.push_back(std::max_element(row, row + C) - row);
    ++result.confusions[static_cast<std::size_t>(label)][static_cast<std::size_t>(result.predictions.back())];
  }
  result.top1 = static_cast<double>(right) / static_cast<double>(N);
  result.top5 = C < 5 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(near) / static_cast<double>(N);
  double recall = 0, classes = 0;
  for (std::int64_t c = 0; c < C; ++c) {
    double all = 0;
    for (const std::int64_t count : result.confusions[static_cast<std::size_t>(c)]) all += static_cast<double>(count);
    if (all == 0) continue;
    recall += static_cast<double>(result.confusions[static_cast<std::size_t>(c)][static_cast<std::size_t>(c)]) / all;
    ++classes;
  }
  result.mean_per_class_recall = recall / classes;
  return result;
}

}  // namespace contrastive
