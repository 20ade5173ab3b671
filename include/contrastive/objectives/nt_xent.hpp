// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/objectives/info_nce.hpp"

namespace contrastive {

namespace detail {

struct NtXentCall {
  similarity::SoftmaxOptions options;

  NtXentCall(double temperature, bool decoupled, similarity::SoftmaxOptions o) : options(o) {
    check_temperature(decoupled ? "decoupled_info_nce" : "nt_xent", temperature);
    options.sides = similarity::Sides::symmetric;
    options.scale = 1 / temperature;
    if (!options.length) options.length = RowLength::normalize;
    options.decoupled = decoupled;
  }
  template <class C>
  similarity::Value operator()(similarity::Workspace& work, const similarity::Matrix& a, const similarity::Matrix& b,
                               const similarity::MutableMatrix& da, const similarity::MutableMatrix& db) const {
    return similarity::softmax_pairs<C>(work, options.decoupled ? "decoupled_info_nce" : "nt_xent", a, b, options, da,
                                        db);
  }
};

}  // namespace detail

/// The normalised temperature-scaled cross entropy of SimCLR (Chen et al. 2020, arXiv:2002.05709, eq. 1):
///
///     L = 1/2N sum_i - log( exp(z_i . z_p(i) / t) / sum_{j != i} exp(z_i . z_j / t) )
///
/// over the 2N rows [z0; z1], where p(i) is the other view of row i. z0, z1: (N, D), of any length: rows are normalised
/// here. `temperature`: 1e-4 to 1e4, 0.1 for ImageNet at batch 4096, 0.5 for CIFAR-10. This is the paper's mean over 2N rows, as in
/// lightly; google-research/simclr adds the means of the two views, which is twice this. Throws where an element is not
/// finite.
///
///     Tensor loss = nt_xent(z0, z1, 0.5);
///     loss.backward();
inline Tensor nt_xent(const Tensor& z0, const Tensor& z1, double temperature) {
  detail::check_pairs("nt_xent", z0, z1);
  const detail::NtXentCall call(temperature, false, {});
  if (!similarity::takes(z0)) return dense::nt_xent(z0, z1, temperature);
  return similarity::on_tape(call, z0, z1);
}

/// The same for matrices and expressions of Eigen and xtensor, or a `MatrixSpan`: loss and both gradients at once.
template <class A, class B>
requires(!similarity::Tensors<A, B>) PairLoss<A, B> nt_xent(const A& z0, const B& z1, double temperature,
                                                            const similarity::SoftmaxOptions& options = {}) {
  return similarity::on_matrices(detail::NtXentCall(temperature, false, options), z0, z1);
}

/// The same into the caller's gradients, with memory that is kept between calls.
template <class A, class B, class DA, class DB>
requires(!similarity::Tensors<A, B>) similarity::Value
    nt_xent(const A& z0, const B& z1, double temperature, DA& dz0, DB& dz1, similarity::Workspace& work,
            const similarity::SoftmaxOptions& options = {}) {
  return similarity::on_matrices(detail::NtXentCall(temperature, false, options), work, z0, z1, dz0, dz1);
}

}  // namespace contrastive
