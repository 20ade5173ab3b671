// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

namespace contrastive {

namespace detail {

/// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
struct Philox {
  std::uint32_t words[4];

  static constexpr Philox at(std::uint64_t key, std::uint64_t counter, std::uint64_t lane = 0) {
    std::uint32_t c0 = static_cast<std::uint32_t>(counter), c1 = static_cast<std::uint32_t>(counter >> 32);
    std::uint32_t c2 = static_cast<std::uint32_t>(lane), c3 = static_cast<std::uint32_t>(lane >> 32);
    std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c0, p1 = std::uint64_t{0xCD9E8D57u} * c2;
      c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
      c1 = static_cast<std::uint32_t>(p1);
      c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
      c3 = static_cast<std::uint32_t>(p0);
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
  }
};

}  // namespace detail

/// A place in the tree of random streams. `Rng(seed) / "augment" / step / sample` names one stream; the same name
/// gives the same numbers whatever was drawn elsewhere, on any thread and after any restart.
class Rng {
 public:
  explicit constexpr Rng(std::uint64_t seed = 0) : key_(mix(seed + 0x9E3779B97F4A7C15ull)) {}

  friend constexpr Rng operator/(Rng rng, std::uint64_t child) {
    rng.key_ = mix(rng.key_ ^ mix(child + 0xD1B54A32D192ED03ull));
    return rng;
  }
  friend constexpr Rng operator/(Rng rng, std::string_view child) {
    std::uint64_t hash = 0xCBF29CE484222325ull;  // FNV-1a
    for (char c : child) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
    rng.key_ = mix(rng.key_ + hash);
    return rng;
  }

  constexpr std::uint64_t key() const { return key_; }

 private:
  static constexpr std::uint64_t mix(std::uint64_t z) {  // SplitMix64's finaliser
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  std::uint64_t key_;
};

/// Sequential draws from one stream. Copying copies the position.
class Stream {
 public:
  explicit constexpr Stream(Rng rng) : key_(rng.key()) {}

  constexpr std::uint32_t bits() {
    if (used_ == 4) {
      block_ = detail::Philox::at(key_, counter_++);
      used_ = 0;
    }
    return block_.words[used_++];
  }
  constexpr std::uint64_t bits64() {
    const std::uint64_t high = bits();
    return (high << 32) | bits();
  }

  /// In [0, 1), 53 bits.
  constexpr double uniform() { return static_cast<double>(bits64() >> 11) * 0x1.0p-53; }
  constexpr double uniform(double low, double high) { return low + (high - low) * uniform(); }
  constexpr bool chance(double probability) { return uniform() < probability; }

  /// Uniform integer in [0, n), without bias (Lemire 2019); n > 0.
  constexpr std::uint64_t below(std::uint64_t n) {
    for (;;) {
      const unsigned __int128 product = static_cast<unsigned __int128>(bits64()) * n;
      const auto low = static_cast<std::uint64_t>(product);
      if (low >= n || low >= (0 - n) % n) return static_cast<std::uint64_t>(product >> 64);  // the division is rare
    }
  }

  /// Standard normal, by Box and Muller; the second value of each pair is dropped to keep the stream simple.
  double normal() {
    const double u = 1.0 - uniform(), v = uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v);
  }

  /// Fisher and Yates.
  template <class Range>
  constexpr void shuffle(Range& range) {
    for (std::size_t i = range.size(); i > 1; --i) {
      const std::size_t j = below(i);
      auto held = range[i - 1];
      range[i - 1] = range[j];
      range[j] = held;
    }
  }

 private:
  std::uint64_t key_;
  std::uint64_t counter_ = 0;
  detail::Philox block_{};
  int used_ = 4;
};

}  // namespace contrastive
