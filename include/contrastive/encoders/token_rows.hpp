// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "contrastive/ops/matmul.hpp"

namespace contrastive {

/// Where each text of CLIP's tokenizer ends, of ids (N, L), i32: the first place of its largest id, the end token.
inline std::vector<std::int64_t> end_positions(const Tensor& ids) {
  const Tensor host = ids.to(Device::cpu);
  std::vector<std::int64_t> ends;
  for (std::int64_t n = 0; n < ids.size(0); ++n) {
    const std::int32_t* const row = host.data<std::int32_t>() + n * ids.size(1);
    ends.push_back(std::max_element(row, row + ids.size(1)) - row);
  }
  return ends;
}

/// The mean over the first `lengths[n]` tokens of each text, each length 1 or more: (N, L, width) -> (N, width).
inline Tensor mean_of_tokens(const Tensor& x, std::span<const std::int64_t> lengths) {
  const std::int64_t N = x.size(0), L = x.size(1);
  const Tensor shares = Tensor::zeros({N, 1, L}, DType::f64);
  for (std::int64_t n = 0; n < N; ++n) {
    const std::int64_t length = lengths[static_cast<std::size_t>(n)];
    std::fill_n(shares.data<double>() + n * L, length, 1 / static_cast<double>(length));
  }
  return matmul(shares.to(x.dtype()).to(x.device()), x).reshape({N, x.size(2)});
}

}  // namespace contrastive
