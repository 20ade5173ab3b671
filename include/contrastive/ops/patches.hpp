// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "contrastive/ops/index.hpp"

namespace contrastive {

/// Squares of `patch` pixels every `stride`, which must end where the picture ends.
struct PatchGrid {
  int patch = 16;
  int stride = 8;

  /// Patches along a side of `size` pixels.
  std::int64_t along(std::int64_t size) const {
    require(patch > 0 && stride > 0 && size >= patch && (size - patch) % stride == 0, "[patches] squares of ", patch,
            " pixels every ", stride, " do not divide a side of ", size);
    return (size - patch) / stride + 1;
  }
};

/// `count` patches along a side of `size`, each of which shares half with the next: 7 of 64 are 16 every 8.
inline PatchGrid half_overlapping(std::int64_t size, std::int64_t count) {
  require(count > 0 && size > 0 && size % (count + 1) == 0, "[patches] a side of ", size, " does not make ", count,
          " patches that overlap by half: it must be a multiple of ", count + 1);
  const int stride = static_cast<int>(size / (count + 1));
  return {2 * stride, stride};
}

/// (N, H, W, C) -> (N R S, patch, patch, C), the R x S patches of a picture after one another, row by row.
inline Tensor patches(const Tensor& x, const PatchGrid& grid) {
  require(x.rank() == 4, "[patches] expected (N, H, W, C), got ", x.shape());
  const std::int64_t N = x.size(0), R = grid.along(x.size(1)), S = grid.along(x.size(2)), p = grid.patch, C = x.size(3);
  std::vector<Tensor> cut;
  for (std::int64_t r = 0; r < R; ++r) {
    const Tensor band = narrow(x, 1, r * grid.stride, r * grid.stride + p);
    for (std::int64_t s = 0; s < S; ++s)
      cut.push_back(narrow(band, 2, s * grid.stride, s * grid.stride + p).reshape({N, 1, p * p * C}));
  }
  return concat(cut, 1).reshape({N * R * S, p, p, C});
}

}  // namespace contrastive
