// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/ops/softmax.hpp"

/// One rule for all losses of similarities: those on cosines (info_nce, nt_xent, decoupled_info_nce, sup_con,
/// invariant_spread) take embeddings of any length and normalise them; those whose published code takes unit rows
/// (clip_loss, siglip_loss, soft_target_info_nce, and the losses of a memory bank: nce, sampled_softmax, bank_softmax)
/// refuse rows that are clearly not. Where there is a choice, it is an argument.
namespace contrastive {

/// The lengths that rows may have, and what becomes of them.
enum class RowLength {
  normalize,  // any; each row is divided by it
  unit,       // 1, to within 2 %, or 0, as normalising leaves it; others throw
  any,        // any; logits are plain dot products
};

namespace detail {
/// Of a row whose squares sum to `square`. bf16 moves the length of a unit row by up to 0.4 %.
inline bool is_unit(double square) { return square == 0 || std::abs(std::sqrt(square) - 1) <= 0.02; }

[[noreturn]] inline void fail_not_unit(const char* op, const char* name, std::int64_t row, double square) {
  fail("[", op, "] expected rows of unit length, row ", row, " of ", name, " has a length of ", std::sqrt(square),
       ": call normalize(x) first (RowLength::any, where it can be given, is for plain dot products)");
}
}  // namespace detail

/// Throws unless the rows of x (N, D) are of unit length. Waits for x's device.
inline void require_unit_rows(const char* op, const char* name, const Tensor& x) {
  require(x.rank() == 2, "[", op, "] expected ", name, " (N, D), got ", x.shape());
  const std::int64_t N = x.size(0), D = x.size(1);
  const Tensor rows = x.detach().to(Device::cpu).to(x.dtype() == DType::f64 ? DType::f64 : DType::f32);
  std::vector<double> squares(static_cast<std::size_t>(N));
  const auto measure = [&](const auto* value) {
    parallel_for(N, grain_for(D), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        for (std::int64_t d = 0; d < D; ++d)
          squares[i] += static_cast<double>(value[i * D + d]) * static_cast<double>(value[i * D + d]);
    });
  };
  rows.dtype() == DType::f64 ? measure(rows.data<double>()) : measure(rows.data<float>());
  for (std::int64_t i = 0; i < N; ++i)
    if (!detail::is_unit(squares[i])) detail::fail_not_unit(op, name, i, squares[i]);
}

/// x as a loss takes it that says `length`.
inline Tensor with_length(const char* op, const char* name, const Tensor& x, RowLength length) {
  if (length == RowLength::normalize) return normalize(x);
  if (length == RowLength::unit) require_unit_rows(op, name, x);
  return x;
}

}  // namespace contrastive
