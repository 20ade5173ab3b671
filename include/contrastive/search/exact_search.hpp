// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "contrastive/core/error.hpp"
#include "contrastive/core/parallel.hpp"
#include "contrastive/ops/matmul.hpp"
#include "contrastive/search/row_kernels.hpp"

namespace contrastive {

/// Unit rows as an index keeps them: f16, each padded with zeros to `detail::padded_width(dimension)` numbers, and perhaps
/// the same in int8, row n being about `scales[n]` times its bytes.
struct RowTable {
  const f16* rows = nullptr;
  const std::int8_t* bytes = nullptr;  // or none
  const float* scales = nullptr;
  std::int64_t count = 0, dimension = 0;

  std::int64_t width() const { return detail::padded_width(dimension); }
  const f16* row(std::int64_t n) const { return rows + n * width(); }
};

struct Hit {
  double score = 0;  // cosine
  std::int64_t row = 0;

  /// Better first; of equal ones the lower row, which in an index is the earlier path.
  friend bool operator<(const Hit& a, const Hit& b) { return a.score != b.score ? a.score > b.score : a.row < b.row; }
};

namespace detail {

/// The best `room` hits seen, as a heap with the worst on top.
class BestHits {
 public:
  explicit BestHits(std::size_t room) : room_(room) {}

  void offer(Hit hit) {
    if (hits_.size() == room_) {
      if (!(hit < hits_.front())) return;
      std::pop_heap(hits_.begin(), hits_.end());
      hits_.pop_back();
    }
    hits_.push_back(hit);
    std::push_heap(hits_.begin(), hits_.end());
  }
  /// Scores up to this one are not needed.
  float floor() const {
    return hits_.size() == room_ ? static_cast<float>(hits_.front().score) : -std::numeric_limits<float>::infinity();
  }
  const std::vector<Hit>& hits() const { return hits_; }
  std::vector<Hit> sorted() && {
    std::sort_heap(hits_.begin(), hits_.end());
    return std::move(hits_);
  }

 private:
  std::size_t room_;
  std::vector<Hit> hits_;
};

/// In f64, so that the order is that of the rows and not of the sums' rounding.
inline double exact_dot(const f16* row, const float* query, std::int64_t dimension) {
  double sum = 0;
  for (std::int64_t i = 0; i < dimension; ++i) sum += static_cast<double>(static_cast<float>(row[i])) * query[i];
  return sum;
}

inline std::vector<float> padded_query(const RowTable& table, std::span<const float> query) {
  require(static_cast<std::int64_t>(query.size()) == table.dimension, "[search] the rows have ", table.dimension,
          " numbers, the query ", query.size());
  std::vector<float> padded(static_cast<std::size_t>(table.width()), 0.f);
  std::copy(query.begin(), query.end(), padded.begin());
  return padded;
}

/// The best hits of candidates by their exact scores.
inline std::vector<Hit> exact_best(const RowTable& table, const float* query, std::vector<Hit> candidates,
                                   std::size_t k) {
  for (Hit& hit : candidates) hit.score = exact_dot(table.row(hit.row), query, table.dimension);
  std::sort(candidates.begin(), candidates.end());
  if (candidates.size() > k) candidates.resize(k);
  return candidates;
}

/// More candidates than asked for, because sums in f32 may exchange neighbours.
constexpr std::size_t spare_candidates = 64;
/// Candidates that int8 rows give at least.
constexpr std::size_t least_reranked = 512;

}  // namespace detail

/// The `k` rows with the largest cosine to a unit query, best first. `allowed`, if not empty, says of each row whether it
/// counts (not 0). From f16 rows the result is that of sums in f64; from int8 rows, where the table has them, the best
/// few hundred are scored again from f16, and a row that int8 puts far too low is missed.
inline std::vector<Hit> search_rows(const RowTable& table, std::span<const float> query, std::size_t k,
                                    std::span<const std::uint8_t> allowed = {}) {
  require(allowed.empty() || static_cast<std::int64_t>(allowed.size()) == table.count, "[search] ", table.count,
          " rows, but ", allowed.size(), " marks");
  if (k == 0 || table.count == 0) return {};
  const std::vector<float> padded = detail::padded_query(table, query);
  const std::size_t wanted =
      std::min<std::size_t>(static_cast<std::size_t>(table.count),
                            table.bytes ? std::max(detail::least_reranked, 4 * k) : k + detail::spare_candidates);
  constexpr std::int64_t grain = 4096;
  const auto chunks = static_cast<std::size_t>((table.count + grain - 1) / grain);
  std::vector<std::vector<Hit>> found(chunks);
  parallel_for(table.count, grain, [&](std::int64_t begin, std::int64_t end) {
    float scores[grain];
    const std::int64_t rows = end - begin, width = table.width();
    if (table.bytes)
      simd::dispatch<detail::RowDots>(table.bytes + begin * width, padded.data(), static_cast<float*>(scores), rows,
                                      width);
    else
      simd::dispatch<detail::RowDots>(table.rows + begin * width, padded.data(), static_cast<float*>(scores), rows,
                                      width);
    detail::BestHits best(wanted);
    for (std::int64_t n = 0; n < rows; ++n) {
      const float score = table.bytes ? scores[n] * table.scales[begin + n] : scores[n];
      if (score > best.floor() && (allowed.empty() || allowed[static_cast<std::size_t>(begin + n)]))
        best.offer({score, begin + n});
    }
    found[static_cast<std::size_t>(begin / grain)] = best.hits();
  });
  detail::BestHits best(wanted);
  for (const std::vector<Hit>& part : found)
    for (const Hit& hit : part) best.offer(hit);
  return detail::exact_best(table, padded.data(), std::move(best).sorted(), k);
}

/// The same for many queries (Q, D) at once, by matrix products.
inline std::vector<std::vector<Hit>> search_rows(const RowTable& table, const Tensor& queries, std::size_t k,
                                                 std::span<const std::uint8_t> allowed = {}) {
  require(queries.rank() == 2 && queries.size(1) == table.dimension, "[search] the rows have ", table.dimension,
          " numbers, the queries are ", queries.shape());
  require(allowed.empty() || static_cast<std::int64_t>(allowed.size()) == table.count, "[search] ", table.count,
          " rows, but ", allowed.size(), " marks");
  const NoGrad no_grad;
  const std::int64_t Q = queries.size(0), width = table.width();
  Tensor padded = Tensor::zeros({Q, width});
  for (std::int64_t q = 0; q < Q; ++q)
    std::copy_n(queries.data<float>() + q * table.dimension, table.dimension, padded.data<float>() + q * width);
  std::vector<detail::BestHits> best(static_cast<std::size_t>(Q), detail::BestHits(k + detail::spare_candidates));
  constexpr std::int64_t block = 4096;
  const Tensor rows({std::min(block, std::max<std::int64_t>(table.count, 1)), width});
  for (std::int64_t begin = 0; k > 0 && begin < table.count; begin += block) {
    const std::int64_t count = std::min(block, table.count - begin);
    parallel_for(count, 64, [&](std::int64_t from, std::int64_t to) {
      simd::dispatch<detail::WidenRows>(table.row(begin + from), rows.data<float>() + from * width,
                                        (to - from) * width);
    });
    const Tensor scores = matmul(padded, rows.slice(0, count), false, true);  // (Q, count)
    parallel_for(Q, 1, [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t q = from; q < to; ++q) {
        detail::BestHits& mine = best[static_cast<std::size_t>(q)];
        const float* const row = scores.data<float>() + q * count;
        for (std::int64_t n = 0; n < count; ++n)
          if (row[n] > mine.floor() && (allowed.empty() || allowed[static_cast<std::size_t>(begin + n)]))
            mine.offer({row[n], begin + n});
      }
    });
  }
  std::vector<std::vector<Hit>> results(static_cast<std::size_t>(Q));
  parallel_for(Q, 1, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t q = from; q < to; ++q)
      results[static_cast<std::size_t>(q)] = detail::exact_best(
          table, padded.data<float>() + q * width, std::move(best[static_cast<std::size_t>(q)]).sorted(), k);
  });
  return results;
}

/// The closest bytes for a row of f16, and their scale.
inline float quantize_row(const f16* row, std::int64_t width, std::int8_t* bytes) {
  float largest = 0;
  for (std::int64_t i = 0; i < width; ++i) largest = std::max(largest, std::abs(static_cast<float>(row[i])));
  const float scale = largest > 0 ? largest / 127 : 1;
  for (std::int64_t i = 0; i < width; ++i)
    bytes[i] = static_cast<std::int8_t>(std::lround(static_cast<float>(row[i]) / scale));
  return scale;
}

}  // namespace contrastive
