// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#if defined(_OPENMP)
#include <omp.h>
#include <pthread.h>
#endif

#include "contrastive/core/waiting.hpp"

namespace contrastive {

namespace detail {
inline int& thread_setting() {
  static int threads = 0;
  return threads;
}
inline bool& deterministic_setting() {
  static bool on = false;
  return on;
}
inline bool& inside_parallel() {
  thread_local bool inside = false;
  return inside;
}
/// Whether this is a child of a fork whose parent had run loops on OpenMP's threads: the child lacks them, and
/// libgomp would wait for them for ever.
inline bool& forked() {
  static bool child = false;
  return child;
}
}  // namespace detail

/// Threads that parallel loops use: what `set_threads` said, else all of the machine's (OMP_NUM_THREADS obeyed). One in a
/// forked child whose parent had run loops on OpenMP's.
inline int threads() {
  if (detail::forked()) return 1;
  if (detail::thread_setting() > 0) return detail::thread_setting();
#if defined(_OPENMP)
  return omp_get_max_threads();
#else
  return std::max(1u, std::thread::hardware_concurrency());
#endif
}

inline void set_threads(int count) {
  detail::thread_setting() = count;
#if defined(_OPENMP)
  if (count > 0 && !detail::forked()) omp_set_num_threads(count);
#endif
}

/// Deterministic mode: results do not depend on the number of threads. Our own kernels never do; what changes is
/// that vendor reductions that do are cut into fixed chunks.
inline bool deterministic() { return detail::deterministic_setting(); }
inline void set_deterministic(bool on) { detail::deterministic_setting() = on; }

namespace detail {
/// `call(body, begin, end)` for each chunk: compiled once, whatever the body is.
inline void each_chunk(std::int64_t n, std::int64_t grain, void (*call)(void*, std::int64_t, std::int64_t),
                       void* body) {
  if (n <= 0) return;
  grain = std::max<std::int64_t>(grain, 1);
  const std::int64_t chunks = (n + grain - 1) / grain;
  const int workers = static_cast<int>(std::min<std::int64_t>(threads(), chunks));
  if (workers <= 1 || inside_parallel()) {
    for (std::int64_t c = 0; c < chunks; ++c) call(body, c * grain, std::min(n, (c + 1) * grain));
    return;
  }
  std::exception_ptr failure;
  std::mutex failure_lock;
  const auto run = [&](std::int64_t c) {
    try {
      call(body, c * grain, std::min(n, (c + 1) * grain));
    } catch (...) {
      const std::lock_guard hold(failure_lock);
      if (!failure) failure = std::current_exception();
    }
  };
#if defined(_OPENMP)
  [[maybe_unused]] static const int told = ::pthread_atfork(nullptr, nullptr, [] {
    forked() = true;
    omp_set_num_threads(1);  // for oneDNN
  });
  Waiting& waiting = Waiting::instance();
  const bool look = waiting.due();
#pragma omp parallel num_threads(workers)
  {
    inside_parallel() = true;
#pragma omp for schedule(static)
    for (std::int64_t c = 0; c < chunks; ++c) run(c);
    inside_parallel() = false;
    if (look) waiting.note();
  }
  if (look) waiting.decide();
#else
#if defined(CONTRASTIVE_WITH_ONEDNN)
  keep_libgomp_asleep();  // oneDNN's threads would spin where ours are to run
#endif
  // Without OpenMP: plain threads, each with a contiguous share.
  const auto share = [&](int worker) {
    inside_parallel() = true;
    for (std::int64_t c = chunks * worker / workers; c < chunks * (worker + 1) / workers; ++c) run(c);
    inside_parallel() = false;
  };
  std::vector<std::jthread> crew;
  for (int worker = 1; worker < workers; ++worker) crew.emplace_back(share, worker);
  share(0);
  crew.clear();
#endif
  if (failure) std::rethrow_exception(failure);
}
}  // namespace detail

/// Calls `f(begin, end)` over [0, n) in chunks of `grain`. The chunks depend on n and grain alone, so a caller that
/// keeps one partial result a chunk and joins them in order gets the same bits for any number of threads. The first
/// exception is rethrown here. Nested calls run serially.
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, F&& f) {
  using Body = std::remove_reference_t<F>;
  detail::each_chunk(
      n, grain, [](void* body, std::int64_t begin, std::int64_t end) { (*static_cast<Body*>(body))(begin, end); },
      const_cast<void*>(static_cast<const void*>(std::addressof(f))));
}

/// Calls `f()` once in every thread that parallel loops of the calling thread use.
template <class F>
void each_thread(F&& f) {
#if defined(_OPENMP)
#pragma omp parallel num_threads(threads())
#endif
  f();
}

/// A grain that gives each chunk about `work` units when one item costs `item` of them.
constexpr std::int64_t grain_for(std::int64_t item, std::int64_t work = 1 << 15) {
  return std::max<std::int64_t>(1, work / std::max<std::int64_t>(1, item));
}

}  // namespace contrastive
