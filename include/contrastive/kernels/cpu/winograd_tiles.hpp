// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

#include "contrastive/kernels/cpu/bf16_dots.hpp"
#include "contrastive/kernels/cpu/gemm.hpp"

/// The pieces of a Winograd convolution (winograd.hpp): the transforms of a tile and the product of tiles by channels.
namespace contrastive::cpu::winograd {

struct Shape3x3 {
  std::int64_t N, H, W, C, O;

  std::int64_t across() const { return (W + 1) / 2; }
  std::int64_t down() const { return (H + 1) / 2; }
  std::int64_t tiles() const { return N * down() * across(); }
};

namespace detail {

inline constexpr int positions = 16;

/// Elements from one position's plane to the next: a line of cache more than it needs, for planes a power of two apart
/// would all fall into the same few sets of the cache.
template <class S>
constexpr std::int64_t plane(std::int64_t tiles, std::int64_t channels) {
  return tiles * channels + 64 / static_cast<std::int64_t>(sizeof(S));
}

/// B^T v, A^T v, A v, G v and G^T v on lines `step` apart in a 4x4 (or smaller) array.
template <class V>
CONTRASTIVE_INLINE void input_line(V* v, int step) {
  const V a = v[0] - v[2 * step], b = v[step] + v[2 * step], c = v[2 * step] - v[step], d = v[step] - v[3 * step];
  v[0] = a, v[step] = b, v[2 * step] = c, v[3 * step] = d;
}
template <class V>
CONTRASTIVE_INLINE void output_line(V* v, int step) {
  const V a = v[0] + v[step] + v[2 * step], b = v[step] - v[2 * step] - v[3 * step];
  v[0] = a, v[step] = b;
}
template <class V>
CONTRASTIVE_INLINE void output_gradient_line(V* v, int step) {
  const V a = v[0], b = v[step];
  v[step] = a + b, v[2 * step] = a - b, v[3 * step] = -b;
}
template <int side, class V>
CONTRASTIVE_INLINE void transform_line(V* v, int step) {
  if constexpr (side == 4)
    input_line(v, step);
  else
    output_gradient_line(v, step);
}
template <class V>
CONTRASTIVE_INLINE void weight_line(V* v, int step) {
  const V a = v[0], b = v[step], c = v[2 * step], ends = (a + c) * 0.5f, middle = b * 0.5f;
  v[step] = ends + middle, v[2 * step] = ends - middle, v[3 * step] = c;
}
template <class V>
CONTRASTIVE_INLINE void weight_gradient_line(V* v, int step) {
  const V sum = (v[step] + v[2 * step]) * 0.5f, difference = (v[step] - v[2 * step]) * 0.5f;
  v[0] += sum, v[step] = difference, v[2 * step] = sum + v[3 * step];
}

/// The pixels of tile `tile` of an (N, H, W, channels) array: `side` by `side` of them, the first at row 2 ty - pad;
/// those outside are null. Whether all are inside.
template <int side, class T>
CONTRASTIVE_INLINE bool pixels(T* data, const Shape3x3& s, std::int64_t channels, std::int64_t tile, int pad, T** at) {
  const std::int64_t tx = tile % s.across(), ty = tile / s.across() % s.down(), n = tile / s.across() / s.down();
  bool whole = true;
  for (int i = 0; i < side; ++i)
    for (int j = 0; j < side; ++j) {
      const std::int64_t y = 2 * ty - pad + i, x = 2 * tx - pad + j;
      const bool inside = y >= 0 && y < s.H && x >= 0 && x < s.W;
      at[i * side + j] = inside ? data + ((n * s.H + y) * s.W + x) * channels : nullptr;
      whole = whole && inside;
    }
  return whole;
}

/// Tiles [first, first + count) of `x`, transformed, to out[position][channel / width][tile][channel % width]; `group`
/// tiles have room. `side` 4: inputs (B^T d B); 2: gradients of outputs (A dy A^T). In bf16 two tiles share a place,
/// out[position][channel / width][tile / 2][channel % width][2], as the products of pairs want them.
template <class Isa, int side, class S>
CONTRASTIVE_INLINE void transform_tiles(const S* x, const Shape3x3& s, std::int64_t channels, std::int64_t first,
                                        std::int64_t count, std::int64_t group, int width, S* out) {
  constexpr int L = simd::lanes<Isa, float>, together = simd::terms<S>;
  using V = simd::vec<float, L>;
  for (std::int64_t t = 0; t < count; t += together) {
    const S* at[together][side * side];
    bool whole[together];
    for (int k = 0; k < together; ++k) {
      whole[k] = t + k < count && pixels<side>(x, s, channels, first + t + k, side == 4 ? 1 : 0, at[k]);
      if (t + k >= count) std::fill(at[k], at[k] + side * side, nullptr);
    }
    for (std::int64_t c = 0; c < channels; c += L) {
      V v[together][positions];
#pragma GCC unroll 2
      for (int k = 0; k < together; ++k) {
        if (whole[k]) {
#pragma GCC unroll 16
          for (int i = 0; i < side * side; ++i) v[k][i / side * 4 + i % side] = simd::load<V>(at[k][i] + c);
        } else {
#pragma GCC unroll 16
          for (int i = 0; i < side * side; ++i)
            v[k][i / side * 4 + i % side] = at[k][i] ? simd::load<V>(at[k][i] + c) : V{};
        }
#pragma GCC unroll 4
        for (int j = 0; j < side; ++j) transform_line<side>(v[k] + j, 4);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) transform_line<side>(v[k] + 4 * i, 1);
      }
      S* const to = out + (c / width * group + t) * width + c % width * together;
#pragma GCC unroll 16
      for (int p = 0; p < positions; ++p) {
        if constexpr (together == 1) {
          simd::store(to + p * plane<S>(group, channels), v[0][p]);
        } else {
#if defined(CONTRASTIVE_BF16_DOTS)
          simd::store(reinterpret_cast<std::uint16_t*>(to + p * plane<S>(group, channels)),
                      simd::round_to_pairs(v[0][p], v[1][p]));
#endif
        }
      }
    }
  }
}

/// y[i][0, 2 L) (+)= sum over `blocks` blocks of `inner` terms of a[block * a_block + i * I + k * K] b[term][0, 2 L).
/// In bf16 a term is a pair, two elements wide.
template <class Isa, int rows, int I, int K, class S>
CONTRASTIVE_INLINE void multiply(const S* a, std::int64_t a_block, std::int64_t blocks, std::int64_t inner, const S* b,
                                 float* y, std::int64_t y_row, bool add) {
  constexpr int L = simd::lanes<Isa, float>, wide = simd::terms<S>;
  using V = simd::vec<float, L>;
  V sum[rows][2] = {};
  for (std::int64_t block = 0; block < blocks; ++block, a += a_block) {
    const S* at = a;
    for (std::int64_t k = 0; k < inner; ++k, at += K * wide, b += 2 * L * wide) {
      const auto left = simd::load_terms<V>(b), right = simd::load_terms<V>(b + L * wide);
#pragma GCC unroll 12
      for (int i = 0; i < rows; ++i) {
        sum[i][0] = simd::add_product(sum[i][0], at + i * I * wide, left);
        sum[i][1] = simd::add_product(sum[i][1], at + i * I * wide, right);
      }
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < rows; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      float* to = y + i * y_row + v * L;
      simd::store(to, add ? simd::load<V>(to) + sum[i][v] : sum[i][v]);
    }
}

/// What a later group of tiles reads, fetched line by line while the arithmetic leaves the memory idle.
class Ahead {
 public:
  /// The pixels of tiles [first, first + count) of an (N, H, W, channels) array but for the row above them, which the
  /// tiles before have read too, in `calls` parts.
  template <class T>
  Ahead(const T* x, const Shape3x3& s, std::int64_t channels, std::int64_t first, std::int64_t count,
        std::int64_t calls) {
    const std::int64_t pixels = s.N * s.H * s.W;
    const auto place = [&](std::int64_t tile) {
      return reinterpret_cast<const char*>(x + std::min(pixels, tile * pixels / s.tiles() + s.W) * channels);
    };
    at_ = place(first), end_ = place(first + count);
    part_ = (end_ - at_ + calls - 1) / calls;
  }
  CONTRASTIVE_INLINE void fetch() {
    for (const char* const stop = std::min(end_, at_ + part_); at_ < stop; at_ += 64) __builtin_prefetch(at_, 0, 2);
  }

 private:
  const char *at_, *end_;
  std::int64_t part_;
};

/// Channels that a product writes at once: those of the matrix product's tile.
inline std::int64_t panel_width() { return cpu::detail::tile_size<float>().columns; }

constexpr std::int64_t in_steps(std::int64_t n, std::int64_t step) { return (n + step - 1) / step; }

}  // namespace detail

}  // namespace contrastive::cpu::winograd
