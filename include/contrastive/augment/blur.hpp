// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include "contrastive/augment/bytes.hpp"
#include "contrastive/augment/canvas.hpp"
#include "contrastive/augment/drawn.hpp"
#include "contrastive/core/rng.hpp"

namespace contrastive {

namespace detail {

/// Position of pixel i of a row of n continued by reflection about its end pixels (`reflect`: 2 1 | 0 1 2).
inline int reflected(int i, int n) {
  if (n == 1) return 0;
  const int period = 2 * (n - 1);
  i = std::abs(i) % period;
  return i < n ? i : period - i;
}

struct GaussianKernel {
  const std::uint8_t* plane;
  std::uint8_t* out;
  int height, width, radius;
  const float* weights;  // [0] is the middle
  float* line;           // one row with `radius` reflected pixels at each end
  float* middle;         // (height, pitch)
  std::int64_t pitch;
  const float** rows;  // height + 2 radius pointers into `middle`

  template <class Isa>
  [[gnu::always_inline]] static void run(const GaussianKernel* p) {
    p->horizontal<Isa>();
    p->vertical<Isa>();
  }

  template <class Isa>
  CONTRASTIVE_INLINE void horizontal() const {
    using F = Floats<Isa>;
    constexpr int N = pixel_lanes<Isa>;
    for (int y = 0; y < height; ++y) {
      const std::uint8_t* from = plane + std::int64_t{y} * width;
      float* centre = line + radius;
      for (int x = 0; x < width; x += N) simd::store(centre + x, to_floats<Isa>(load_bytes<Isa>(from + x)));
      for (int i = 1; i <= radius; ++i) {
        centre[-i] = from[reflected(-i, width)];
        centre[width - 1 + i] = from[reflected(width - 1 + i, width)];
      }
      float* to = middle + y * pitch;
      for (int x = 0; x < width; x += N) {
        F sum = simd::load<F>(centre + x) * weights[0];
        for (int k = 1; k <= radius; ++k) {
          const F pair = simd::load<F>(centre + x - k) + simd::load<F>(centre + x + k);
          sum = sum + rounded(pair * weights[k]);
        }
        simd::store(to + x, sum);
      }
    }
  }

  template <class Isa>
  CONTRASTIVE_INLINE void vertical() const {
    using F = Floats<Isa>;
    constexpr int N = pixel_lanes<Isa>;
    for (int y = 0; y < height; ++y) {
      const float* const* row = rows + y + radius;
      std::uint8_t* to = out + std::int64_t{y} * width;
      for (int x = 0; x < width; x += N) {
        F sum = simd::load<F>(row[0] + x) * weights[0];
        for (int k = 1; k <= radius; ++k) {
          const F pair = simd::load<F>(row[-k] + x) + simd::load<F>(row[k] + x);
          sum = sum + rounded(pair * weights[k]);
        }
        sum = simd::min(sum + 0.5f, simd::splat<F>(255.f));
        store_bytes<Isa>(to + x, to_ints<Isa>(sum));
      }
    }
  }
};

/// Transposes a plane of (height, width) with row pitch `from_pitch` into (width, height) with pitch `to_pitch`. Both
/// sides are read and written in whole tiles of 16 x 16, so both need room for sizes rounded up to 16.
struct TransposePlane {
  template <class Isa>
  [[gnu::always_inline]] static void run(const std::uint8_t* from, std::int64_t from_pitch, std::uint8_t* to,
                                         std::int64_t to_pitch, int height, int width) {
    for (int y = 0; y < height; y += 16)
      for (int x = 0; x < width; x += 16) {
        simd::vec<std::uint8_t, 16> tile[16];
#pragma GCC unroll 16
        for (int i = 0; i < 16; ++i) std::memcpy(&tile[i], from + std::min(y + i, height - 1) * from_pitch + x, 16);
        transpose16(tile);
        const int columns = std::min(16, width - x);
        for (int i = 0; i < columns; ++i) std::memcpy(to + (x + i) * to_pitch + y, &tile[i], 16);
      }
  }
};

/// One vertical box pass of Pillow's BoxBlur.c on (rows, pitch): a window of 2 l + 1 pixels of weight `inner` and one
/// more of weight `outer` at each end, edge pixels repeated. Running sums make the cost independent of the radius.
struct BoxPass {
  template <class Isa>
  [[gnu::always_inline]] static void run(const std::uint8_t* from, std::uint8_t* to, std::int64_t pitch, int rows,
                                         int length, std::uint32_t inner, std::uint32_t outer) {
    using U = simd::vec<std::uint32_t, pixel_lanes<Isa>>;
    const U inside = simd::splat<U>(inner), at_ends = simd::splat<U>(outer), half = simd::splat<U>(1u << 23);
    const int full_from = std::min(length + 1, rows), full_to = std::max(rows - length - 1, full_from);
    for (std::int64_t x = 0; x < pitch; x += pixel_lanes<Isa>) {
      const std::uint8_t* column = from + x;
      U window{};  // sum of rows y - length .. y + length
      for (int y = -length; y < length; ++y) window += row<Isa>(column, pitch, rows, y);
      for (int y = 0; y < rows; ++y) {
        U first, entering, before, after;
        if (y >= full_from && y < full_to) {
          const std::uint8_t* low = column + (y - length) * pitch;
          const std::uint8_t* high = column + (y + length) * pitch;
          before = load<Isa>(low - pitch), first = load<Isa>(low);
          entering = load<Isa>(high), after = load<Isa>(high + pitch);
        } else {
          before = row<Isa>(column, pitch, rows, y - length - 1), first = row<Isa>(column, pitch, rows, y - length);
          entering = row<Isa>(column, pitch, rows, y + length), after = row<Isa>(column, pitch, rows, y + length + 1);
        }
        window += entering;
        const U sum = window * inside + (before + after) * at_ends + half;
        store_bytes<Isa>(to + y * pitch + x, simd::bit_cast<Ints<Isa>>(sum >> 24));
        window -= first;
      }
    }
  }

  template <class Isa>
  CONTRASTIVE_INLINE static simd::vec<std::uint32_t, pixel_lanes<Isa>> load(const std::uint8_t* from) {
    return simd::bit_cast<simd::vec<std::uint32_t, pixel_lanes<Isa>>>(load_bytes<Isa>(from));
  }

  template <class Isa>
  CONTRASTIVE_INLINE static simd::vec<std::uint32_t, pixel_lanes<Isa>> row(const std::uint8_t* from, std::int64_t pitch,
                                                                           int rows, int y) {
    return load<Isa>(from + (y < 0 ? 0 : y < rows ? y : rows - 1) * pitch);
  }
};

}  // namespace detail

/// True Gaussian of `kernel` (odd) pixels, borders reflected, as torchvision's gaussian_blur and the TensorFlow codes
/// have it (those cut zeros in at the border). The weights exp(-x^2 / 2 sigma^2) are normalised over the kernel; the
/// result is rounded once. Taps whose weight is below 1e-9 are left out.
inline void gaussian_blur(Canvas& canvas, double sigma, int kernel) {
  require(kernel > 0 && kernel % 2 == 1, "[gaussian_blur] expected an odd kernel, got ", kernel);
  require(sigma > 0 && std::isfinite(sigma), "[gaussian_blur] expected a positive sigma, got ", sigma);
  struct Workspace {
    detail::GrowingBuffer<float> weights, line, middle;
    detail::GrowingBuffer<const float*> rows;
  };
  thread_local Workspace work;
  int radius = kernel / 2;
  float* weights = work.weights.ensure(static_cast<std::size_t>(radius) + 1);
  double total = 1.0;
  for (int k = 1; k <= radius; ++k) total += 2.0 * std::exp(-0.5 * (k / sigma) * (k / sigma));
  for (int k = 0; k <= radius; ++k) weights[k] = static_cast<float>(std::exp(-0.5 * (k / sigma) * (k / sigma)) / total);
  while (radius > 0 && weights[radius] < 1e-9f) --radius;

  const int height = canvas.height(), width = canvas.width();
  detail::GaussianKernel pass{};
  pass.height = height, pass.width = width, pass.radius = radius, pass.weights = weights;
  pass.pitch = (width + 15) / 16 * 16;
  pass.line = work.line.ensure(static_cast<std::size_t>(pass.pitch) + 2 * static_cast<std::size_t>(radius) + 16);
  pass.middle = work.middle.ensure(static_cast<std::size_t>(pass.pitch) * height);
  const float** rows = work.rows.ensure(static_cast<std::size_t>(height) + 2 * static_cast<std::size_t>(radius));
  for (int y = -radius; y < height + radius; ++y)
    rows[y + radius] = pass.middle + detail::reflected(y, height) * pass.pitch;
  pass.rows = rows;
  for (int c = 0; c < canvas.channels(); ++c) {
    pass.plane = pass.out = canvas.plane(c);
    simd::dispatch<detail::GaussianKernel>(&std::as_const(pass));
  }
}

/// Pillow's GaussianBlur(radius = sigma), bit for bit: three box passes across and three down, 8 bits between. At
/// sigma 2 it differs visibly from a true Gaussian. Source: Pillow BoxBlur.c, after Gwosdek et al. 2011.
inline void pillow_blur(Canvas& canvas, double sigma) {
  require(sigma >= 0 && std::isfinite(sigma), "[pillow_blur] expected a sigma of at least 0, got ", sigma);
  // Box of the variance sigma^2 / 3, in float32 as Pillow computes it.
  const float s = static_cast<float>(sigma);
  const float variance = s * s / 3;
  const float side = static_cast<float>(std::sqrt(12.0 * static_cast<double>(variance) + 1.0));
  const float l = std::floor((side - 1.f) / 2.f), l1 = l + 1.f;
  const float missing = detail::rounded(l * l1) - detail::rounded(3.f * variance);
  const float excess = variance - detail::rounded(l1 * l1);
  const float radius = l + (2.f * l + 1.f) * missing / (6.f * excess);
  if (!(radius > 0)) return;
  const int length = static_cast<int>(radius);
  const auto inner = static_cast<std::uint32_t>(0x1p24f / (radius * 2.f + 1.f));
  const std::uint32_t outer = ((1u << 24) - (2u * static_cast<std::uint32_t>(length) + 1u) * inner) / 2u;

  struct Workspace {
    detail::GrowingBuffer<std::uint8_t> front, back;
  };
  thread_local Workspace work;
  const int height = canvas.height(), width = canvas.width();
  const std::int64_t tall = (height + 15) / 16 * 16, wide = (width + 15) / 16 * 16;
  std::uint8_t* front = work.front.ensure(static_cast<std::size_t>(tall * wide));
  std::uint8_t* back = work.back.ensure(static_cast<std::size_t>(tall * wide));
  const auto three = [&](std::int64_t pitch, int rows) {  // ends in `back`
    simd::dispatch<detail::BoxPass>(static_cast<const std::uint8_t*>(front), back, pitch, rows, length, inner, outer);
    simd::dispatch<detail::BoxPass>(static_cast<const std::uint8_t*>(back), front, pitch, rows, length, inner, outer);
    simd::dispatch<detail::BoxPass>(static_cast<const std::uint8_t*>(front), back, pitch, rows, length, inner, outer);
  };
  for (int c = 0; c < canvas.channels(); ++c) {
    simd::dispatch<detail::TransposePlane>(static_cast<const std::uint8_t*>(canvas.plane(c)), std::int64_t{width},
                                           front, tall, height, width);
    three(tall, width);
    simd::dispatch<detail::TransposePlane>(static_cast<const std::uint8_t*>(back), tall, front, wide, width, height);
    three(wide, height);
    for (int y = 0; y < height; ++y) std::memcpy(canvas.row(c, y), back + y * wide, static_cast<std::size_t>(width));
  }
}

/// `gaussian_blur` with a sigma drawn from a range. The TensorFlow and OpenCV codes take a kernel of a tenth of the
/// side: 23 at 224 pixels (`gaussian_kernel`).
struct GaussianBlur {
  Range sigma{0.1, 2.0};
  int kernel = 23;

  void operator()(Canvas& canvas, Stream& stream, Drawn& drawn) const {
    drawn.sigma = stream.uniform(sigma.low, sigma.high);
    gaussian_blur(canvas, drawn.sigma, kernel);
  }
};

/// 2 (size / 10 / 2) + 1, at least 3. (google-research/simclr data_util.py)
constexpr int gaussian_kernel(int size) { return size < 20 ? 3 : 2 * (size / 10 / 2) + 1; }

/// `pillow_blur` with a sigma drawn from a range. (facebookresearch/moco loader.py, swav, dino)
struct PillowBlur {
  Range sigma{0.1, 2.0};

  void operator()(Canvas& canvas, Stream& stream, Drawn& drawn) const {
    drawn.sigma = stream.uniform(sigma.low, sigma.high);
    pillow_blur(canvas, drawn.sigma);
  }
};

}  // namespace contrastive
