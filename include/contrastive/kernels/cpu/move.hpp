// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstring>

#include "contrastive/core/parallel.hpp"
#include "contrastive/kernels/odometer.hpp"
#include "contrastive/kernels/table.hpp"

namespace contrastive::cpu {

inline void gather(View x, View index, View y) {
  const std::size_t row = static_cast<std::size_t>(x.shape.count(1, x.shape.rank)) * size_of(x.dtype);
  const std::int64_t* at = index.as<std::int64_t>();
  for (std::int64_t i = 0; i < index.count(); ++i)
    require(at[i] >= 0 && at[i] < x.shape[0], "[gather] index ", at[i], " is outside ", x.shape[0], " rows");
  parallel_for(index.count(), grain_for(static_cast<std::int64_t>(row)), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      std::memcpy(y.as<char>() + static_cast<std::size_t>(i) * row,
                  x.as<char>() + static_cast<std::size_t>(at[i]) * row, row);
  });
}

/// Threads share the columns, so each row of dx is added to in the order of the index.
inline void scatter_add(View dy, View index, View dx) {
  const std::int64_t columns = dx.shape.count(1, dx.shape.rank);
  const std::int64_t* at = index.as<std::int64_t>();
  dispatch_compute("scatter_add", dy.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    parallel_for(columns, grain_for(index.count()), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = 0; i < index.count(); ++i) {
        const T* from = dy.as<T>() + i * columns;
        T* to = dx.as<T>() + at[i] * columns;
        for (std::int64_t c = begin; c < end; ++c) to[c] = T(compute_t<T>(to[c]) + compute_t<T>(from[c]));
      }
    });
  });
}

/// y's axis i is x's axis axes[i].
inline void permute(View x, std::array<int, Shape::max_rank> axes, View y) {
  const Odometer<1> plan = permute_plan(x.shape, axes);
  const int outer = std::max(0, plan.rank - 1);
  const std::int64_t inner = plan.rank ? plan.sizes[outer] : 1, stride = plan.rank ? plan.strides[0][outer] : 1;
  const auto move = [&]<class T>(T) {
    parallel_for(y.count(), 1 << 14, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin, some; i < end; i += some) {  // what is left of a run of the last axis
        const std::int64_t within = i % inner;
        some = std::min(end - i, inner - within);
        std::int64_t from[1];
        plan.offsets(static_cast<std::uint64_t>(i / inner), outer, from);
        const T* source = x.as<T>() + from[0] + within * stride;
        T* target = y.as<T>() + i;
        if (stride == 1)
          std::copy_n(source, some, target);
        else
          for (std::int64_t k = 0; k < some; ++k) target[k] = source[k * stride];
      }
    });
  };
  switch (size_of(x.dtype)) {
    case 1: return move(std::uint8_t{});
    case 2: return move(std::uint16_t{});
    case 4: return move(std::uint32_t{});
    default: return move(std::uint64_t{});
  }
}

namespace detail {
/// Copies blocks of one axis between a tensor that has `whole` entries along it and one that has `part`.
inline void copy_along(View whole, View part, int axis, std::int64_t offset, bool into_whole) {
  const std::size_t inner =
      static_cast<std::size_t>(whole.shape.count(axis + 1, whole.shape.rank)) * size_of(whole.dtype);
  const std::size_t step = static_cast<std::size_t>(whole.shape[axis]) * inner;
  const std::size_t bytes = static_cast<std::size_t>(part.shape[axis]) * inner;
  const std::int64_t outer = whole.shape.count(0, axis);
  if (bytes == 0) return;
  parallel_for(outer, grain_for(static_cast<std::int64_t>(bytes)), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      char* at = whole.as<char>() + static_cast<std::size_t>(i) * step + static_cast<std::size_t>(offset) * inner;
      char* other = part.as<char>() + static_cast<std::size_t>(i) * bytes;
      into_whole ? std::memcpy(at, other, bytes) : std::memcpy(other, at, bytes);
    }
  });
}
}  // namespace detail

inline void place(View x, View y, int axis, std::int64_t offset) { detail::copy_along(y, x, axis, offset, true); }
inline void extract(View x, View y, int axis, std::int64_t offset) { detail::copy_along(x, y, axis, offset, false); }

}  // namespace contrastive::cpu
