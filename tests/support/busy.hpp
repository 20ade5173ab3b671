// SPDX-License-Identifier: MIT
#pragma once

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <limits>
#include <thread>

#include "contrastive/core/parallel.hpp"
#include "contrastive/core/waiting.hpp"
#include "support/catch.hpp"

/// A busy machine that is the same everywhere: one CPU for several threads, and a process that competes for it.
namespace busy {

using Clock = std::chrono::steady_clock;
inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Of all threads of this process.
inline double processor_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Keeps a CPU busy with about so many microseconds of work.
inline void compute(int microseconds) {
  volatile float value = 1;
  for (int i = 0; i < 300 * microseconds; ++i) value = value * 1.0001f;
}

/// What a thread and all that it starts may run on from now on: the first CPU that it has.
inline void take_one_cpu() {
  cpu_set_t all, one;
  REQUIRE(::sched_getaffinity(0, sizeof all, &all) == 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &all)) ++cpu;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
}

/// Processor seconds that this process spends on a call of `f`, whose parallel loops have `threads` threads on one CPU
/// that they share with a process that computes without end. What else runs on the machine makes a call longer, but
/// costs no more of this process's time. With more threads than one, of calls while they wait asleep; infinite when they
/// never do within two minutes.
template <class F>
double cost(int threads, F&& f) {
  const int before = contrastive::threads();
  double used = 0;
  int calls = 0;
  std::thread([&] {  // whose loops run on threads of their own, which it starts
    take_one_cpu();
    const pid_t competitor = ::fork();
    if (competitor == 0)
      for (;;) asm volatile("");
    contrastive::set_threads(threads);
    contrastive::detail::Waiting& waiting = contrastive::detail::Waiting::instance();
    for (const auto start = Clock::now(); calls < 20 && seconds_since(start) < 120;) {
      const bool counts = threads == 1 || waiting.asleep();
      const double began = processor_seconds();
      f();
      if (!counts || (threads > 1 && !waiting.asleep())) continue;
      used += processor_seconds() - began;
      ++calls;
    }
    ::kill(competitor, SIGKILL);
    ::waitpid(competitor, nullptr, 0);
  })
      .join();
  contrastive::set_threads(before);
  return calls < 20 ? std::numeric_limits<double>::infinity() : used / calls;
}

}  // namespace busy
