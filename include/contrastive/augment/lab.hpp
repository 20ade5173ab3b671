// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "contrastive/augment/bytes.hpp"
#include "contrastive/augment/canvas.hpp"

/// The last step of CMC's views: 8-bit RGB becomes another colour space in floats, each channel (x - mean) / std.
namespace contrastive {

namespace detail {

/// 256 values for each of the three inputs of each of three outputs: a linear map is three look-ups and two sums, the
/// same on every machine.
using ChannelTables = std::array<std::array<std::array<double, 256>, 3>, 3>;

template <class Value>
ChannelTables channel_tables(const double (&matrix)[3][3], Value&& value) {
  ChannelTables tables;
  for (std::size_t out = 0; out < 3; ++out)
    for (std::size_t in = 0; in < 3; ++in)
      for (std::size_t level = 0; level < 256; ++level)
        tables[out][in][level] = matrix[out][in] * value(static_cast<double>(level) / 255);
  return tables;
}

inline double mixed(const ChannelTables& tables, std::size_t out, const std::uint8_t* rgb) {
  return tables[out][0][rgb[0]] + tables[out][1][rgb[1]] + tables[out][2][rgb[2]];
}

/// f(rgb, triple) of each pixel, the triple then normalised and written.
template <class F>
void write_triples(const char* op, const Canvas& canvas, const std::array<double, 3>& mean,
                   const std::array<double, 3>& std, float* out, F&& f) {
  require(canvas.channels() == 3, "[", op, "] expected an RGB view, got ", canvas.channels(), " channel");
  for (std::int64_t i = 0; i < canvas.count(); ++i, out += 3) {
    const std::uint8_t rgb[3] = {canvas.plane(0)[i], canvas.plane(1)[i], canvas.plane(2)[i]};
    double triple[3];
    f(rgb, triple);
    for (std::size_t c = 0; c < 3; ++c) out[c] = static_cast<float>((triple[c] - mean[c]) / std[c]);
  }
}

}  // namespace detail

/// CIE L*a*b* of sRGB under D65 and the 2 degree observer, as skimage.color.rgb2lab gives it: L in [0, 100], a and b
/// about [-128, 127]. The defaults are CMC's statistics. (HobbitLong/CMC, dataset.py, train_CMC.py)
struct Lab {
  std::array<double, 3> mean{50, 6.025, -6.6895};
  std::array<double, 3> std{50, 92.208, 101.1675};

  /// `out` takes height * width * 3 floats.
  void write(const Canvas& canvas, float* out) const {
    // sRGB to XYZ, each row over the white point.
    static const detail::ChannelTables xyz =
        detail::channel_tables({{0.412453 / 0.95047, 0.357580 / 0.95047, 0.180423 / 0.95047},
                                {0.212671, 0.715160, 0.072169},
                                {0.019334 / 1.08883, 0.119193 / 1.08883, 0.950227 / 1.08883}},
                               [](double v) { return v > 0.04045 ? std::pow((v + 0.055) / 1.055, 2.4) : v / 12.92; });
    detail::write_triples("lab", canvas, mean, std, out, [](const std::uint8_t* rgb, double* lab) {
      double root[3];
      for (std::size_t c = 0; c < 3; ++c) {
        const double t = detail::mixed(xyz, c, rgb);
        root[c] = t > 0.008856 ? std::cbrt(t) : 7.787 * t + 16.0 / 116;
      }
      lab[0] = 116 * root[1] - 16;
      lab[1] = 500 * (root[0] - root[1]);
      lab[2] = 200 * (root[1] - root[2]);
    });
  }
};

/// ITU-R BT.601 as skimage.color.rgb2ycbcr gives it: Y in [16, 235], Cb and Cr in [16, 240]. The defaults are CMC's
/// statistics; the authors find it half a percent to one better than Lab.
struct YCbCr {
  std::array<double, 3> mean{116.151, 121.080, 132.342};
  std::array<double, 3> std{109.500, 111.855, 111.964};

  /// `out` takes height * width * 3 floats.
  void write(const Canvas& canvas, float* out) const {
    static const detail::ChannelTables ycbcr = detail::channel_tables(
        {{65.481, 128.553, 24.966}, {-37.797, -74.203, 112.0}, {112.0, -93.786, -18.214}}, [](double v) { return v; });
    detail::write_triples("ycbcr", canvas, mean, std, out, [](const std::uint8_t* rgb, double* triple) {
      for (std::size_t c = 0; c < 3; ++c) triple[c] = detail::mixed(ycbcr, c, rgb) + (c == 0 ? 16 : 128);
    });
  }
};

}  // namespace contrastive
