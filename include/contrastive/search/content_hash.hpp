// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>

namespace contrastive {

/// 128 bits that stand for the content of a file. Equal contents have equal hashes; nobody is kept from making two files
/// of one hash on purpose.
struct ContentHash {
  std::uint64_t low = 0, high = 0;
  friend bool operator==(const ContentHash&, const ContentHash&) = default;
  friend auto operator<=>(const ContentHash&, const ContentHash&) = default;
};

/// 32 hexadecimal digits.
inline std::string to_string(const ContentHash& hash) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint64_t half : {hash.low, hash.high})
    for (int shift = 60; shift >= 0; shift -= 4) text += digits[half >> shift & 15];
  return text;
}

namespace detail {

constexpr std::uint64_t rotate_left(std::uint64_t x, int by) { return x << by | x >> (64 - by); }

constexpr std::uint64_t mix_bits(std::uint64_t x) {
  x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
  return x ^ x >> 33;
}

}  // namespace detail

/// MurmurHash3_x64_128 (Austin Appleby, public domain), for little-endian machines.
inline ContentHash content_hash(std::span<const std::byte> bytes, std::uint64_t seed = 0) {
  using detail::mix_bits, detail::rotate_left;
  constexpr std::uint64_t c1 = 0x87c37b91114253d5u, c2 = 0x4cf5ad432745937fu;
  std::uint64_t h1 = seed, h2 = seed;
  std::array<std::uint64_t, 2> block{};
  std::size_t at = 0;
  for (; at + 16 <= bytes.size(); at += 16) {
    std::memcpy(block.data(), bytes.data() + at, 16);
    h1 = (rotate_left(h1 ^ rotate_left(block[0] * c1, 31) * c2, 27) + h2) * 5 + 0x52dce729;
    h2 = (rotate_left(h2 ^ rotate_left(block[1] * c2, 33) * c1, 31) + h1) * 5 + 0x38495ab5;
  }
  block = {};
  if (at < bytes.size()) std::memcpy(block.data(), bytes.data() + at, bytes.size() - at);
  h2 ^= rotate_left(block[1] * c2, 33) * c1;
  h1 ^= rotate_left(block[0] * c1, 31) * c2;
  h1 ^= bytes.size();
  h2 ^= bytes.size();
  h1 += h2;
  h2 += h1;
  h1 = mix_bits(h1);
  h2 = mix_bits(h2);
  h1 += h2;
  h2 += h1;
  return {h1, h2};
}

}  // namespace contrastive

template <>
struct std::hash<contrastive::ContentHash> {
  std::size_t operator()(const contrastive::ContentHash& hash) const noexcept {
    return static_cast<std::size_t>(hash.low);
  }
};
