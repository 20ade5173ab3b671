// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/eval/features.hpp"
#include "contrastive/ops/softmax.hpp"

namespace contrastive {

struct Neighbours {
  Tensor indices;       // (M, k) i64: rows of the bank, nearest first
  Tensor similarities;  // (M, k): their cosines
};

namespace detail {

/// The k best of a sequence offered in the order of its indices; among equals the earlier one is better.
template <class T>
class BestK {
 public:
  struct Entry {
    T value;
    std::int32_t index;
  };

  explicit BestK(std::int64_t k) : k_(static_cast<std::size_t>(k)) {}

  void offer(const T* values, std::int64_t first, std::int64_t n) {
    std::int64_t i = 0;
    for (; i < n && heap_.size() < k_; ++i) {
      heap_.push_back({values[i], static_cast<std::int32_t>(first + i)});
      std::push_heap(heap_.begin(), heap_.end(), better);
    }
    T worst = heap_.front().value;
    for (; i < n; ++i) {
      if (values[i] <= worst) [[likely]]
        continue;
      std::pop_heap(heap_.begin(), heap_.end(), better);
      heap_.back() = {values[i], static_cast<std::int32_t>(first + i)};
      std::push_heap(heap_.begin(), heap_.end(), better);
      worst = heap_.front().value;
    }
  }

  /// Best first.
  const std::vector<Entry>& sorted() {
    std::sort_heap(heap_.begin(), heap_.end(), better);
    return heap_;
  }

 private:
  static bool better(const Entry& a, const Entry& b) {
    return a.value > b.value || (a.value == b.value && a.index < b.index);
  }
  std::size_t k_;
  std::vector<Entry> heap_;  // the worst in front
};

}  // namespace detail

/// The k rows of `bank` (N, D) with the largest cosine to each row of `queries` (M, D); k is cut to N. Equal cosines
/// are ordered by index. Works in blocks: the (M, N) matrix is never whole.
inline Neighbours nearest_neighbours(const Tensor& queries, const Tensor& bank, std::int64_t k) {
  const NoGrad no_grad;
  require(queries.rank() == 2 && bank.rank() == 2 && queries.size(1) == bank.size(1),
          "[nearest_neighbours] expected queries (M, D) and bank (N, D), got ", queries.shape(), " and ", bank.shape());
  require(k >= 1 && bank.size(0) >= 1, "[nearest_neighbours] expected k >= 1 and a bank that is not empty, got k ", k,
          " and ", bank.shape());
  const Tensor rows = normalize(detail::checked_features("nearest_neighbours", bank));
  const Tensor asked = normalize(detail::checked_features("nearest_neighbours", queries).to(rows.dtype()));
  const std::int64_t M = asked.size(0), N = rows.size(0);
  require(N < (std::int64_t{1} << 31), "[nearest_neighbours] the bank has more than 2^31 rows");
  k = std::min(k, N);
  Neighbours found{Tensor({M, k}, DType::i64), Tensor({M, k}, rows.dtype())};

  // Threads share out the queries; inside, each product runs on one.
  const std::int64_t query_block = std::clamp<std::int64_t>((M + 15) / 16, 32, 512), bank_block = 4096;
  const auto search = [&]<class T>(detail::TypeTag<T>) {
    parallel_for(M, query_block, [&](std::int64_t begin, std::int64_t end) {
      const Tensor some = asked.slice(begin, end);  // (B, D)
      std::vector<detail::BestK<T>> best(static_cast<std::size_t>(end - begin), detail::BestK<T>(k));
      for (std::int64_t b = 0; b < N; b += bank_block) {
        const Tensor part = rows.slice(b, std::min(N, b + bank_block));  // (P, D)
        const std::int64_t P = part.size(0);
        const Tensor cosines({end - begin, P}, rows.dtype());  // (B, P)
        cosines.kernels().matmul(some.view(), part.view(), cosines.view(), {.transpose_b = true});
        for (std::size_t i = 0; i < best.size(); ++i) best[i].offer(cosines.data<T>() + i * P, b, P);
      }
      for (std::size_t i = 0; i < best.size(); ++i) {
        std::int64_t at = (begin + static_cast<std::int64_t>(i)) * k;
        for (const auto& entry : best[i].sorted()) {
          found.indices.data<std::int64_t>()[at] = entry.index;
          found.similarities.data<T>()[at++] = entry.value;
        }
      }
    });
  };
  if (rows.dtype() == DType::f64)
    search(detail::TypeTag<double>{});
  else
    search(detail::TypeTag<float>{});
  return found;
}

}  // namespace contrastive
