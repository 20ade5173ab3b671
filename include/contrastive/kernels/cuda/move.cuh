// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cub/device/device_radix_sort.cuh>

#include "contrastive/kernels/cuda/context.cuh"
#include "contrastive/kernels/cuda/index.cuh"
#include "contrastive/kernels/table.hpp"

/// Moving data. Copies know sizes, not dtypes, and move the widest words that fit.
namespace contrastive::cuda {

namespace detail {

struct alignas(16) Word16 {
  std::uint64_t half[2];
};

/// Calls f with a word type that divides every length and address of `bits`.
template <class F>
void dispatch_word(std::uintptr_t bits, F&& f) {
  if (bits % 16 == 0) return f(Word16{});
  if (bits % 8 == 0) return f(std::uint64_t{});
  if (bits % 4 == 0) return f(std::uint32_t{});
  if (bits % 2 == 0) return f(std::uint16_t{});
  f(std::uint8_t{});
}

inline std::uintptr_t address(const View& view) { return reinterpret_cast<std::uintptr_t>(view.data); }

/// Rows of `row` words by index. A row that does not exist comes out as all ones: NaN in floats, -1 in integers.
template <class Word>
__global__ void gather_kernel(const Word* x, const std::int64_t* index, std::int64_t x_rows, std::int64_t row,
                              std::int64_t count, Word* y) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    const std::int64_t from = index[i / row];
    Word word;
    if (from >= 0 && from < x_rows)
      word = x[from * row + i % row];
    else
      memset(&word, 0xff, sizeof word);
    y[i] = word;
  }
}

/// Positions beside their rows, for sorting; a row that does not exist sorts to the end.
template <class Key>
__global__ void scatter_keys(const std::int64_t* index, std::int64_t n, Key rows, Key* key, Key* place) {
  const std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= n) return;
  key[i] = index[i] >= 0 && index[i] < rows ? static_cast<Key>(index[i]) : rows;
  place[i] = static_cast<Key>(i);
}

/// One block for each place in sorted order; those that open a run of equal rows add the run, in order.
template <class T>
__global__ void scatter_runs(const T* dy, const std::uint32_t* key, const std::uint32_t* place, std::int64_t n,
                             std::uint32_t rows, std::int64_t columns, T* dx) {
  const std::int64_t first = blockIdx.x;
  const std::uint32_t row = key[first];
  if (row >= rows || (first > 0 && key[first - 1] == row)) return;
  for (std::int64_t c = threadIdx.x; c < columns; c += blockDim.x) {
    compute_t<T> total = dx[row * columns + c];
    for (std::int64_t i = first; i < n && key[i] == row; ++i) total += compute_t<T>(dy[place[i] * columns + c]);
    dx[row * columns + c] = T(total);
  }
}

template <class Word>
__global__ void permute_kernel(const Word* x, Odometer<1> plan, std::int64_t count, Word* y) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    std::int64_t from[1];
    plan.offsets(i, from);
    y[i] = x[from[0]];
  }
}

/// The last two axes of y are contiguous along the other one in x: tiles turn in shared memory, so that both sides
/// are read and written along their rows.
template <class Word>
__global__ void transpose_kernel(const Word* x, Odometer<1> plan, std::int64_t row_tiles, std::int64_t column_tiles,
                                 Word* y) {
  __shared__ Word tile[32][33];
  const int axes = plan.rank - 2;
  const std::int64_t rows = plan.sizes[axes], columns = plan.sizes[axes + 1], stride = plan.strides[0][axes + 1];
  const std::int64_t batch = blockIdx.x / (row_tiles * column_tiles);
  const std::int64_t row0 = blockIdx.x / column_tiles % row_tiles * 32, column0 = blockIdx.x % column_tiles * 32;
  std::int64_t base[1];
  plan.offsets(static_cast<std::uint64_t>(batch), axes, base);
  for (int j = static_cast<int>(threadIdx.y); j < 32; j += static_cast<int>(blockDim.y)) {
    const std::int64_t row = row0 + threadIdx.x, column = column0 + j;
    if (row < rows && column < columns) tile[j][threadIdx.x] = x[base[0] + row + column * stride];
  }
  __syncthreads();
  for (int j = static_cast<int>(threadIdx.y); j < 32; j += static_cast<int>(blockDim.y)) {
    const std::int64_t row = row0 + j, column = column0 + threadIdx.x;
    if (row < rows && column < columns) y[(batch * rows + row) * columns + column] = tile[threadIdx.x][j];
  }
}

/// Between rows of `step` words, from word `offset` on, and rows of `length` words.
template <class Word, bool into_whole>
__global__ void copy_along_kernel(Word* whole, Word* part, std::int64_t step, std::int64_t offset, std::int64_t length,
                                  std::int64_t count) {
  const std::int64_t stride = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += stride) {
    Word& at = whole[i / length * step + offset + i % length];
    if constexpr (into_whole)
      at = part[i];
    else
      part[i] = at;
  }
}

template <bool into_whole>
void copy_along(Call call, const View& whole, const View& part, int axis, std::int64_t offset) {
  const auto size = static_cast<std::int64_t>(size_of(whole.dtype));
  const std::int64_t inner = whole.shape.count(axis + 1, whole.shape.rank) * size;
  const std::int64_t step = whole.shape[axis] * inner, length = part.shape[axis] * inner, start = offset * inner;
  if (part.count() == 0) return;
  dispatch_word(static_cast<std::uintptr_t>(step | length | start) | address(whole) | address(part),
                [&]<class Word>(Word) {
                  constexpr auto word = static_cast<std::int64_t>(sizeof(Word));
                  const std::int64_t count = part.count() * size / word;
                  launch(call, copy_along_kernel<Word, into_whole>, blocks_for(count), block_threads, whole.as<Word>(),
                         part.as<Word>(), step / word, start / word, length / word, count);
                });
}

}  // namespace detail

/// An index outside x gives NaN (-1 in integers), because the device cannot throw.
inline void gather(View x, View index, View y) {
  const std::int64_t row = x.shape.count(1, x.shape.rank) * static_cast<std::int64_t>(size_of(x.dtype));
  if (row == 0 || index.count() == 0) return;
  detail::dispatch_word(
      static_cast<std::uintptr_t>(row) | detail::address(x) | detail::address(y), [&]<class Word>(Word) {
        const std::int64_t words = row / static_cast<std::int64_t>(sizeof(Word)), count = index.count() * words;
        launch("gather", detail::gather_kernel<Word>, blocks_for(count), block_threads, x.as<const Word>(),
               index.as<const std::int64_t>(), x.shape[0], words, count, y.as<Word>());
      });
}

/// A stable sort by row brings the summands of each row together in the order of the index, so the sum has one order.
/// An index outside dx adds nothing.
inline void scatter_add(View dy, View index, View dx) {
  const std::int64_t n = index.count(), rows = dx.shape[0], columns = dx.shape.count(1, dx.shape.rank);
  if (n == 0 || dx.count() == 0) return;
  require(n < 0x7fffffff && rows < 0x7fffffff, "[scatter_add] takes fewer than 2^31 rows, got ", n, " into ", rows);
  const auto bytes = static_cast<std::size_t>(n) * sizeof(std::uint32_t);
  const Scratch keys(2 * bytes), places(2 * bytes);
  std::uint32_t *key = keys.as<std::uint32_t>(), *sorted = key + n;
  std::uint32_t *place = places.as<std::uint32_t>(), *order = place + n;
  launch("scatter_add", detail::scatter_keys<std::uint32_t>, divide_up(n, block_threads), block_threads,
         index.as<const std::int64_t>(), n, static_cast<std::uint32_t>(rows), key, place);
  const int bits = std::bit_width(static_cast<std::uint32_t>(rows));  // `rows` itself is a key
  std::size_t room = 0;
  check(cub::DeviceRadixSort::SortPairs(nullptr, room, key, sorted, place, order, static_cast<int>(n), 0, bits,
                                        context().stream),
        "cub::DeviceRadixSort");
  const Scratch memory(room);
  check(cub::DeviceRadixSort::SortPairs(memory.as<void>(), room, key, sorted, place, order, static_cast<int>(n), 0,
                                        bits, context().stream),
        "cub::DeviceRadixSort");
  dispatch_compute("scatter_add", dy.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    launch("scatter_add", detail::scatter_runs<T>, n, columns > 64 ? 128 : 32, dy.as<const T>(), sorted, order, n,
           static_cast<std::uint32_t>(rows), columns, dx.as<T>());
  });
}

/// y's axis i is x's axis axes[i].
inline void permute(View x, std::array<int, Shape::max_rank> axes, View y) {
  const std::int64_t count = y.count();
  if (count == 0) return;
  const Odometer<1> plan = permute_plan(x.shape, axes);
  const auto size = static_cast<std::uintptr_t>(size_of(x.dtype));
  detail::dispatch_word(size, [&]<class Word>(Word) {
    const std::int64_t rows = plan.rank >= 2 ? plan.sizes[plan.rank - 2] : 1;
    const std::int64_t columns = plan.rank >= 2 ? plan.sizes[plan.rank - 1] : 1;
    if (rows >= 8 && columns >= 8 && plan.strides[0][plan.rank - 2] == 1) {  // narrower ones would waste the tile
      const std::int64_t row_tiles = divide_up(rows, 32), column_tiles = divide_up(columns, 32);
      launch("permute", detail::transpose_kernel<Word>, count / (rows * columns) * row_tiles * column_tiles,
             dim3(32, 8), x.as<const Word>(), plan, row_tiles, column_tiles, y.as<Word>());
    } else {
      launch("permute", detail::permute_kernel<Word>, blocks_for(count), block_threads, x.as<const Word>(), plan, count,
             y.as<Word>());
    }
  });
}

inline void place(View x, View y, int axis, std::int64_t offset) {
  detail::copy_along<true>("place", y, x, axis, offset);
}
inline void extract(View x, View y, int axis, std::int64_t offset) {
  detail::copy_along<false>("extract", x, y, axis, offset);
}

}  // namespace contrastive::cuda
