// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "contrastive/ops/matmul.hpp"

/// Positions of the patches of a picture, a row each, row by row of the grid.
namespace contrastive {

enum class SinCosOrder {
  mae,      // [sin x, cos x, sin y, cos y], x the column (facebookresearch/mae, util/pos_embed.py)
  moco_v3,  // [sin y, cos y, sin x, cos x], y the row (facebookresearch/moco-v3, vits.py: its "w" runs over rows)
};

/// Fixed positions (height * width, D): sines and cosines of each coordinate at D / 4 frequencies 10000^(-k / (D / 4)).
inline Tensor sincos_positions(std::int64_t height, std::int64_t width, std::int64_t D, SinCosOrder order) {
  require(D % 4 == 0, "[positions] sine-cosine positions need a width that is a multiple of 4, got ", D);
  const Tensor table({height * width, D});
  float* out = table.data<float>();
  const std::int64_t quarter = D / 4;
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x, out += D)
      for (std::int64_t k = 0; k < quarter; ++k) {
        const double omega = std::pow(10000.0, -static_cast<double>(k) / static_cast<double>(quarter));
        const double a = omega * static_cast<double>(order == SinCosOrder::mae ? x : y);
        const double b = omega * static_cast<double>(order == SinCosOrder::mae ? y : x);
        out[k] = static_cast<float>(std::sin(a));
        out[quarter + k] = static_cast<float>(std::cos(a));
        out[2 * quarter + k] = static_cast<float>(std::sin(b));
        out[3 * quarter + k] = static_cast<float>(std::cos(b));
      }
  return table;
}

enum class PositionResize {
  dino,       // a = -0.75, coordinates by the factor (out + 0.1) / in (facebookresearch/dino, interpolate_pos_encoding)
  plain,      // a = -0.75, coordinates by out / in
  antialias,  // a = -0.5, wider when shrinking, renormalised at the borders (timm and open_clip)
};

namespace detail {

/// Keys' cubic (1981).
inline double cubic(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/// What each of `out` places takes from `in` ones, (out, in) in f64.
inline Tensor cubic_weights(std::int64_t in, std::int64_t out, PositionResize way) {
  const Tensor weights = Tensor::zeros({out, in}, DType::f64);
  const double scale = way == PositionResize::dino ? static_cast<double>(in) / (static_cast<double>(out) + 0.1)
                                                   : static_cast<double>(in) / static_cast<double>(out);
  for (std::int64_t i = 0; i < out; ++i) {
    double* const row = weights.data<double>() + i * in;
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    if (way == PositionResize::antialias) {
      const double wide = std::max(scale, 1.0);
      const std::int64_t first = std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - 2 * wide + 0.5));
      const std::int64_t last = std::min(in, static_cast<std::int64_t>(centre + 2 * wide + 0.5));
      double total = 0;
      for (std::int64_t j = first; j < last; ++j)
        total += row[j] = cubic((static_cast<double>(j) - centre + 0.5) / wide, -0.5);
      for (std::int64_t j = first; j < last; ++j) row[j] /= total;
    } else {
      const double at = std::floor(centre - 0.5);
      for (int tap = -1; tap <= 2; ++tap)
        row[std::clamp<std::int64_t>(static_cast<std::int64_t>(at) + tap, 0, in - 1)] +=
            cubic(centre - 0.5 - at - tap, -0.75);
    }
  }
  return weights;
}

}  // namespace detail

/// Positions of a grid (from_h * from_w, D) for another grid, bicubic: one product, so that gradients pass.
inline Tensor resize_positions(const Tensor& positions, std::int64_t from_h, std::int64_t from_w, std::int64_t to_h,
                               std::int64_t to_w, PositionResize way) {
  require(positions.rank() == 2 && positions.size(0) == from_h * from_w && to_h > 0 && to_w > 0,
          "[positions] expected (", from_h, " * ", from_w, ", D), got ", positions.shape(), " for a grid of ", to_h,
          " x ", to_w);
  const Tensor down = detail::cubic_weights(from_h, to_h, way), across = detail::cubic_weights(from_w, to_w, way);
  const Tensor both({to_h * to_w, from_h * from_w}, DType::f64);
  double* out = both.data<double>();
  for (std::int64_t y = 0; y < to_h; ++y)
    for (std::int64_t x = 0; x < to_w; ++x)
      for (std::int64_t v = 0; v < from_h; ++v)
        for (std::int64_t u = 0; u < from_w; ++u)
          *out++ = down.data<double>()[y * from_h + v] * across.data<double>()[x * from_w + u];
  return matmul(both.to(positions.dtype()).to(positions.device()), positions);
}

}  // namespace contrastive
