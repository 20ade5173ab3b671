// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include "contrastive/core/setting.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/objectives/info_nce.hpp"
#include "contrastive/ops/matmul.hpp"

namespace contrastive {

/// TiCo's loss (Zhu et al. 2022, arXiv:2206.10698, eq. 6 and algorithm 1; lightly, lightly/loss/tico_loss.py), of unit rows
/// a_i and b_i:
///
///     C <- beta C + (1 - beta) 1/N sum_i a_i a_i^T
///     L = 1 - 1/N sum_i a_i . b_i + rho/N sum_i a_i^T C a_i
///
/// a, b: (N, D), of any length: rows are normalised here. C: (D, D), zeros at first; this batch moves it before it is used,
/// and no gradient flows through it. beta: 0 to 1, rho: 0 to 1e4.
inline Tensor tico(const Tensor& a, const Tensor& b, const Tensor& C, double rho = 20, double beta = 0.9) {
  detail::check_pairs("tico", a, b);
  const std::int64_t N = a.size(0), D = a.size(1);
  require(C.shape() == Shape{D, D}, "[tico] expected a covariance of ", Shape{D, D}, ", got ", C.shape());
  require_within("tico", "rho", rho, 0, 1e4);
  require_within("tico", "beta", beta, 0, 1);
  const Tensor x = normalize(a), y = normalize(b);
  {
    const NoGrad no_grad;
    const Tensor now = matmul(x.detach(), x.detach(), true, false, 1 / static_cast<double>(N)).to(C.dtype());
    C.kernels().lerp(C.view_to_write(), now.view(), Tensor::full({1}, beta, C.dtype(), C.device()).view());
  }
  const double each = 1 / static_cast<double>(N);
  return 1 - sum(x * y) * each + sum(matmul(x, C.detach().to(x.dtype())) * x) * (rho * each);
}

/// TiCo's objective with its covariance: the online embedding of view 0 and the target's of view 1.
struct TransformationCovariance {
  Buffer covariance;  // (D, D)
  double rho = 20, beta = 0.9;

  static bool wants_online(std::size_t view) { return view == 0; }
  static bool wants_target(std::size_t view) { return view == 1; }
  Tensor operator()(const Embeddings& z) {
    require(z.target.size() >= 2, "[tico] expected two views, got ", z.target.size());
    return tico(z.online[0], z.target[1], covariance, rho, beta);
  }

  template <class F>
  void members(F&& f) {
    f("covariance", covariance);
  }
};

struct TicoConfig {
  double rho = 20;          // of the covariance; the paper's ImageNet run: 8
  double beta = 0.9;        // momentum of the covariance
  double momentum = 0.996;  // of the target at the start, rising to 1
  std::int64_t hidden = 4096;
  std::int64_t dimension = 256;

  void settings(SettingList& list) {
    list.number("rho", rho, 0, 1e4, "weight of the covariance contrast");
    list.number("beta", beta, 0, 1, "momentum of the covariance");
    list.number("target-momentum", momentum, 0, 1, "momentum of the target network at the start, rising to 1");
    list.number("hidden", hidden, 1, 1 << 14, "hidden width of the projector");
    list.number("dimension", dimension, 1, 1 << 14, "width of the embedding");
  }
};

/// TiCo (Zhu et al. 2022, arXiv:2206.10698; lightly, examples/pytorch/tico.py): the embedding of one view follows a
/// momentum encoder's of the other, and is kept from the directions in which embeddings lie already. Projector: linear
/// without bias, batch norm, ReLU, linear. The target moves before the keys are computed.
template <class Encoder, class Augmentation>
auto tico(Encoder encoder, Augmentation augment, const TicoConfig& config, Rng rng) {
  const std::int64_t features = encoder.features();
  Mlp projector(features,
                {{.out = config.hidden, .bias = false}, {.out = config.dimension, .norm = false, .relu = false}},
                rng / "projector");
  return Method(
      std::move(encoder), std::move(projector), Identity{},
      TransformationCovariance{Buffer(Tensor::zeros({config.dimension, config.dimension})), config.rho, config.beta},
      std::move(augment), Momentum{.momentum = config.momentum, .to_one = true, .update = MomentumUpdate::before_keys});
}

}  // namespace contrastive
