// SPDX-License-Identifier: MIT
#pragma once

#include "contrastive/kernels/cpu/winograd_convolve.hpp"
#include "contrastive/kernels/cpu/winograd_weight.hpp"
#include "contrastive/kernels/table.hpp"

/// 3x3 convolutions of stride 1 with 16 multiplications where the sum has 36: F(2x2, 3x3) of Winograd, as Lavin and Gray
/// (2016) apply it. A tile is 2x2 outputs; the 4x4 inputs under it, d, and the weight g become
///
///     V = B^T d B,   U = G g G^T,   and   y = A^T (sum over channels of V * U) A,
///
/// so each of the 16 positions is a matrix product of tiles by channels. All constants are 0, 1 and 1/2: in float32 the
/// result is as close to float64's as the direct sum is. Tiles go through in groups that stay in the second-level cache,
/// each group one thread's work in a fixed order, so the bits do not depend on the number of threads.
namespace contrastive::cpu::winograd {

namespace detail {
inline Shape3x3 shape_of(const View& x, std::int64_t C, std::int64_t O) {
  return {x.shape[0], x.shape[1], x.shape[2], C, O};
}
}  // namespace detail

/// Whether this sum has these convolutions: 3x3, stride 1, padding 1, channels in whole panels, and pictures of sides for
/// which the direct sum, which skips the padding, does not have fewer multiplications: 2 takes as many, 1 and 3 fewer.
inline bool fits(const View& x, const View& w, WindowSpec spec) {
  const auto side = [](std::int64_t n) { return n >= 4 || n == 2; };
  return spec.kernel == 3 && spec.stride == 1 && spec.padding == 1 && w.shape[0] % 32 == 0 && w.shape[3] % 32 == 0 &&
         side(x.shape[1]) && side(x.shape[2]);
}

/// Whether a convolution and its gradient towards the input are computed here.
inline bool takes(const View& x, const View& w, WindowSpec spec) {
  return x.dtype == DType::f32 && w.dtype == DType::f32 && fits(x, w, spec);
}

/// Whether the statistics of G groups of images are summed on the way: not where the groups would make smaller
/// ones of those that share a weight.
inline bool takes_stats(const View& x, const View& w, std::int64_t G) {
  const std::int64_t tiles = detail::shape_of(x, w.shape[3], w.shape[0]).tiles();
  return G == 1 || tiles / G >= detail::largest_group(w.shape[3], w.shape[0]);
}

/// Whether the gradient towards the weight is. It takes bf16 data too, where the machine has products of pairs: their
/// transforms are rounded to bf16, which the sum over all tiles averages out; the other two passes would add that error
/// to each value, and stay with the direct sum.
inline bool takes_grad_weight(const View& x, const View& dw, WindowSpec spec) {
  const bool data = x.dtype == DType::f32 || (x.dtype == DType::bf16 && simd::has_bf16_dots());
  return data && dw.dtype == DType::f32 && fits(x, dw, spec);
}

inline void conv2d(View x, View w, View y) {
  detail::convolve(x.as<float>(), w.as<float>(), {y.as<float>()}, detail::shape_of(x, w.shape[3], w.shape[0]), false);
}

/// With the mean and variance, (G, O), of G parts of consecutive images.
inline void conv2d_with_stats(View x, View w, View y, View mean, View var) {
  const Shape3x3 s = detail::shape_of(x, w.shape[3], w.shape[0]);
  detail::convolve(x.as<float>(), w.as<float>(), {y.as<float>()}, s, false, mean.shape[0],
                   [&](std::int64_t part, const cpu::detail::PartSums& of) {
                     for (std::int64_t c = 0; c < s.O; ++c)
                       cpu::detail::moments(of.sum()[c], of.square()[c], of.rows(), static_cast<float>(of.pivot()[c]),
                                            mean.as<float>()[part * s.O + c], var.as<float>()[part * s.O + c]);
                   });
}

inline void conv2d_grad_input(View dy, View w, View dx, bool add) {
  detail::convolve(dy.as<float>(), w.as<float>(), {dx.as<float>(), add}, detail::shape_of(dy, w.shape[0], w.shape[3]),
                   true);
}

inline void conv2d_grad_weight(View x, View dy, View dw, bool add) {
  const Shape3x3 s = detail::shape_of(x, dw.shape[3], dw.shape[0]);
  if (x.dtype == DType::bf16)
    detail::weight_gradient(x.as<const bf16>(), dy.as<const bf16>(), dw.as<float>(), s, add);
  else
    detail::weight_gradient(x.as<const float>(), dy.as<const float>(), dw.as<float>(), s, add);
}

}  // namespace contrastive::cpu::winograd
