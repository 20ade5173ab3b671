// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "contrastive/kernels/cpu/batch_norm_passes.hpp"
#include "contrastive/kernels/cpu/elementwise.hpp"
#include "contrastive/kernels/cpu/onednn.hpp"

/// oneDNN's gradient of a convolution towards its input in slices of pictures that stay in the caches, for what is done
/// to it next: it is added up, and the batch norm before takes its gate and its sums.
namespace contrastive::cpu::onednn {

namespace detail {

/// Writes dz, the gate of dx, or of dx + more, over dx; adds its sums per channel to `first` (dz) and `second`
/// (dz (x - mean)).
inline void pass_norm(View dx, const float* more, const cpu::detail::NormBefore& norm, double* first, double* second) {
  const cpu::detail::BatchNormShape shape(dx, 1);
  const std::int64_t C = shape.C;
  thread_local Buffer<double> partial;
  double *const sums = partial.resize(2 * shape.chunks * C), *const products = sums + shape.chunks * C;
  shape.each_chunk([&](std::int64_t, std::int64_t i, std::int64_t from, std::int64_t rows) {
    float* const dz = dx.as<float>() + from * C;
    simd::dispatch<cpu::detail::BatchNormGradSums<float>>(
        norm.x + from * C, static_cast<const float*>(dz), more ? more + from * C : nullptr, norm.gate.at(from * C, 0),
        norm.mean, rows, C, &sums[i * C], &products[i * C], false, dz);
  });
  shape.join(sums, 0), shape.join(products, 0);
  for (std::int64_t c = 0; c < C; ++c) first[c] += sums[c], second[c] += products[c];
}

}  // namespace detail

/// dx [+]= the gradient; with `norm`, whose G parts are of consecutive pictures, its gate, and the sums (2, G, C) anew.
inline void conv2d_grad_input_in_slices(View dy, View w, View dx, WindowSpec spec, bool add,
                                        const cpu::detail::NormBefore& norm = {}, View sums = {}) {
  constexpr std::int64_t bytes = std::int64_t{2} << 20;
  const std::int64_t N = dx.shape[0], G = norm.x ? sums.shape[1] : 1, C = dx.shape[3], part = N / G;
  const std::int64_t picture = dx.count() / N, size = static_cast<std::int64_t>(size_of(dx.dtype));
  const auto in_parts = [](std::int64_t n, std::int64_t of) { return (n + of - 1) / of; };
  const std::int64_t each = in_parts(part, in_parts(part * picture * size, bytes));
  const auto slice = [](View of, std::int64_t from, std::int64_t n) {
    of.data = of.as<char>() + from * (of.count() / of.shape[0]) * static_cast<std::int64_t>(size_of(of.dtype));
    of.shape.sizes[0] = n;
    return of;
  };
  thread_local Buffer<char> memory;
  if (norm.x) std::fill_n(sums.as<double>(), 2 * G * C, 0.0);
  GradInput gradient(w, spec);
  for (std::int64_t from = 0, n; from < N; from += n) {
    const std::int64_t g = from / part;
    n = std::min(each, (g + 1) * part - from);
    const View sum = slice(dx, from, n);
    View term = sum;
    if (add) term.data = memory.resize(each * picture * size);
    gradient(slice(dy, from, n), term);
    if (norm.x)
      detail::pass_norm(sum, add ? term.as<float>() : nullptr,
                        {norm.x + from * picture, norm.mean + g * C, norm.gate.at(from * picture, g * C)},
                        sums.as<double>() + g * C, sums.as<double>() + (G + g) * C);
    else if (add)
      accumulate(term, sum);
  }
}

}  // namespace contrastive::cpu::onednn
