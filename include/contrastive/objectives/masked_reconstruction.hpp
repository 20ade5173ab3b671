// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/reduce.hpp"

namespace contrastive {

/// Pictures (N, H, W, C) as patches (N, patches, p p C), row by row of the grid; a patch is (row, column, channel).
inline Tensor patchify(const Tensor& pictures, std::int64_t p) {
  require(pictures.rank() == 4 && p >= 1 && pictures.size(1) % p == 0 && pictures.size(2) % p == 0,
          "[patchify] a patch of ", p, " pixels does not divide pictures ", pictures.shape());
  const std::int64_t N = pictures.size(0), h = pictures.size(1) / p, w = pictures.size(2) / p, C = pictures.size(3);
  return permute(pictures.reshape({N, h, p, w, p, C}), {0, 1, 3, 2, 4, 5}).reshape({N, h * w, p * p * C});
}
/// Back from patches of a grid of `height` rows.
inline Tensor unpatchify(const Tensor& patches, std::int64_t p, std::int64_t height) {
  const std::int64_t N = patches.size(0), w = height > 0 ? patches.size(1) / height : 0, C = patches.size(2) / (p * p);
  require(patches.rank() == 3 && patches.size(1) == height * w && patches.size(2) == p * p * C,
          "[unpatchify] expected (N, ", height, " w, ", p, " ", p, " C), got ", patches.shape());
  return permute(patches.reshape({N, height, w, p, p, C}), {0, 1, 3, 2, 4, 5}).reshape({N, height * p, w * p, C});
}

/// Which patches of each picture are seen. All on the host.
struct PatchMask {
  std::int64_t kept = 0;  // of each picture
  Tensor shuffle;         // i64 (N, patches): patches in the order of their noise, the first `kept` are seen
  Tensor restore;         // i64 (N, patches): a patch's place in that order
};

/// How many of `patches` an encoder sees: truncated in floating point, as the official code has it.
inline std::int64_t kept_patches(std::int64_t patches, double ratio) {
  return static_cast<std::int64_t>(static_cast<double>(patches) * (1 - ratio));
}

/// Masks by noise (N, patches): the int(patches (1 - ratio)) patches with the least stay, truncated in floating point as
/// the official code does; of equals the first. (facebookresearch/mae, models_mae.py, random_masking)
inline PatchMask random_masking(const Tensor& noise, double ratio) {
  require(noise.rank() == 2 && ratio >= 0 && ratio < 1, "[random_masking] expected noise (N, patches) and a ratio in ",
          "[0, 1), got ", noise.shape(), " and ", ratio);
  const std::int64_t N = noise.size(0), L = noise.size(1);
  PatchMask mask{kept_patches(L, ratio), Tensor({N, L}, DType::i64), Tensor({N, L}, DType::i64)};
  require(mask.kept >= 1 && mask.kept < L, "[random_masking] a ratio of ", ratio, " of ", L, " patches leaves ",
          mask.kept, " to see");
  const Tensor wide = noise.detach().to(Device::cpu).to(DType::f64);
  for (std::int64_t n = 0; n < N; ++n) {
    const double* const row = wide.data<double>() + n * L;
    std::int64_t* const order = mask.shuffle.data<std::int64_t>() + n * L;
    std::iota(order, order + L, std::int64_t{0});
    std::stable_sort(order, order + L, [row](std::int64_t a, std::int64_t b) { return row[a] < row[b]; });
    for (std::int64_t i = 0; i < L; ++i) mask.restore.data<std::int64_t>()[n * L + order[i]] = i;
  }
  return mask;
}

/// 1 for each patch that is hidden, 0 for those seen: (N, patches).
inline Tensor hidden(const PatchMask& mask, DType dtype = DType::f32) {
  const Tensor flags(mask.restore.shape(), DType::f64);
  for (std::int64_t i = 0; i < flags.count(); ++i)
    flags.data<double>()[i] = mask.restore.data<std::int64_t>()[i] >= mask.kept ? 1 : 0;
  return flags.to(dtype);
}

/// The patches seen, in the order of their noise: (N, patches, D) -> (N, kept, D).
inline Tensor take_seen(const Tensor& patches, const PatchMask& mask) {
  const std::int64_t N = patches.size(0), L = patches.size(1), D = patches.size(2);
  const Tensor index({N * mask.kept}, DType::i64);
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t i = 0; i < mask.kept; ++i)
      index.data<std::int64_t>()[n * mask.kept + i] = n * L + mask.shuffle.data<std::int64_t>()[n * L + i];
  return gather(patches.reshape({N * L, D}), index.to(patches.device())).reshape({N, mask.kept, D});
}

/// All patches in their places again, with `token` (1, 1, D) where one is hidden: (N, kept, D) -> (N, patches, D).
inline Tensor restore_patches(const Tensor& seen, const Tensor& token, const PatchMask& mask) {
  const std::int64_t N = seen.size(0), L = mask.restore.size(1), D = seen.size(2);
  const Tensor index({N * L}, DType::i64);
  for (std::int64_t n = 0; n < N; ++n)
    for (std::int64_t i = 0; i < L; ++i) {
      const std::int64_t place = mask.restore.data<std::int64_t>()[n * L + i];
      index.data<std::int64_t>()[n * L + i] = place < mask.kept ? n * mask.kept + place : N * mask.kept;
    }
  const Tensor rows = concat({seen.reshape({N * mask.kept, D}), cast(token, seen.dtype()).reshape({1, D})});
  return gather(rows, index.to(seen.device())).reshape({N, L, D});
}

/// Mean and spread sqrt(var + 1e-6) of each patch, (N, patches, 1), with the unbiased variance.
struct PatchStatistics {
  Tensor mean, spread;
};
inline PatchStatistics patch_statistics(const Tensor& patches) {
  const std::int64_t n = patches.size(2);
  require(n > 1, "[masked_reconstruction] a patch of one number has no variance");
  const Tensor centre = mean(patches, 2, true);
  const Tensor var = sum(square(patches - centre), 2, true) * (1.0 / static_cast<double>(n - 1));
  return {centre, sqrt(var + 1e-6)};
}

/// The squared error of predicted patches (N, patches, p p C), averaged over each patch and then over the hidden ones
/// (He et al. 2022, arXiv:2111.06377; facebookresearch/mae, models_mae.py, forward_loss). `normalised`: the target is
/// each patch less its mean, over its spread. `hides` is 1 where a patch counts, (N, patches).
inline Tensor masked_reconstruction(const Tensor& prediction, const Tensor& pictures, const Tensor& hides,
                                    std::int64_t patch, bool normalised) {
  Tensor target = patchify(pictures.detach(), patch);
  require(prediction.shape() == target.shape() && hides.shape() == Shape{target.size(0), target.size(1)},
          "[masked_reconstruction] expected predictions ", target.shape(), " and a mask of the patches, got ",
          prediction.shape(), " and ", hides.shape());
  if (normalised) {
    const PatchStatistics of = patch_statistics(target);
    target = (target - of.mean) / of.spread;
  }
  const Tensor error = mean(square(prediction - target), 2);
  return sum(error * hides) / sum(hides);
}

}  // namespace contrastive
