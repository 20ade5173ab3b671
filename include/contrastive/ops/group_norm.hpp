// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/ops/norm.hpp"
#include "contrastive/ops/reduce.hpp"

namespace contrastive {

/// Group norm (Wu and He 2018, arXiv:1803.08494): y = [relu]((x - mean) / sqrt(var + eps) * weight + bias [+ residual])
/// with mean and biased variance over all positions and C / groups consecutive channels of each picture by itself.
/// x (N, ..., C); nothing depends on the batch.
inline Tensor group_norm(const Tensor& x, std::int64_t groups, const BatchNormArguments& with = {}) {
  require(x.rank() >= 2 && x.count() > 0 && groups > 0 && x.size(-1) % groups == 0, "[group_norm] ", groups,
          " groups do not divide the channels of ", x.shape());
  const std::int64_t N = x.size(0), C = x.size(-1), positions = x.count() / (N * C);
  const Shape split{N, groups, C / groups}, channels{N, C};
  // From statistics by channel to those by group, for each of its channels.
  const auto over_group = [=](const Tensor& by_channel) { return mean(by_channel.reshape(split), 2, true); };
  const auto to_channels = [=](const Tensor& by_group) {
    return (by_group + Tensor::zeros(split, by_group.dtype(), by_group.device())).reshape(channels);
  };
  Tensor average, variance;
  {
    const NoGrad no_grad;
    const auto [m, v] = batch_norm_statistics(x.detach(), N);
    average = to_channels(over_group(m));
    variance = to_channels(over_group(v + square(m - average)));
  }
  // A norm whose statistics are constants, on x itself whose gradient g then loses what flows back through them:
  // dx = g - mean g - x^ mean(g x^), over each group.
  Tensor inner = x.detach();
  if (recording({&x}))
    inner = record(inner, [=, dx = Grad(x), x = Saved("group_norm", x), eps = with.eps](const Tensor& dy) {
      const Shape rows{N, positions, C};
      const auto broadcast_over_positions = [=](const Tensor& by_group) {
        return to_channels(by_group).reshape({N, 1, C});
      };
      const Tensor g = dy.to(average.dtype()).reshape(rows);
      const Tensor off = x->to(average.dtype()).reshape(rows) - average.reshape({N, 1, C});
      const Tensor along = over_group(mean(g * off, 1)) * pow(over_group(variance) + eps, -1);
      const Tensor d = g - broadcast_over_positions(over_group(mean(g, 1))) - off * broadcast_over_positions(along);
      dx.add(d.reshape(dy.shape()).to(dy.dtype()));
    });
  return batch_norm(inner, average, variance, true, with);
}

}  // namespace contrastive
