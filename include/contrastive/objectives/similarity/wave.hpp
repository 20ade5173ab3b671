// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>

#include "contrastive/core/parallel.hpp"

namespace contrastive::similarity {

/// Lets the core's other thread go first for a moment.
inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Calls body(I, J) for every block of a grid, J from first(I) to `columns`, so that blocks of one row run in order of J
/// and blocks of one column in order of I. Sums kept by row and by column therefore always add up in the same order:
/// the same bits for any number of threads, without a copy of the sums for each thread. Rows are handed out in order
/// and a row stays one block behind the row above it, so all threads work at once.
/// `progress` is room for a number a row.
template <class First, class Body>
void wave(std::int64_t rows, std::int64_t columns, std::int64_t* progress, First first, Body body) {
  std::fill_n(progress, rows, 0);
  const auto done = [&](std::int64_t I) { return std::atomic_ref(progress[I]); };
  std::atomic<std::int64_t> next{0};
  parallel_for(threads(), 1, [&](std::int64_t, std::int64_t) {
    for (std::int64_t I = next++; I < rows; I = next++) {
      for (std::int64_t J = first(I); J < columns; ++J) {
        for (int spins = 0; I > 0 && done(I - 1).load(std::memory_order_acquire) <= J; ++spins) {
          if (spins > 4000)
            std::this_thread::yield();
          else
            pause();
        }
        body(I, J);
        done(I).store(J + 1, std::memory_order_release);
      }
      done(I).store(columns, std::memory_order_release);
    }
  });
}

}  // namespace contrastive::similarity
