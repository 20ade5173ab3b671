// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace contrastive::detail {

/// Ids of words of 1 to 15 bytes, by open addressing: one look for most words, and no allocation.
class WordTable {
 public:
  static constexpr std::size_t longest = 15;
  /// So many bytes from the end of a word on must be readable.
  static constexpr std::size_t padding = 16;

  /// Room for `words` of them.
  explicit WordTable(std::size_t words = 0) : keys_(std::bit_ceil(2 * words + 1), Key{0, 0}), ids_(keys_.size()) {}

  void add(std::string_view word, std::int32_t id) {
    char padded[2 * padding] = {};
    std::memcpy(padded, word.data(), word.size());
    const Key key = key_of(padded, word.size());
    std::size_t slot = slot_of(key);
    while (keys_[slot].high != 0) slot = (slot + 1) & (keys_.size() - 1);
    keys_[slot] = key;
    ids_[slot] = id;
  }

  /// The id of a word of 1 to 15 bytes, -1 if it is not here.
  std::int32_t find(const char* word, std::size_t length) const {
    const Key key = key_of(word, length);
    for (std::size_t slot = slot_of(key);; slot = (slot + 1) & (keys_.size() - 1)) {
      if (keys_[slot].low == key.low && keys_[slot].high == key.high) return ids_[slot];
      if (keys_[slot].high == 0) return -1;
    }
  }

 private:
  struct Key {
    std::uint64_t low, high;  // the bytes, and their number as the sixteenth: high is 0 where there is no word
  };

  static Key key_of(const char* word, std::size_t length) {
    static constexpr auto masks = [] {
      std::array<std::array<std::uint64_t, 3>, longest + 1> table{};
      for (std::size_t n = 0; n <= longest; ++n) {
        std::array<unsigned char, 16> mask{}, number{};
        for (std::size_t i = 0; i < n; ++i) mask[i] = 0xFF;
        number[15] = static_cast<unsigned char>(n);
        const auto halves = std::bit_cast<std::array<std::uint64_t, 2>>(mask);
        table[n] = {halves[0], halves[1], std::bit_cast<std::array<std::uint64_t, 2>>(number)[1]};
      }
      return table;
    }();
    Key key;
    std::memcpy(&key.low, word, 8);
    std::memcpy(&key.high, word + 8, 8);
    return {key.low & masks[length][0], (key.high & masks[length][1]) | masks[length][2]};
  }
  std::size_t slot_of(const Key& key) const {
    const std::uint64_t mixed = (key.low ^ (key.high * 0xC2B2AE3D27D4EB4Fu)) * 0x9E3779B97F4A7C15u;
    return static_cast<std::size_t>(mixed >> 32) & (keys_.size() - 1);
  }

  std::vector<Key> keys_;
  std::vector<std::int32_t> ids_;
};

}  // namespace contrastive::detail
