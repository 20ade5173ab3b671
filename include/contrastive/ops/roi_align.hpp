// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/cpu/simd.hpp"
#include "contrastive/ops/elementwise.hpp"
#include "contrastive/ops/index.hpp"
#include "contrastive/ops/reduce.hpp"

namespace contrastive {

struct RoiAlignOptions {
  std::int64_t height = 7, width = 7;  // cells of a region
  double scale = 1;                    // of the features to the image: 1 / stride
  int samples = 2;                     // a side of a cell; 0: as many as the cell has features
  bool aligned = true;                 // half a pixel is taken off, as it should be
};

namespace detail {

/// The features of a cell along one axis with their weights: the mean of its bilinear samples.
struct RoiTap {
  std::int64_t at;
  double weight;
};

/// Cell after cell of an axis of all regions; cell i has the taps first[i] to first[i + 1].
struct RoiAxis {
  std::vector<RoiTap> taps;
  std::vector<std::size_t> first{0};

  /// A cell of `side` features that begins at `begin`; the axis has `size` of them.
  void add_cell(double begin, double side, std::int64_t samples, std::int64_t size) {
    const auto put = [&](std::int64_t at, double weight) {
      for (std::size_t i = taps.size(); i-- > first.back();)
        if (taps[i].at == at) return void(taps[i].weight += weight);
      taps.push_back({at, weight});
    };
    const double share = 1 / static_cast<double>(samples);
    for (std::int64_t s = 0; s < samples; ++s) {
      double at = begin + (static_cast<double>(s) + 0.5) * side * share;
      if (at < -1 || at > static_cast<double>(size)) continue;
      at = std::clamp(at, 0.0, static_cast<double>(size - 1));
      const auto low = static_cast<std::int64_t>(at);
      const double behind = at - static_cast<double>(low);
      put(low, (1 - behind) * share);
      if (behind > 0) put(low + 1, behind * share);
    }
    first.push_back(taps.size());
  }
  std::size_t most() const {
    std::size_t count = 1;
    for (std::size_t i = 1; i < first.size(); ++i) count = std::max(count, first[i] - first[i - 1]);
    return count;
  }
};

/// The cells of regions, as weighted sums of rows of the features (N H W, C).
struct RoiCells {
  std::int64_t height = 0, width = 0, H = 0, W = 0;
  std::vector<std::int64_t> image;  // of each region
  RoiAxis down, across;

  /// `f(row, weight)` for each feature of cell (i, j) of region k.
  template <class F>
  void each_tap(std::int64_t k, std::int64_t i, std::int64_t j, F&& f) const {
    const auto y = static_cast<std::size_t>(k * height + i), x = static_cast<std::size_t>(k * width + j);
    for (std::size_t a = down.first[y]; a < down.first[y + 1]; ++a)
      for (std::size_t b = across.first[x]; b < across.first[x + 1]; ++b)
        f((image[static_cast<std::size_t>(k)] * H + down.taps[a].at) * W + across.taps[b].at,
          down.taps[a].weight * across.taps[b].weight);
  }
};

inline RoiCells roi_cells(const Shape& features, const Tensor& regions, const RoiAlignOptions& options) {
  RoiCells cells{options.height, options.width, features[1], features[2], {}, {}, {}};
  const Tensor rois = regions.detach().to(Device::cpu).to(DType::f64);
  const double half = options.aligned ? 0.5 : 0;
  for (std::int64_t k = 0; k < regions.size(0); ++k) {
    const double* const r = rois.data<double>() + 5 * k;
    require(r[0] >= 0 && r[0] < static_cast<double>(features[0]), "[roi_align] region ", k, " is of image ", r[0],
            ", and there are ", features[0]);
    require(std::all_of(r + 1, r + 5, [](double at) { return std::isfinite(at); }), "[roi_align] region ", k,
            " is not finite");
    cells.image.push_back(static_cast<std::int64_t>(r[0]));
    const auto add = [&](RoiAxis& axis, double low, double high, std::int64_t count, std::int64_t size) {
      const double begin = low * options.scale - half;
      double side = high * options.scale - half - begin;
      if (!options.aligned) side = std::max(side, 1.0);
      side /= static_cast<double>(count);
      const std::int64_t samples = options.samples > 0 ? options.samples : static_cast<std::int64_t>(std::ceil(side));
      for (std::int64_t i = 0; i < count; ++i)
        axis.add_cell(begin + static_cast<double>(i) * side, side, samples, size);
    };
    add(cells.down, r[2], r[4], options.height, features[1]);
    add(cells.across, r[1], r[3], options.width, features[2]);
  }
  return cells;
}

/// Channels of a cell, or of the gradient that goes back from it: blocks of four vectors stay in registers.
template <bool gradient>
struct RoiSum {
  template <class Isa, class T>
  CONTRASTIVE_INLINE static void run(const std::int64_t* rows, const T* weights, std::int64_t taps, std::int64_t C,
                                     std::int64_t channels, T* features, T* cell) {
    using V = simd::native<Isa, T>;
    constexpr int N = simd::size_v<V>;
    std::int64_t c = 0;
    for (; c + 4 * N <= channels; c += 4 * N) block<V, 4>(rows, weights, taps, C, features + c, cell + c);
    for (; c + N <= channels; c += N) block<V, 1>(rows, weights, taps, C, features + c, cell + c);
    for (; c < channels; ++c) {
      T sum = 0;
      for (std::int64_t t = 0; t < taps; ++t)
        if constexpr (gradient)
          features[rows[t] * C + c] += weights[t] * cell[c];
        else
          sum += weights[t] * features[rows[t] * C + c];
      if constexpr (!gradient) cell[c] = sum;
    }
  }
  template <class V, int blocks, class T>
  CONTRASTIVE_INLINE static void block(const std::int64_t* rows, const T* weights, std::int64_t taps, std::int64_t C,
                                       T* features, T* cell) {
    constexpr int N = simd::size_v<V>;
    V own[blocks];
    for (int b = 0; b < blocks; ++b)
      if constexpr (gradient)
        own[b] = simd::load<V>(cell + b * N);
      else
        own[b] = V{};
    for (std::int64_t t = 0; t < taps; ++t)
      for (int b = 0; b < blocks; ++b) {
        T* const at = features + rows[t] * C + b * N;
        if constexpr (gradient)
          simd::store(at, simd::load<V>(at) + own[b] * weights[t]);
        else
          own[b] += simd::load<V>(at) * weights[t];
      }
    if constexpr (!gradient)
      for (int b = 0; b < blocks; ++b) simd::store(cell + b * N, own[b]);
  }
};

/// Sums of `channels` channels of region k's cells, from the features or back to them.
template <bool gradient, class T>
void roi_sums(const RoiCells& cells, std::int64_t k, std::int64_t C, std::int64_t channels, T* features, T* out) {
  thread_local std::vector<std::int64_t> rows;
  thread_local std::vector<T> weights;
  for (std::int64_t i = 0; i < cells.height; ++i)
    for (std::int64_t j = 0; j < cells.width; ++j) {
      rows.clear(), weights.clear();
      cells.each_tap(k, i, j, [&](std::int64_t row, double weight) {
        rows.push_back(row), weights.push_back(static_cast<T>(weight));
      });
      simd::dispatch<RoiSum<gradient>>(static_cast<const std::int64_t*>(rows.data()),
                                       static_cast<const T*>(weights.data()), static_cast<std::int64_t>(rows.size()), C,
                                       channels, features, out + ((k * cells.height + i) * cells.width + j) * C);
    }
}

/// On the CPU, features (N, H, W, C) in f32 or f64.
template <class T>
Tensor roi_align_cpu(const Tensor& features, std::shared_ptr<const RoiCells> cells) {
  const std::int64_t N = features.size(0), C = features.size(3), K = std::ssize(cells->image);
  const Tensor y({K, cells->height, cells->width, C}, features.dtype());
  T* const from = features.detach().template data<T>();
  parallel_for(K, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) roi_sums<false>(*cells, k, C, C, from, y.template data<T>());
  });
  if (!recording({&features})) return y;
  return record(y, [dx = Grad(features), shape = features.shape(), cells, N, C, K](const Tensor& dy) {
    const Tensor d = Tensor::zeros(shape, dy.dtype());
    // Each image and block of channels by one thread: the sums have one order, however wide the blocks are.
    const std::int64_t wanted = (threads() + N - 1) / N, block = (C / wanted + 64) / 64 * 64,
                       blocks = (C + block - 1) / block;
    parallel_for(N * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t unit = begin; unit < end; ++unit) {
        const std::int64_t first = unit % blocks * block, channels = std::min(block, C - first);
        for (std::int64_t k = 0; k < K; ++k)
          if (cells->image[static_cast<std::size_t>(k)] == unit / blocks)
            roi_sums<true>(*cells, k, C, channels, d.template data<T>() + first, dy.template data<T>() + first);
      }
    });
    dx.add(d);
  });
}

/// The same from other ops, on any device: each cell gathers its features.
inline Tensor roi_align_gathered(const Tensor& features, const RoiCells& cells) {
  const std::int64_t K = std::ssize(cells.image), C = features.size(3), all = K * cells.height * cells.width,
                     most = static_cast<std::int64_t>(cells.down.most() * cells.across.most());
  const Tensor rows = Tensor::zeros({all, most}, DType::i64), weights = Tensor::zeros({all, most, 1}, DType::f64);
  for (std::int64_t cell = 0; cell < all; ++cell) {
    std::int64_t* row = rows.data<std::int64_t>() + cell * most;
    double* weight = weights.data<double>() + cell * most;
    const std::int64_t k = cell / (cells.height * cells.width);
    cells.each_tap(k, cell / cells.width % cells.height, cell % cells.width,
                   [&](std::int64_t at, double by) { *row++ = at, *weight++ = by; });
  }
  const Tensor taken =
      gather(features.reshape({features.count() / C, C}), rows.to(features.device()));  // (cells, most, C)
  return sum(taken * weights.to(features.dtype()).to(features.device()), 1).reshape({K, cells.height, cells.width, C});
}

}  // namespace detail

/// RoIAlign (He et al. 2017, arXiv:1703.06870; torchvision, ops/roi_align.py): features (N, H, W, C) and regions (K, 5),
/// each the image's number and a box in pixels of the image -> (K, height, width, C), the mean of bilinear samples in each
/// cell. Samples more than a pixel outside the features are 0. The gradient goes to the features. Sums are f32 beside bf16.
inline Tensor roi_align(const Tensor& features, const Tensor& regions, const RoiAlignOptions& options = {}) {
  require(features.rank() == 4 && regions.rank() == 2 && regions.size(1) == 5,
          "[roi_align] expected features (N, H, W, C) and regions (K, 5), got ", features.shape(), " and ",
          regions.shape());
  require(options.height >= 1 && options.width >= 1 && options.samples >= 0,
          "[roi_align] expected cells and no negative number of samples, got ", options.height, " x ", options.width,
          " and ", options.samples);
  const auto cells = std::make_shared<const detail::RoiCells>(detail::roi_cells(features.shape(), regions, options));
  if (features.device() != Device::cpu) return detail::roi_align_gathered(features, *cells);
  if (features.dtype() == DType::f64) return detail::roi_align_cpu<double>(features, cells);
  const Tensor sums = detail::roi_align_cpu<float>(cast(features, DType::f32), cells);
  return cast(sums, features.dtype());
}

}  // namespace contrastive
