// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "contrastive/search/index_file.hpp"

namespace contrastive {

/// Images that are shown as one: the best hit and those that look the same.
struct FoldedHit {
  Hit hit;
  std::vector<Hit> like_it;
};

/// Rows at least this close are shown as one.
inline constexpr double fold_cosine = 0.99;

/// The first `count` hits that do not look like one before them, each with those that do: by the same content, or a cosine
/// of `bound` between their rows. A bound above 1 leaves the content alone.
inline std::vector<FoldedHit> fold_duplicates(const IndexFile& index, const RowTable& table,
                                              const std::vector<Hit>& hits, std::size_t count,
                                              double bound = fold_cosine) {
  const std::int64_t width = table.width();
  std::vector<FoldedHit> folded;
  std::vector<f16> rows;  // of the folded hits
  std::vector<float> row(static_cast<std::size_t>(width)), cosines;
  for (const Hit& hit : hits) {
    const f16* const own = table.row(hit.row);
    const ContentHash content = index.facts(static_cast<std::size_t>(hit.row)).hash;
    std::copy(own, own + width, row.begin());
    cosines.resize(folded.size());
    simd::dispatch<detail::RowDots>(static_cast<const f16*>(rows.data()), static_cast<const float*>(row.data()),
                                    cosines.data(), static_cast<std::int64_t>(folded.size()), width);
    std::size_t same = 0;
    while (same < folded.size() && cosines[same] < bound &&
           index.facts(static_cast<std::size_t>(folded[same].hit.row)).hash != content)
      ++same;
    if (same < folded.size()) {
      folded[same].like_it.push_back(hit);
    } else if (folded.size() < count) {
      folded.push_back({hit, {}});
      rows.insert(rows.end(), own, own + width);
    }
  }
  return folded;
}

}  // namespace contrastive
