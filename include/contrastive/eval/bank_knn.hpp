// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include "contrastive/core/labels.hpp"
#include "contrastive/eval/knn.hpp"
#include "contrastive/objectives/state/memory_bank.hpp"

namespace contrastive {

/// Weighted kNN with a memory bank's rows as training features: no picture of the training set is encoded again
/// (zhirongw/lemniscate.pytorch, test.py; k = 200, temperature 0.07, CIFAR 0.1). `test_embeddings` (M, D) come through
/// encoder and head, as the rows did. The bank is read and not changed.
inline KnnResult bank_knn(const MemoryBank& bank, const Labels& train_labels, const Tensor& test_embeddings,
                          const Labels& test_labels, const KnnOptions& options = {}) {
  require(static_cast<std::int64_t>(train_labels.size()) == bank.size(), "[bank_knn] ", train_labels.size(),
          " labels for a bank of ", bank.size(), " rows");
  require(test_embeddings.rank() == 2 && test_embeddings.size(1) == bank.rows.size(1),
          "[bank_knn] expected embeddings (M, ", bank.rows.size(1), "), got ", test_embeddings.shape());
  return knn(bank.rows, train_labels, test_embeddings, test_labels, options);
}

}  // namespace contrastive
