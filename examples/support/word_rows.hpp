// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "contrastive/nn/init.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/softmax.hpp"

namespace app {

using namespace contrastive;

/// Some words to unit rows (n, D).
using RowsOf = std::function<Tensor(const std::vector<std::string>&)>;

/// Rows that say nothing: the same ones for the same words, whatever the list.
inline RowsOf random_rows(std::int64_t D, Rng rng) {
  return [D, rng](const std::vector<std::string>& words) {
    std::vector<Tensor> rows;
    for (const std::string& word : words) rows.push_back(init::normal({1, D}, 1, rng / word));
    return normalize(concat(rows));
  };
}

/// The same, which makes the row of each word once.
inline RowsOf remembered(const RowsOf& rows) {
  return [rows, known = std::make_shared<std::map<std::string, Tensor>>()](const std::vector<std::string>& words) {
    std::vector<std::string> missing;
    for (const std::string& word : words)
      if (!known->contains(word) && std::ranges::find(missing, word) == missing.end()) missing.push_back(word);
    if (!missing.empty()) {
      const Tensor made = rows(missing);
      for (std::size_t k = 0; k < missing.size(); ++k) {
        const auto row = static_cast<std::int64_t>(k);
        known->emplace(missing[k], made.slice(row, row + 1));
      }
    }
    std::vector<Tensor> all;
    for (const std::string& word : words) all.push_back(known->at(word));
    return concat(all);
  };
}

}  // namespace app
