// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/data/sprite.hpp"

namespace contrastive::detail {

/// Everything that the scenes of training never show, by hashes of the names alone: the same for every seed, size and list of nouns.
/// About one noun in eight, one pair of colour and noun in ten, and one order of two nouns (this one left of that one) in
/// ten are held out; nothing is without `hold_out`.
class SceneSplits {
 public:
  explicit SceneSplits(const std::vector<std::string>& nouns, bool hold_out = true)
      : nouns_(nouns), held_(nouns.size()), hold_out_(hold_out) {
    for (std::size_t n = 0; n < nouns.size(); ++n) {
      held_[n] = hold_out && hash("name", nouns[n]) % 8 == 0;
      (held_[n] ? unseen_ : seen_).push_back(static_cast<int>(n));
    }
    require(seen_.size() >= 2 && (!unseen_.empty() || !hold_out), "[scenes] ", nouns.size(),
            " nouns are too few to hold some out: expected more");
    for (const int noun : seen_) {
      const auto held_colour = [&](int colour) { return holds_colour(colour, noun); };
      const auto held_order = [&](int other) { return holds_order(noun, other) || holds_order(other, noun); };
      bool any = false;
      for (int colour = 0; colour < static_cast<int>(tints.size()); ++colour) any |= held_colour(colour);
      if (any) with_held_colour_.push_back(noun);
      if (std::any_of(seen_.begin(), seen_.end(), held_order)) with_held_order_.push_back(noun);
    }
  }

  bool holds_name(int noun) const { return held_[static_cast<std::size_t>(noun)] != 0; }
  /// Never for a sprite that is not tinted (colour -1).
  bool holds_colour(int colour, int noun) const {
    return hold_out_ && colour >= 0 &&
           hash("colour", tints[static_cast<std::size_t>(colour)].word, name(noun)) % 10 == 0;
  }
  /// True where `left` is never shown left of `right`. Of one pair of nouns at most one order is held out.
  bool holds_order(int left, int right) const {
    if (left == right || !hold_out_) return false;
    const bool sorted = name(left) < name(right);
    const std::uint64_t key = sorted ? hash("order", name(left), name(right)) : hash("order", name(right), name(left));
    return key % 5 == 0 && (key / 5 % 2 == 0) == sorted;
  }

  const std::vector<int>& seen() const { return seen_; }                          // nouns
  const std::vector<int>& unseen() const { return unseen_; }                      // nouns held out
  const std::vector<int>& with_held_colour() const { return with_held_colour_; }  // seen ones with such a colour
  const std::vector<int>& with_held_order() const { return with_held_order_; }    // and with such an order

 private:
  const std::string& name(int noun) const { return nouns_[static_cast<std::size_t>(noun)]; }
  template <class... Words>
  static std::uint64_t hash(const Words&... words) {
    Rng named = Rng(0) / "scenes" / "held out";
    ((named = named / std::string_view(words)), ...);
    return named.key();
  }

  std::vector<std::string> nouns_;
  std::vector<char> held_;
  bool hold_out_;
  std::vector<int> seen_, unseen_, with_held_colour_, with_held_order_;
};

}  // namespace contrastive::detail
