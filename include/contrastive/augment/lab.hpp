// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "contrastive/augment/bytes.hpp"
#include "contrastive/augment/canvas.hpp"
#include "contrastive/augment/normalize.hpp"

/// The last step of CMC's views: 8-bit RGB becomes another colour space in floats, each channel (x - mean) / std.
namespace contrastive {

namespace detail {

/// 256 values for each of the three inputs of each of three outputs: a linear map is three look-ups and two sums, the
/// same on every machine.
using Matrix3 = std::array<std::array<double, 3>, 3>;
using ChannelTables = std::array<std::array<std::array<double, 256>, 3>, 3>;

template <class Value>
ChannelTables channel_tables(const Matrix3& matrix, Value&& value) {
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

inline Matrix3 inverse(const Matrix3& m) {
  const auto minor = [&](std::size_t i, std::size_t j) {
    const std::size_t a = (i + 1) % 3, b = (i + 2) % 3, c = (j + 1) % 3, d = (j + 2) % 3;
    return m[a][c] * m[b][d] - m[a][d] * m[b][c];
  };
  const double determinant = m[0][0] * minor(0, 0) + m[0][1] * minor(0, 1) + m[0][2] * minor(0, 2);
  Matrix3 result;
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) result[j][i] = minor(i, j) / determinant;
  return result;
}
inline std::array<double, 3> product(const Matrix3& m, const std::array<double, 3>& x) {
  std::array<double, 3> y{};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) y[i] += m[i][j] * x[j];
  return y;
}

/// sRGB without its gamma to XYZ over the white point, and sRGB to Y'CbCr.
inline constexpr Matrix3 xyz_of_rgb{{{0.412453 / 0.95047, 0.357580 / 0.95047, 0.180423 / 0.95047},
                                     {0.212671, 0.715160, 0.072169},
                                     {0.019334 / 1.08883, 0.119193 / 1.08883, 0.950227 / 1.08883}}};
inline constexpr Matrix3 ycbcr_of_rgb{
    {{65.481, 128.553, 24.966}, {-37.797, -74.203, 112.0}, {112.0, -93.786, -18.214}}};

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
    static const detail::ChannelTables xyz = detail::channel_tables(
        detail::xyz_of_rgb, [](double v) { return v > 0.04045 ? std::pow((v + 0.055) / 1.055, 2.4) : v / 12.92; });
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
  /// The picture that `write` made such numbers (H, W, 3) of.
  Image picture(const float* numbers, int height, int width, int channels) const {
    static const detail::Matrix3 rgb_of_xyz = detail::inverse(detail::xyz_of_rgb);
    return detail::read_back(numbers, height, width, channels, mean, std, [](std::array<double, 3>& pixel) {
      const double y = (pixel[0] + 16) / 116;
      std::array<double, 3> xyz{y + pixel[1] / 500, y, y - pixel[2] / 200};
      for (double& f : xyz) f = f * f * f > 0.008856 ? f * f * f : (f - 16.0 / 116) / 7.787;
      pixel = detail::product(rgb_of_xyz, xyz);
      for (double& v : pixel) v = v > 0.0031308 ? 1.055 * std::pow(v, 1 / 2.4) - 0.055 : 12.92 * v;
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
    static const detail::ChannelTables ycbcr = detail::channel_tables(detail::ycbcr_of_rgb, [](double v) { return v; });
    detail::write_triples("ycbcr", canvas, mean, std, out, [](const std::uint8_t* rgb, double* triple) {
      for (std::size_t c = 0; c < 3; ++c) triple[c] = detail::mixed(ycbcr, c, rgb) + (c == 0 ? 16 : 128);
    });
  }
  /// The picture that `write` made such numbers (H, W, 3) of.
  Image picture(const float* numbers, int height, int width, int channels) const {
    static const detail::Matrix3 rgb_of_ycbcr = detail::inverse(detail::ycbcr_of_rgb);
    return detail::read_back(numbers, height, width, channels, mean, std, [](std::array<double, 3>& pixel) {
      pixel = detail::product(rgb_of_ycbcr, {pixel[0] - 16, pixel[1] - 128, pixel[2] - 128});
    });
  }
};

}  // namespace contrastive
