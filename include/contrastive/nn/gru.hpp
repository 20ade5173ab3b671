// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <vector>

#include "contrastive/nn/init.hpp"
#include "contrastive/nn/module.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/matmul.hpp"

namespace contrastive {

/// A gated recurrent unit over sequences, (N, T, D) -> (N, T, hidden), from a state of zeros (Cho et al. 2014, with
/// torch.nn.GRU's names and arithmetic; gates in the order r, z, n):
///
///     r = s(W_r x + U_r h),  z = s(W_z x + U_z h),  n = tanh(W_n x + r (U_n h)),  h = (1 - z) n + z h
///
/// The output at t has seen x up to t.
struct Gru {
  Parameter weight_ih;         // (3 hidden, D)
  Parameter weight_hh;         // (3 hidden, hidden)
  Parameter bias_ih, bias_hh;  // (3 hidden)

  Gru() = default;
  Gru(std::int64_t in, std::int64_t hidden, Rng rng) {
    const double bound = 1 / std::sqrt(static_cast<double>(hidden));
    weight_ih = Parameter(init::uniform({3 * hidden, in}, bound, rng / "weight_ih"));
    weight_hh = Parameter(init::uniform({3 * hidden, hidden}, bound, rng / "weight_hh"));
    bias_ih = Parameter(init::uniform({3 * hidden}, bound, rng / "bias_ih"));
    bias_hh = Parameter(init::uniform({3 * hidden}, bound, rng / "bias_hh"));
  }

  std::int64_t hidden() const { return weight_hh.size(1); }

  Tensor operator()(const Tensor& x) const {
    require(x.rank() == 3 && x.size(2) == weight_ih.size(1), "[gru] expected (N, T, ", weight_ih.size(1), "), got ",
            x.shape());
    const std::int64_t N = x.size(0), T = x.size(1), D = x.size(2), H = hidden();
    const Tensor in = matmul(x.reshape({N * T, D}), weight_ih, false, true, 1, bias_ih).reshape({N, T, 3 * H});
    Tensor h = Tensor::zeros({N, H}, x.dtype(), x.device());
    std::vector<Tensor> states;
    const auto part = [H](const Tensor& gates, int which) { return narrow(gates, 1, which * H, (which + 1) * H); };
    for (std::int64_t t = 0; t < T; ++t) {
      const Tensor a = narrow(in, 1, t, t + 1).reshape({N, 3 * H});
      const Tensor b = matmul(h, weight_hh, false, true, 1, bias_hh);
      const Tensor r = sigmoid(part(a, 0) + part(b, 0)), z = sigmoid(part(a, 1) + part(b, 1));
      const Tensor n = tanh(part(a, 2) + r * part(b, 2));
      h = n + z * (h - n);
      states.push_back(h.reshape({N, 1, H}));
    }
    return concat(states, 1);
  }

  template <class F>
  void members(F&& f) {
    f("weight_ih_l0", weight_ih);
    f("weight_hh_l0", weight_hh);
    f("bias_ih_l0", bias_ih);
    f("bias_hh_l0", bias_hh);
  }
};

}  // namespace contrastive
