// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__linux__)
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>
#endif

/// How OpenMP's threads wait: spinning while they have the machine's CPUs to themselves, asleep while they do not.
///
/// A thread of libgomp or libomp that has nothing to do spins for 3 to 200 ms before it sleeps. On an idle machine no
/// way to wait is faster. Beside other processes it takes CPUs from the very threads it waits for: a loop then takes
/// three to thirty times as long. The runtimes read their setting (OMP_WAIT_POLICY) before `main`, so it is changed here
/// by what they look at later. Somebody's own setting is left alone.
namespace contrastive::detail {

/// CPUs that this process had when it started, as libgomp counts them.
inline unsigned count_cpus() {
#if defined(__linux__)
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<unsigned>(CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}
inline const unsigned cpus_at_start = count_cpus();

/// Seconds for which this thread was ready to run and had no CPU, since it began. 0 where the system does not count
/// them.
inline double starved_seconds() {
#if defined(__linux__)
  const int file = ::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[96] = {};  // ns on a CPU, ns waiting for one, slices
  const auto size = ::read(file, text, sizeof text - 1);
  ::close(file);
  if (size <= 0) return 0;
  char* end = text;
  std::strtoull(text, &end, 10);
  return static_cast<double>(std::strtoull(end, nullptr, 10)) * 1e-9;
#else
  return 0;
#endif
}

/// Keeps libgomp's threads from spinning for more than a few microseconds while it exists. libgomp does so as long as it
/// has more threads than the machine has CPUs (`do_spin` in its config/linux/wait.h), so a team of that many sleeps here.
class SleepingTeam {
 public:
  SleepingTeam() {
#if defined(__linux__)
    void* const libgomp = ::dlopen("libgomp.so.1", RTLD_NOW | RTLD_NOLOAD);
    const auto parallel = libgomp ? reinterpret_cast<Parallel>(::dlsym(libgomp, "GOMP_parallel")) : nullptr;
    if (!parallel) return;  // not in this process
    try {
      std::thread([bed = bed_, parallel] { lie_down(*bed, parallel); }).detach();
      settled_ = false;
    } catch (const std::system_error&) {  // no room for a thread: they spin
    }
#endif
  }
  ~SleepingTeam() { bed_->wake(); }
  SleepingTeam(const SleepingTeam&) = delete;
  SleepingTeam& operator=(const SleepingTeam&) = delete;

  /// Whether the team sleeps by now, or never will: on a machine with many processes it takes a while to start.
  bool settled() const { return settled_ || bed_->full(); }

 private:
  class Bed {
   public:
    explicit Bed(unsigned places = 0) : places_(places) {}
    void sleep() {
      std::unique_lock hold(lock_);
      ++sleepers_;
      wake_.wait(hold, [&] { return morning_; });
    }
    bool full() {
      const std::lock_guard hold(lock_);
      return sleepers_ >= places_;
    }
    void give_up() {
      const std::lock_guard hold(lock_);
      places_ = 0;
    }
    void wake() {
      const std::lock_guard hold(lock_);
      morning_ = true;
      wake_.notify_all();
    }

   private:
    std::mutex lock_;
    std::condition_variable wake_;
    unsigned places_, sleepers_ = 0;
    bool morning_ = false;
  };

#if defined(__linux__)
  using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);

  static void lie_down(Bed& bed, Parallel parallel) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);  // the program's signals are not for these threads
    static std::atomic<bool> could_start{false};  // once is enough
    if (could_start || (could_start = can_start(team)))
      parallel([](void* data) { static_cast<Bed*>(data)->sleep(); }, &bed, team, 0);
    else
      bed.give_up();
  }  // at the thread's end libgomp forgets the team

  /// Whether the system has room for so many threads more: where it has not, libgomp ends the process.
  static bool can_start(unsigned count) {
    Bed bed;
    std::vector<std::jthread> threads;
    bool all = true;
    try {
      for (unsigned i = 0; i < count; ++i) threads.emplace_back([&] { bed.sleep(); });
    } catch (const std::system_error&) {
      all = false;
    }
    bed.wake();
    return all;
  }
#endif

  inline static const unsigned team = cpus_at_start + 1;
  std::shared_ptr<Bed> bed_ = std::make_shared<Bed>(team);
  bool settled_ = true;
};

/// Whether somebody said how threads are to wait.
inline bool is_set_by_user() {
  return std::getenv("OMP_WAIT_POLICY") || std::getenv("GOMP_SPINCOUNT") || std::getenv("KMP_BLOCKTIME");
}

/// From now on, for programs whose own loops run on other threads than libgomp's.
inline void keep_libgomp_asleep() {
  [[maybe_unused]] static const SleepingTeam* const team = is_set_by_user() ? nullptr : new SleepingTeam;
}

/// Watches whether the threads of parallel loops have CPUs to themselves, and has them sleep while they do not. Every 30
/// ms the threads of one loop say for how long they were ready and had no CPU. When one lacked it for a quarter of the
/// time, all sleep; then they spin again to look, first after half a second, then less and less often.
class Waiting {
 public:
  static Waiting& instance() {
    static Waiting* const waiting = new Waiting;  // never destroyed: loops may run at exit
    return *waiting;
  }

  /// Whether the loop that begins is one to look at.
  bool due() {
    const std::int64_t now = nanoseconds();
    std::int64_t next = next_.load(std::memory_order_relaxed);
    return now >= next && next_.compare_exchange_strong(next, now + look, std::memory_order_relaxed);
  }

  /// From each thread of such a loop.
  void note() {
    thread_local double starved_before = 0;
    thread_local std::int64_t before = 0;
    const std::int64_t now = nanoseconds();
    const double starved = starved_seconds();
    if (before != 0) {
      const double share = (starved - starved_before) * 1e9 / static_cast<double>(now - before);
      double worst = worst_.load(std::memory_order_relaxed);
      while (share > worst && !worst_.compare_exchange_weak(worst, share, std::memory_order_relaxed)) {
      }
    }
    before = now;
    starved_before = starved;
  }

  /// From the thread that called it, afterwards.
  void decide() {
    const std::lock_guard hold(lock_);
    const double worst = worst_.exchange(0, std::memory_order_relaxed);
    if (asleep_ && !libgomp_->settled()) {
      next_ = nanoseconds() + shortest_rest;
    } else if (asleep_) {
      spin();
    } else if (worst > 0.25) {
      sleep();
      next_ = nanoseconds() + rest_;
      rest_ = std::min(2 * rest_, longest_rest);
    } else {
      rest_ = shortest_rest;
    }
  }

  /// Whether the threads of libgomp and libomp do not spin now.
  bool asleep() {
    const std::lock_guard hold(lock_);
    return asleep_ && libgomp_->settled();
  }

 private:
  static constexpr std::int64_t look = 30'000'000, shortest_rest = 500'000'000, longest_rest = 4'000'000'000;  // ns

  Waiting() {
    if (is_set_by_user()) next_ = std::numeric_limits<std::int64_t>::max();  // never due
  }
  static std::int64_t nanoseconds() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  void sleep() {
    asleep_ = true;
    libgomp_.emplace();
#if defined(KMP_VERSION_MAJOR)  // libomp
    blocktime_ = kmp_get_blocktime();
    kmp_set_blocktime(0);
#endif
  }
  void spin() {
    asleep_ = false;
    libgomp_.reset();
#if defined(KMP_VERSION_MAJOR)
    kmp_set_blocktime(blocktime_);
#endif
  }

  std::atomic<std::int64_t> next_{0};  // when to look, ns
  std::atomic<double> worst_{0};       // largest share of the time for which a thread lacked a CPU
  std::mutex lock_;
  bool asleep_ = false;
  std::int64_t rest_ = shortest_rest;
  std::optional<SleepingTeam> libgomp_;
  int blocktime_ = 0;
};

}  // namespace contrastive::detail
