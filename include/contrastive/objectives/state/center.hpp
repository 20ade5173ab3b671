// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include "contrastive/core/bounds.hpp"
#include "contrastive/dist/communicator.hpp"
#include "contrastive/nn/module.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/reduce.hpp"

namespace contrastive {

/// DINO's centre: a moving average of the teacher's outputs, which keeps one output from taking all (Caron et al. 2021,
/// arXiv:2104.14294, eq. 4).
struct Center {
  Buffer center;  // (1, K)

  Center() = default;
  explicit Center(std::int64_t K) : center(Tensor::zeros({1, K})) {}

  /// c <- momentum c + (1 - momentum) mean of all rows of all views and processes. `outputs`: the teacher's, (B, K) a
  /// view, as they left the head: not centred, not sharpened. Call it after the loss.
  template <Communicator C = LocalCommunicator>
  void update(std::span<const Tensor> outputs, double momentum = 0.9, const C& processes = {}) {
    const NoGrad no_grad;
    require(!outputs.empty(), "[center] no outputs");
    require_within("center", "the momentum", momentum, 0, 1);
    Tensor total;
    std::int64_t rows = 0;
    for (const Tensor& t : outputs) {
      require(t.rank() == 2 && t.size(1) == center.size(1), "[center] expected outputs (B, ", center.size(1), "), got ",
              t.shape());
      const Tensor part = sum(t.detach(), 0, true);
      total = total.defined() ? total + part : part;
      rows += t.size(0);
    }
    processes.all_reduce_sum(total);
    const Tensor mean = (total * (1 / static_cast<double>(rows * processes.size()))).to(center.dtype());
    const Tensor keep = Tensor::full({1}, momentum, center.dtype(), center.device());
    center.kernels().lerp(center.view_to_write(), mean.view(), keep.view());
  }

  template <class F>
  void members(F&& f) {
    f("center", center);
  }
};

}  // namespace contrastive
