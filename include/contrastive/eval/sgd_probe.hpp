// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "contrastive/core/bounds.hpp"
#include "contrastive/core/labels.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/eval/linear_classifier.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/matmul.hpp"
#include "contrastive/ops/norm.hpp"
#include "contrastive/ops/reduce.hpp"
#include "contrastive/ops/softmax.hpp"
#include "contrastive/optim/schedule.hpp"
#include "contrastive/optim/sgd.hpp"

namespace contrastive {

struct SgdProbeOptions {
  double lr = 0.1;           // 0 to 1e4
  double momentum = 0.9;     // 0 to 0.9999
  double weight_decay = 0;   // 0 to 1e4
  int epochs = 90;           // 0 to 1e6
  std::int64_t batch = 0;    // 0: all rows at once
  bool cosine_decay = true;  // per epoch, to 0
  /// Batch norm without gain and shift in front, as MAE's probe has it (eps 1e-6, running statistics by 0.1).
  bool batch_norm = false;
  std::uint64_t seed = 0;      // of the order of the rows
  LinearClassifier initial{};  // zeros when empty
};

struct SgdProbeResult {
  LinearClassifier classifier;       // on features as given: the batch norm is folded in
  Tensor weight, bias;               // behind the batch norm: (C, D), (C)
  Tensor running_mean, running_var;  // (D), with batch_norm
  std::vector<double> losses;        // of each step
};

/// The linear probe as papers train it: cross-entropy by SGD with momentum on frozen features.
inline SgdProbeResult sgd_probe(const Tensor& features, const Labels& labels, const SgdProbeOptions& options = {}) {
  const Tensor x = detail::checked_features("sgd_probe", features);
  const std::int64_t N = x.size(0), D = x.size(1), batch = options.batch > 0 ? std::min(options.batch, N) : N;
  std::int64_t C = detail::checked_labels("sgd_probe", labels.wide(), N, D);
  require(N > 0, "[sgd_probe] no rows to fit");
  require_within("sgd_probe", "the learning rate", options.lr, 0, 1e4);
  require_within("sgd_probe", "the momentum", options.momentum, 0, 0.9999);
  require_within("sgd_probe", "the weight decay", options.weight_decay, 0, 1e4);
  require_within("sgd_probe", "the epochs", options.epochs, 0, 1000000);
  require(options.batch >= 0, "[sgd_probe] the batch must be 0 or more, got ", options.batch);
  SgdProbeResult result;
  if (options.initial.weight.defined()) {
    require(options.initial.weight.rank() == 2 && options.initial.weight.size(0) >= C &&
                options.initial.weight.size(1) == D &&
                options.initial.bias.shape() == Shape{options.initial.weight.size(0)},
            "[sgd_probe] the initial classifier is ", options.initial.weight.shape(), " for ", C, " classes and ", D,
            " features");
    C = options.initial.weight.size(0);
    result.weight = options.initial.weight.detach().to(x.dtype()).clone();
    result.bias = options.initial.bias.detach().to(x.dtype()).clone();
  } else {
    result.weight = Tensor::zeros({C, D}, x.dtype());
    result.bias = Tensor::zeros({C}, x.dtype());
  }
  result.running_mean = Tensor::zeros({D}, x.dtype());
  result.running_var = Tensor::full({D}, 1, x.dtype());
  constexpr double eps = 1e-6, blend = 0.1;

  Tensor weight = result.weight, bias = result.bias;
  weight.set_requires_grad(true);
  bias.set_requires_grad(true);
  ParameterGroup group;
  group.parameters = {weight, bias};
  group.names = {"weight", "bias"};
  group.weight_decay = options.weight_decay;
  Sgd optimizer({group}, {.momentum = options.momentum});
  std::vector<std::int64_t> order(static_cast<std::size_t>(N));
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    std::iota(order.begin(), order.end(), std::int64_t{0});
    if (batch < N) {
      Stream stream(Rng(options.seed) / "sgd_probe" / static_cast<std::uint64_t>(epoch));
      stream.shuffle(order);
    }
    const double lr =
        options.cosine_decay ? cosine(options.lr, 0, static_cast<double>(epoch) / options.epochs) : options.lr;
    for (std::int64_t begin = 0; begin < N; begin += batch) {
      const std::int64_t n = std::min(batch, N - begin);
      Tensor rows = x;
      const Tensor targets({n}, DType::i64);
      for (std::int64_t i = 0; i < n; ++i) targets.data<std::int64_t>()[i] = labels[order[begin + i]];
      if (batch < N)
        rows = gather(x, Tensor::from<std::int64_t>({order.data() + begin, static_cast<std::size_t>(n)}, {n}));
      if (options.batch_norm) {
        const auto [mean, var] = batch_norm_statistics(rows);
        BatchNormArguments with;
        with.eps = eps;
        rows = batch_norm(rows, mean, var, true, with);
        const double unbias = n > 1 ? static_cast<double>(n) / static_cast<double>(n - 1) : 1;
        result.running_mean = result.running_mean * (1 - blend) + mean.reshape({D}) * blend;
        result.running_var = result.running_var * (1 - blend) + var.reshape({D}) * (blend * unbias);
      }
      const Tensor loss = mean(cross_entropy_rows(matmul(rows, weight, false, true) + bias, targets));
      result.losses.push_back(loss.item());
      loss.backward();
      optimizer.step(lr);
      optimizer.clear_grad();
    }
  }
  result.classifier = {result.weight, result.bias};
  if (options.batch_norm) {
    const Tensor scale = pow(result.running_var + eps, -0.5);  // (D)
    result.classifier.weight = result.weight * scale;
    result.classifier.bias =
        result.bias -
        matmul(result.running_mean.reshape({1, D}), result.classifier.weight, false, true).reshape(result.bias.shape());
  }
  return result;
}

}  // namespace contrastive
