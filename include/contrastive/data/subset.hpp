// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "contrastive/core/rng.hpp"
#include "contrastive/data/dataset.hpp"

namespace contrastive {

/// Some samples of a set, in the order given.
struct Subset {
  AnyDataset set;
  std::vector<std::size_t> indices;

  std::size_t size() const { return indices.size(); }
  Parts parts() const { return set.parts(); }
  Sample sample(std::size_t i, Parts wanted, const CropPlan& plan) const {
    return set.sample(indices.at(i), wanted, plan);
  }
  int label(std::size_t i) const { return set.label(indices.at(i)); }
  std::vector<std::string> class_names() const { return set.class_names(); }
  std::string name() const { return set.name(); }
  std::string describe(std::size_t i) const { return set.describe(indices.at(i)); }
  std::optional<Sample> sample_or_report(std::size_t i, Parts wanted, const CropPlan& plan) const {
    return set.sample_or_report(indices.at(i), wanted, plan);
  }
  std::size_t unreadable() const { return set.unreadable(); }
  /// That of the whole set, as far as it is here.
  std::optional<std::vector<std::uint32_t>> epoch_order(Rng rng) const {
    const std::optional<std::vector<std::uint32_t>> whole = set.epoch_order(rng);
    if (!whole) return std::nullopt;
    std::vector<std::uint32_t> place(set.size(), ~std::uint32_t{0}), order;
    for (std::size_t k = 0; k < indices.size(); ++k) place.at(indices[k]) = static_cast<std::uint32_t>(k);
    for (const std::uint32_t i : *whole)
      if (place[i] != ~std::uint32_t{0}) order.push_back(place[i]);
    if (order.size() < indices.size()) return std::nullopt;  // some sample is here twice
    return order;
  }
};

/// `count` of the numbers below `n`, drawn by `rng` without replacement, in rising order; all of them when there are no
/// more.
inline std::vector<std::size_t> random_indices(std::size_t n, std::size_t count, Rng rng) {
  std::vector<std::size_t> indices(n);
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  if (count >= n) return indices;
  Stream(rng).shuffle(indices);
  indices.resize(count);
  std::sort(indices.begin(), indices.end());
  return indices;
}

/// `count` samples drawn by `rng`, each as likely as any other: a score on them estimates the score on the whole set.
/// The set itself when it has no more.
inline AnyDataset random_subset(const AnyDataset& set, std::size_t count, Rng rng) {
  if (count >= set.size()) return set;
  return Subset{set, random_indices(set.size(), count, rng)};
}

}  // namespace contrastive
