// SPDX-License-Identifier: MIT
#pragma once

#include <tuple>

#include "contrastive/nn/conv.hpp"
#include "contrastive/nn/module.hpp"
#include "contrastive/ops/group_norm.hpp"

namespace contrastive {

struct BatchNormOptions {
  bool affine = true;     // learned gain and offset
  bool offset = true;     // with affine: the offset too (SimCLR's last norm has only the gain)
  double momentum = 0.1;  // weight of the new batch in the running statistics
  double eps = 1e-5;
  std::int64_t groups = 1;  // split batch norm: statistics per group of consecutive images
  /// Above 0 it is group norm instead: each picture's statistics over that many groups of channels, in training and
  /// evaluation alike; the running statistics stay as they are.
  std::int64_t channel_groups = 0;
};

/// Batch norm over all axes but the last (Ioffe and Szegedy 2015), with torch.nn.BatchNorm's arithmetic: the biased
/// variance normalises, the unbiased one goes into `running_var`. With `groups` > 1 each part of the batch is
/// normalised by itself, as on that many devices (MoCo's CIFAR demo; He et al. 2019, section 3.3), and the running
/// statistics take the mean over the groups. `frozen` always uses the running statistics.
struct BatchNorm {
  Parameter weight, bias;            // (C)
  Buffer running_mean, running_var;  // (C)
  Buffer num_batches_tracked;        // i64, on the host
  BatchNormOptions options;
  bool frozen = false;

  BatchNorm() = default;
  explicit BatchNorm(std::int64_t channels, BatchNormOptions with = {})
      : running_mean(Tensor::zeros({channels})),
        running_var(Tensor::full({channels}, 1)),
        num_batches_tracked(Tensor::zeros({}, DType::i64)),
        options(with) {
    if (with.affine) weight = Parameter(Tensor::full({channels}, 1));
    if (with.affine && with.offset) bias = Parameter(Tensor::zeros({channels}));
  }

  Tensor operator()(const Tensor& x) const { return apply(nullptr, x, false, {}); }
  /// max(0, norm(x) [+ residual]) in one pass.
  Tensor relu(const Tensor& x, const Tensor& residual = {}) const { return apply(nullptr, x, true, residual); }

  /// The same of conv(x), which sums the statistics while it writes.
  Tensor operator()(const Conv2d& conv, const Tensor& x) const { return apply(&conv, x, false, {}); }
  Tensor relu(const Conv2d& conv, const Tensor& x, const Tensor& residual = {}) const {
    return apply(&conv, x, true, residual);
  }

  template <class F>
  void members(F&& f) {
    f("weight", weight);
    f("bias", bias);
    f("running_mean", running_mean);
    f("running_var", running_var);
    f("num_batches_tracked", num_batches_tracked);
  }

 private:
  Tensor apply(const Conv2d* conv, Tensor x, bool with_relu, const Tensor& residual) const {
    const BatchNormArguments with{weight, bias, residual, with_relu, options.eps};
    const bool by_batch = options.channel_groups == 0 && training() && !frozen;
    Tensor mean, var;
    if (conv && by_batch) {
      auto out = conv->with_statistics(x, options.groups);
      x = out.y, mean = out.mean, var = out.var;
    } else if (conv) {
      x = (*conv)(x);
    }
    if (options.channel_groups > 0) return group_norm(x, options.channel_groups, with);
    const Shape row{1, running_mean.size(0)};
    if (!by_batch) return batch_norm(x, running_mean.reshape(row), running_var.reshape(row), true, with);
    const std::int64_t n = x.count() / x.size(-1) / options.groups;  // values behind one statistic
    require(n > 1, "[batch_norm] training needs more than one value per channel and group, got ", x.shape(), " in ",
            options.groups, " groups");
    if (!conv) std::tie(mean, var) = batch_norm_statistics(x, options.groups);
    if (detail::statistics_follow()) {
      follow(running_mean, mean, 1.0);
      follow(running_var, var, static_cast<double>(n) / static_cast<double>(n - 1));
      ++*num_batches_tracked.data<std::int64_t>();
    }
    return batch_norm(x, mean, var, false, with);
  }

  /// running = (1 - momentum) * running + momentum * scale * (mean of `statistic` over its groups)
  void follow(const Tensor& running, const Tensor& statistic, double scale) const {
    const Tensor mean({1, running.size(0)}, running.dtype(), running.device());
    statistic.kernels().sum_to(statistic.view(), scale / static_cast<double>(statistic.size(0)), mean.view());
    const Tensor keep = Tensor::full({1}, 1 - options.momentum, running.dtype(), running.device());
    running.kernels().lerp(running.view_to_write(), mean.view(), keep.view());
  }
};

}  // namespace contrastive
