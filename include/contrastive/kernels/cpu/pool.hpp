// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/table.hpp"

/// Pooling over (N, H, W, C). One chunk is one output row of one image; backward runs an image a chunk, because
/// windows overlap.
namespace contrastive::cpu {

/// index holds the place of the largest in the window, ky * kernel + kx; padding is never it.
inline void max_pool(View x, View y, View index, WindowSpec spec) {
  const std::int64_t H = x.shape[1], W = x.shape[2], C = x.shape[3], OH = y.shape[1], OW = y.shape[2];
  dispatch_compute("max_pool", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    parallel_for(y.shape[0] * OH, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const std::int64_t n = row / OH, oy = row % OH;
        for (std::int64_t ox = 0; ox < OW; ++ox) {
          T* out = y.as<T>() + (row * OW + ox) * C;
          std::uint8_t* place = index.as<std::uint8_t>() + (row * OW + ox) * C;
          bool first = true;
          for (int ky = 0; ky < spec.kernel; ++ky) {
            const std::int64_t iy = oy * spec.stride - spec.padding + ky;
            if (iy < 0 || iy >= H) continue;
            for (int kx = 0; kx < spec.kernel; ++kx) {
              const std::int64_t ix = ox * spec.stride - spec.padding + kx;
              if (ix < 0 || ix >= W) continue;
              const T* in = x.as<T>() + ((n * H + iy) * W + ix) * C;
              const auto k = static_cast<std::uint8_t>(ky * spec.kernel + kx);
              for (std::int64_t c = 0; c < C; ++c) {
                const bool better = first || compute_t<T>(in[c]) > compute_t<T>(out[c]) || in[c] != in[c];
                out[c] = better ? in[c] : out[c];
                place[c] = better ? k : place[c];
              }
              first = false;
            }
          }
        }
      }
    });
  });
}

inline void max_pool_grad(View dy, View index, View dx, WindowSpec spec) {
  const std::int64_t H = dx.shape[1], W = dx.shape[2], C = dx.shape[3], OH = dy.shape[1], OW = dy.shape[2];
  dispatch_compute("max_pool", dy.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    parallel_for(dx.shape[0], 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        T* image = dx.as<T>() + n * H * W * C;
        std::fill(image, image + H * W * C, T(compute_t<T>(0)));
        for (std::int64_t oy = 0; oy < OH; ++oy)
          for (std::int64_t ox = 0; ox < OW; ++ox) {
            const std::int64_t at = ((n * OH + oy) * OW + ox) * C;
            for (std::int64_t c = 0; c < C; ++c) {
              const int k = index.as<std::uint8_t>()[at + c];
              const std::int64_t iy = oy * spec.stride - spec.padding + k / spec.kernel;
              const std::int64_t ix = ox * spec.stride - spec.padding + k % spec.kernel;
              T& cell = image[(iy * W + ix) * C + c];
              cell = T(compute_t<T>(cell) + compute_t<T>(dy.as<T>()[at + c]));
            }
          }
      }
    });
  });
}

inline void avg_pool(View x, View y, WindowSpec spec) {
  const std::int64_t H = x.shape[1], W = x.shape[2], C = x.shape[3], OH = y.shape[1], OW = y.shape[2];
  dispatch_compute("avg_pool", x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const A scale = A(1) / static_cast<A>(spec.kernel * spec.kernel);
    parallel_for(y.shape[0] * OH, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row)
        for (std::int64_t ox = 0; ox < OW; ++ox)
          for (std::int64_t c = 0; c < C; ++c) {
            A total = 0;
            for (int ky = 0; ky < spec.kernel; ++ky)
              for (int kx = 0; kx < spec.kernel; ++kx) {
                const std::int64_t iy = row % OH * spec.stride - spec.padding + ky;
                const std::int64_t ix = ox * spec.stride - spec.padding + kx;
                if (iy >= 0 && iy < H && ix >= 0 && ix < W) total += x.as<T>()[((row / OH * H + iy) * W + ix) * C + c];
              }
            y.as<T>()[(row * OW + ox) * C + c] = T(total * scale);
          }
    });
  });
}

inline void avg_pool_grad(View dy, View dx, WindowSpec spec) {
  const std::int64_t H = dx.shape[1], W = dx.shape[2], C = dx.shape[3], OH = dy.shape[1], OW = dy.shape[2];
  dispatch_compute("avg_pool", dy.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = compute_t<T>;
    const A scale = A(1) / static_cast<A>(spec.kernel * spec.kernel);
    parallel_for(dx.shape[0], 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) {
        T* image = dx.as<T>() + n * H * W * C;
        std::fill(image, image + H * W * C, T(A(0)));
        for (std::int64_t oy = 0; oy < OH; ++oy)
          for (std::int64_t ox = 0; ox < OW; ++ox) {
            const T* from = dy.as<T>() + ((n * OH + oy) * OW + ox) * C;
            for (int ky = 0; ky < spec.kernel; ++ky)
              for (int kx = 0; kx < spec.kernel; ++kx) {
                const std::int64_t iy = oy * spec.stride - spec.padding + ky, ix = ox * spec.stride - spec.padding + kx;
                if (iy < 0 || iy >= H || ix < 0 || ix >= W) continue;
                T* cell = image + (iy * W + ix) * C;
                for (std::int64_t c = 0; c < C; ++c) cell[c] = T(A(cell[c]) + A(from[c]) * scale);
              }
          }
      }
    });
  });
}

}  // namespace contrastive::cpu
