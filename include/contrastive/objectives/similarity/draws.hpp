// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include "contrastive/core/rng.hpp"
#include "contrastive/kernels/cpu/simd.hpp"

/// Many draws from one stream, a vector of Philox blocks at a time.
namespace contrastive::similarity {

/// to[i] = the i-th `below(n)` of a new stream with `key`; `whole` turns false, and to is of no use, where the stream may
/// have rejected one.
struct DrawBelow {
  template <class Isa>
  CONTRASTIVE_INLINE static void run(std::uint64_t key, std::uint32_t n, std::int64_t count, std::int64_t* to,
                                     bool* whole) {
    constexpr int L = simd::lanes<Isa, std::uint64_t>;
    using V = simd::vec<std::uint64_t, L>;
    constexpr std::uint64_t word = 0xFFFFFFFFu;
    V block{}, rejected{};
    for (int l = 0; l < L; ++l) block[l] = static_cast<std::uint64_t>(l);
    for (std::int64_t at = 0; at < count; at += 2 * L, block += static_cast<std::uint64_t>(L)) {
      V c0 = block & word, c1 = block >> 32, c2{}, c3{};
      std::uint64_t k0 = key & word, k1 = key >> 32;
      for (int round = 0; round < 10; ++round) {
        const V p0 = c0 * 0xD2511F53u, p1 = c2 * 0xCD9E8D57u;
        c0 = (p1 >> 32) ^ c1 ^ k0;
        c1 = p1 & word;
        c2 = (p0 >> 32) ^ c3 ^ k1;
        c3 = p0 & word;
        k0 = (k0 + 0x9E3779B9u) & word;
        k1 = (k1 + 0xBB67AE85u) & word;
      }
      const V first = scaled(c0, c1, n, rejected), second = scaled(c2, c3, n, rejected);
      for (int l = 0; l < L; ++l) {
        if (at + 2 * l < count) to[at + 2 * l] = static_cast<std::int64_t>(first[l]);
        if (at + 2 * l + 1 < count) to[at + 2 * l + 1] = static_cast<std::int64_t>(second[l]);
      }
    }
    for (int l = 0; l < L; ++l) *whole = *whole && rejected[l] == 0;
  }

 private:
  /// The upper half of 64 bits times n; `rejected` where the lower half is below n.
  template <class V>
  CONTRASTIVE_INLINE static V scaled(const V& high, const V& low, std::uint32_t n, V& rejected) {
    const V part = low * n, sum = high * n + (part >> 32);
    rejected |= (sum << 32 | (part & 0xFFFFFFFFu)) < n ? V{} - 1 : V{};
    return sum >> 32;
  }
};

/// The first numbers `below(n)` of Stream(rng).
inline void draw_below(Rng rng, std::uint64_t n, std::span<std::int64_t> to) {
  bool whole = n >> 32 == 0;
  if (whole)
    simd::dispatch<DrawBelow>(rng.key(), static_cast<std::uint32_t>(n), static_cast<std::int64_t>(to.size()), to.data(),
                              &whole);
  if (whole) return;
  Stream stream(rng);
  for (std::int64_t& number : to) number = static_cast<std::int64_t>(stream.below(n));
}

}  // namespace contrastive::similarity
