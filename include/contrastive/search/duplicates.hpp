// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "contrastive/search/exact_search.hpp"
#include "contrastive/search/index_file.hpp"
#include "contrastive/search/same_picture.hpp"

namespace contrastive {

struct DuplicateOptions {
  std::size_t neighbours = 8;  // of each image by the encoder, whose pixels are compared with its own
  double bound = 0.95;         // of `same_picture`
};

/// Two rows that show the same picture, first < second. The score is that of `same_picture`; 1 for equal bytes.
struct SamePair {
  double score = 0;
  std::int64_t first = 0, second = 0;
};

/// An image as duplicates are judged: its sketch, and its size in pixels.
struct SketchedImage {
  PictureSketch sketch;
  ImageSize size;
};

/// Pairs of images that are the same picture: copies, parts, mirror images, other sizes, with bars. An encoder trained to
/// ignore such changes proposes them (each row's nearest neighbours), and the pixels decide, since drawings or photographs
/// of one kind are near each other too. `sketches[n]`: of row n, nothing where `allowed[n]` is 0 or it cannot be read.
/// `progress(done, all)` is called between blocks of rows. In the order of rows.
inline std::vector<SamePair> same_pairs(const IndexFile& index, const RowTable& table,
                                        std::span<const std::uint8_t> allowed,
                                        const std::vector<std::optional<SketchedImage>>& sketches,
                                        const DuplicateOptions& options = {},
                                        const std::function<void(std::size_t, std::size_t)>& progress = {}) {
  std::vector<std::int64_t> rows;
  for (std::int64_t n = 0; n < table.count; ++n)
    if (sketches[static_cast<std::size_t>(n)]) rows.push_back(n);
  std::vector<SamePair> pairs;
  constexpr std::size_t block = 256;
  for (std::size_t begin = 0; begin < rows.size(); begin += block) {
    if (progress) progress(begin, rows.size());
    const std::size_t end = std::min(begin + block, rows.size());
    const Tensor queries({static_cast<std::int64_t>(end - begin), table.dimension});
    for (std::size_t i = begin; i < end; ++i)
      std::copy_n(table.row(rows[i]), table.dimension,
                  queries.data<float>() + static_cast<std::int64_t>(i - begin) * table.dimension);
    const std::vector<std::vector<Hit>> near = search_rows(table, queries, options.neighbours + 1, allowed);
    std::vector<std::vector<SamePair>> found(end - begin);
    parallel_for(static_cast<std::int64_t>(end - begin), 1, [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t i = from; i < to; ++i) {
        const std::int64_t own = rows[begin + static_cast<std::size_t>(i)];
        for (const Hit& hit : near[static_cast<std::size_t>(i)]) {
          const auto a = static_cast<std::size_t>(own), b = static_cast<std::size_t>(hit.row);
          if (hit.row == own || !sketches[b]) continue;
          const bool copy = index.facts(a).hash == index.facts(b).hash;
          const double score = copy ? 1 : same_picture(sketches[a]->sketch, sketches[b]->sketch);
          if (score >= options.bound)
            found[static_cast<std::size_t>(i)].push_back({score, std::min(own, hit.row), std::max(own, hit.row)});
        }
      }
    });
    for (const std::vector<SamePair>& part : found) pairs.insert(pairs.end(), part.begin(), part.end());
  }
  if (progress) progress(rows.size(), rows.size());
  const auto place = [](const SamePair& pair) { return std::pair(pair.first, pair.second); };
  std::ranges::sort(pairs, {}, place);  // a pair may be found from both sides
  pairs.erase(std::unique(pairs.begin(), pairs.end(),
                          [&](const SamePair& a, const SamePair& b) { return place(a) == place(b); }),
              pairs.end());
  return pairs;
}

/// An image and those that are the same picture as it, by their rows, the largest in pixels first. The score of the others is
/// that of the pair with the first, whose own is the best of them.
struct DuplicateGroup {
  std::vector<Hit> images;
};

/// Each image joins the largest one that it makes a pair with: whoever keeps the first of a group loses nothing that was not
/// compared with it. In the order of the groups' first rows.
inline std::vector<DuplicateGroup> duplicate_groups(const std::vector<SamePair>& pairs,
                                                    const std::vector<std::optional<SketchedImage>>& sketches) {
  std::vector<std::vector<Hit>> partners(sketches.size());
  for (const SamePair& pair : pairs) {
    partners[static_cast<std::size_t>(pair.first)].push_back({pair.score, pair.second});
    partners[static_cast<std::size_t>(pair.second)].push_back({pair.score, pair.first});
  }
  std::vector<std::int64_t> order;
  for (std::int64_t n = 0; n < std::ssize(sketches); ++n)
    if (!partners[static_cast<std::size_t>(n)].empty()) order.push_back(n);
  std::ranges::stable_sort(order, std::greater(), [&](std::int64_t n) {
    const ImageSize size = sketches[static_cast<std::size_t>(n)]->size;
    return std::int64_t{size.height} * size.width;
  });
  std::vector<DuplicateGroup> groups;
  std::vector<bool> taken(sketches.size());
  for (const std::int64_t n : order) {
    if (taken[static_cast<std::size_t>(n)]) continue;
    std::vector<Hit> others;
    for (const Hit& hit : partners[static_cast<std::size_t>(n)])
      if (!taken[static_cast<std::size_t>(hit.row)]) others.push_back(hit);
    if (others.empty()) continue;
    std::ranges::sort(others, {}, &Hit::row);
    DuplicateGroup group{{{std::ranges::max(others, {}, &Hit::score).score, n}}};
    for (const Hit& hit : others) group.images.push_back(hit);
    for (const Hit& hit : group.images) taken[static_cast<std::size_t>(hit.row)] = true;
    groups.push_back(std::move(group));
  }
  std::ranges::sort(groups, {}, [](const DuplicateGroup& group) { return group.images[0].row; });
  return groups;
}

}  // namespace contrastive
