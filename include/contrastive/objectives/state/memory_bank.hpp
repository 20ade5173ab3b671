// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "contrastive/core/bounds.hpp"
#include "contrastive/core/parallel.hpp"
#include "contrastive/core/rng.hpp"
#include "contrastive/nn/init.hpp"
#include "contrastive/nn/module.hpp"
#include "contrastive/objectives/similarity/draws.hpp"

namespace contrastive {

/// One row for each picture of the training set (Wu et al. 2018, arXiv:1805.01978; zhirongw/lemniscate.pytorch,
/// lib/NCEAverage.py). Starts uniform in +-1/sqrt(D/3), not of unit length, as there. `Z` is NCE's constant: 0 until the
/// first batch fixes it.
struct MemoryBank {
  Buffer rows;  // (n, D)
  Buffer Z;     // f64, on the host

  MemoryBank() = default;
  MemoryBank(std::int64_t n, std::int64_t D, Rng rng) : rows(Tensor({n, D})), Z(Tensor::zeros({}, DType::f64)) {
    require(n > 0 && D > 0, "[memory_bank] expected at least one row and one column, got ", n, " and ", D);
    Stream stream(rng / "bank");
    const double bound = 1 / std::sqrt(static_cast<double>(D) / 3);
    for (float& x : rows.span<float>()) x = static_cast<float>(stream.uniform(-bound, bound));
  }

  std::int64_t size() const { return rows.size(0); }

  /// What each picture of a batch is scored against, (N, K + 1) i64: itself, then K rows drawn evenly with replacement.
  Tensor draw(std::span<const std::int64_t> pictures, std::int64_t K, Rng rng) const {
    require(K > 0, "[memory_bank] expected at least one negative, got ", K);
    const std::int64_t N = static_cast<std::int64_t>(pictures.size());
    const Tensor sampled({N, K + 1}, DType::i64);
    parallel_for(N, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        std::int64_t* const row = sampled.data<std::int64_t>() + i * (K + 1);
        row[0] = pictures[static_cast<std::size_t>(i)];
        similarity::draw_below(rng / "negatives" / static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(size()),
                               {row + 1, static_cast<std::size_t>(K)});
      }
    });
    return sampled;
  }

  /// row <- normalise(momentum row + (1 - momentum) feature), of the rows as they were before the batch: where it has a
  /// picture twice, the last one counts. Call it after the loss: a row that was updated first would know the answer.
  void update(std::span<const std::int64_t> pictures, const Tensor& features, double momentum = 0.5) {
    const std::int64_t D = rows.size(1);
    require_within("memory_bank", "the momentum", momentum, 0, 1);
    require(features.shape() == Shape{static_cast<std::int64_t>(pictures.size()), D},
            "[memory_bank] expected features (", pictures.size(), ", ", D, "), got ", features.shape());
    rows.mark_written();
    if (rows.dtype() == DType::f64)
      update_as<double>(pictures, features.to(DType::f64), momentum);
    else
      update_as<float>(pictures, features.to(DType::f32), momentum);
  }

  template <class F>
  void members(F&& f) {
    f("rows", rows);
    f("Z", Z);
  }

 private:
  template <class T>
  void update_as(std::span<const std::int64_t> pictures, const Tensor& features, double momentum) {
    const std::int64_t D = rows.size(1);
    std::vector<std::int64_t> sorted(pictures.begin(), pictures.end());
    std::sort(sorted.begin(), sorted.end());
    const bool twice = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
    for (const std::int64_t picture : sorted)
      require(picture >= 0 && picture < size(), "[memory_bank] picture ", picture, " is outside ", size(), " rows");
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      // The last one alone counts, so it finds the row as it was.
      if (twice && std::count(pictures.begin() + static_cast<std::ptrdiff_t>(i) + 1, pictures.end(), pictures[i]) > 0)
        continue;
      T* const row = rows.data<T>() + pictures[i] * D;
      const T* const f = features.data<T>() + static_cast<std::int64_t>(i) * D;
      double square = 0;
      for (std::int64_t d = 0; d < D; ++d) {
        row[d] = static_cast<T>(momentum * static_cast<double>(row[d]) + (1 - momentum) * static_cast<double>(f[d]));
        square += static_cast<double>(row[d]) * static_cast<double>(row[d]);
      }
      const double norm = std::max(std::sqrt(square), 1e-12);  // a row may meet its opposite
      for (std::int64_t d = 0; d < D; ++d) row[d] = static_cast<T>(static_cast<double>(row[d]) / norm);
    }
  }
};

}  // namespace contrastive
