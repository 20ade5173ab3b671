// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include "contrastive/core/rng.hpp"
#include "contrastive/nn/init.hpp"
#include "contrastive/nn/module.hpp"

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
    Stream stream(rng / "negatives");
    std::int64_t* at = sampled.data<std::int64_t>();
    for (std::int64_t picture : pictures) {
      *at++ = picture;
      for (std::int64_t k = 0; k < K; ++k)
        *at++ = static_cast<std::int64_t>(stream.below(static_cast<std::uint32_t>(size())));
    }
    return sampled;
  }

  /// row <- normalise(momentum row + (1 - momentum) feature), of the rows as they were before the batch: where it has a
  /// picture twice, the last one counts. Call it after the loss: a row that was updated first would know the answer.
  void update(std::span<const std::int64_t> pictures, const Tensor& features, double momentum = 0.5) {
    const std::int64_t D = rows.size(1);
    require(features.shape() == Shape{static_cast<std::int64_t>(pictures.size()), D},
            "[memory_bank] expected features (", pictures.size(), ", ", D, "), got ", features.shape());
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
    const Tensor moved(features.shape(), rows.dtype());
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      require(pictures[i] >= 0 && pictures[i] < size(), "[memory_bank] picture ", pictures[i], " is outside ", size(),
              " rows");
      const T* const old = rows.data<T>() + pictures[i] * D;
      const T* const f = features.data<T>() + static_cast<std::int64_t>(i) * D;
      T* const row = moved.data<T>() + static_cast<std::int64_t>(i) * D;
      double square = 0;
      for (std::int64_t d = 0; d < D; ++d) {
        row[d] = static_cast<T>(momentum * static_cast<double>(old[d]) + (1 - momentum) * static_cast<double>(f[d]));
        square += static_cast<double>(row[d]) * static_cast<double>(row[d]);
      }
      for (std::int64_t d = 0; d < D; ++d) row[d] = static_cast<T>(static_cast<double>(row[d]) / std::sqrt(square));
    }
    for (std::size_t i = 0; i < pictures.size(); ++i)
      std::copy_n(moved.data<T>() + static_cast<std::int64_t>(i) * D, D, rows.data<T>() + pictures[i] * D);
  }
};

}  // namespace contrastive
