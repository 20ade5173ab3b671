// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "contrastive/search/index_file.hpp"

/// Approximate search for `--approximate`: a graph of near neighbours (HNSW: Malkov and Yashunin 2018, arXiv:1603.09320) by
/// hnswlib. The graph holds links alone; the rows stay those of the index.
namespace app {

class SearchGraph {
 public:
  /// The graph of a model's rows, kept in `path`. One that is of other rows is extended by what is new; one that holds
  /// images that are gone, or that is damaged, is built again, and `say` is told. What is built is measured against exact
  /// search, and its measure is told too. Throws one sentence where the program was built without hnswlib. The index has
  /// to stay open.
  static std::shared_ptr<const SearchGraph> open(const std::string& path, const contrastive::IndexFile& index,
                                                 const contrastive::IndexedModel& model,
                                                 const std::function<void(const std::string&)>& say);
  virtual ~SearchGraph() = default;

  /// About the `k` rows with the largest cosine to a unit query; their scores are exact.
  virtual std::vector<contrastive::Hit> search(std::span<const float> query, std::size_t k) const = 0;
};

}  // namespace app
