// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "contrastive/augment/bytes.hpp"
#include "contrastive/augment/canvas.hpp"
#include "contrastive/augment/drawn.hpp"
#include "contrastive/core/rng.hpp"

namespace contrastive {

namespace detail {

/// Reverses rows in place, sixteen bytes from each end at a time.
struct MirrorRows {
  using V = simd::vec<std::uint8_t, 16>;

  CONTRASTIVE_INLINE static V reversed(const V& v) {
    return __builtin_shufflevector(v, v, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  }

  template <class Isa>
  [[gnu::always_inline]] static void run(std::uint8_t* row, std::int64_t rows, int width) {
    for (std::int64_t y = 0; y < rows; ++y, row += width) {
      int left = 0, right = width;
      for (; right - left >= 32; left += 16, right -= 16) {
        const V a = simd::load<V>(row + left), b = simd::load<V>(row + right - 16);
        simd::store(row + left, reversed(b));
        simd::store(row + right - 16, reversed(a));
      }
      for (--right; left < right; ++left, --right) {
        const std::uint8_t held = row[left];
        row[left] = row[right];
        row[right] = held;
      }
    }
  }
};

}  // namespace detail

/// Left and right exchanged.
inline void hflip(Canvas& canvas) {
  for (int c = 0; c < canvas.channels(); ++c)
    simd::dispatch<detail::MirrorRows>(canvas.plane(c), std::int64_t{canvas.height()}, canvas.width());
}

/// `hflip` with probability `p`.
struct RandomFlip {
  double p = 0.5;

  void operator()(Canvas& canvas, Stream& stream, Drawn& drawn) const {
    if (!stream.chance(p)) return;
    hflip(canvas);
    drawn.flipped = true;
  }
};

}  // namespace contrastive
