// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "contrastive/ops/matmul.hpp"
#include "contrastive/search/exact_search.hpp"

namespace contrastive {

/// A query in the space of images and texts: unit rows, each with its weight.
struct QueryVector {
  struct Part {
    std::vector<float> row;
    double weight = 1;
    bool is_text = true;
  };
  std::vector<Part> parts;

  /// The weighted sum, of length 1.
  std::vector<float> direction() const {
    std::vector<const float*> rows;
    for (const Part& part : parts) rows.push_back(part.row.data());
    return direction_of(rows);
  }
  /// The same with other rows in place of its own.
  std::vector<float> direction_of(const std::vector<const float*>& rows) const {
    const std::size_t D = parts.at(0).row.size();
    std::vector<double> sum(D, 0);
    for (std::size_t p = 0; p < parts.size(); ++p)
      for (std::size_t i = 0; i < D; ++i) sum[i] += parts[p].weight * rows[p][i];
    double length = 0;
    for (const double x : sum) length += x * x;
    length = std::sqrt(length);
    require(length > 1e-6, "[settings] the terms of the query cancel each other out");
    std::vector<float> unit(D);
    for (std::size_t i = 0; i < D; ++i) unit[i] = static_cast<float>(sum[i] / length);
    return unit;
  }
};

/// How cosines are spread where nothing matches: those between images of the index and queries of the same form whose
/// words are neutral captions and whose images are drawn from the index. Cosines of one query say nothing next to those of
/// another; a share of this distribution does.
class Background {
 public:
  /// `neutral` are rows of captions that say nothing of any image; `allowed` says which rows of the index are there.
  /// Deterministic: captions and images are taken at even distances.
  Background(const QueryVector& query, const RowTable& neutral, const RowTable& table,
             std::span<const std::uint8_t> allowed) {
    std::vector<std::int64_t> there;
    for (std::int64_t n = 0; n < table.count; ++n)
      if (allowed.empty() || allowed[static_cast<std::size_t>(n)]) there.push_back(n);
    if (there.empty() || neutral.count == 0) return;
    const auto images = static_cast<std::int64_t>(std::min(there.size(), most_images));
    const auto image_at = [&](std::int64_t n) {  // of the sample
      return there[static_cast<std::size_t>(n) * there.size() / static_cast<std::size_t>(images)];
    };
    const std::int64_t D = table.dimension, Q = neutral.count;
    const auto widen = [&](const f16* row) {
      std::vector<float> wide(static_cast<std::size_t>(D));
      for (std::int64_t i = 0; i < D; ++i) wide[static_cast<std::size_t>(i)] = static_cast<float>(row[i]);
      return wide;
    };
    const NoGrad no_grad;
    const Tensor queries({Q, D}), rows({images, D});
    for (std::int64_t q = 0; q < Q; ++q) {
      std::vector<std::vector<float>> parts;
      std::vector<const float*> pointers;
      for (std::size_t p = 0; p < query.parts.size(); ++p) {
        const std::int64_t shifted = q + static_cast<std::int64_t>(p) * (Q / 3 + 1);  // other ones for each term
        parts.push_back(
            widen(query.parts[p].is_text ? neutral.row(shifted % Q) : table.row(image_at((shifted * 7919) % images))));
      }
      for (const auto& part : parts) pointers.push_back(part.data());
      std::vector<float> direction(static_cast<std::size_t>(D), 0.f);
      try {
        direction = query.direction_of(pointers);
      } catch (const Error&) {  // two terms that are the same image
      }
      std::copy(direction.begin(), direction.end(), queries.data<float>() + q * D);
    }
    for (std::int64_t n = 0; n < images; ++n) {
      const std::vector<float> row = widen(table.row(image_at(n)));
      std::copy(row.begin(), row.end(), rows.data<float>() + n * D);
    }
    const Tensor scores = matmul(queries, rows, false, true);  // (Q, images)
    for (const float score : scores.span<float>()) ++counts_[bin(score)];
    pairs_ = static_cast<double>(Q * images);
    searched_ = static_cast<double>(there.size());
  }

  /// Whether there is anything to compare with.
  bool defined() const { return pairs_ > 0; }

  /// The share of unrelated pairs that score as high, from one pair of those looked at to 1.
  double share_at_least(double score) const {
    double above = 0;
    for (std::size_t b = bin(score); b < counts_.size(); ++b) above += static_cast<double>(counts_[b]);
    return std::max(above, 1.0) / pairs_;
  }

  /// The chance that the best of the searched images scores as high for an unrelated query.
  double chance_of_best(double score) const { return -std::expm1(-searched_ * share_at_least(score)); }

 private:
  static constexpr std::size_t most_images = 8192, bins = 8192;

  static std::size_t bin(double score) {
    return static_cast<std::size_t>(std::clamp((score + 1) / 2 * bins, 0.0, bins - 1.0));
  }

  std::vector<std::int64_t> counts_ = std::vector<std::int64_t>(bins, 0);
  double pairs_ = 0, searched_ = 0;
};

/// A best hit below this chance of an unrelated query is a match.
inline constexpr double match_chance = 0.2;

/// "top 0.02 %": one digit below 1 %.
inline std::string words_of_share(double share) {
  const double percent = 100 * share;
  const double digit = std::pow(10, std::floor(std::log10(std::max(percent, 1e-12))));
  const double rounded = percent >= 1 ? percent : std::round(percent / digit) * digit;
  const int decimals = rounded >= 0.95 ? 0 : static_cast<int>(std::lround(std::ceil(-std::log10(rounded * 1.0001))));
  char text[40];
  std::snprintf(text, sizeof text, "top %.*f %%", decimals, rounded);
  return text;
}

}  // namespace contrastive
