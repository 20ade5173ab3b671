// SPDX-License-Identifier: MIT
#pragma once

#include <pthread.h>
#include <signal.h>

#include "contrastive/core/parallel.hpp"

namespace contrastive {

/// Thrown by `StopSignals::check`. It is no `std::exception`, so that nothing takes it for an error to go on after.
struct Interrupted {
  int signal;  // SIGINT or SIGTERM
};

/// While one is alive, SIGINT and SIGTERM wait until they are asked for: no handler runs. (A handler may run at any
/// instruction, on the stack that it finds there. oneDNN's generated products keep their stack pointer in heap memory
/// for a while, and a handler's frame then destroys the heap: github.com/oneapi-src/oneDNN/issues/4845.)
///
/// The signals are blocked in this thread, in the threads of its parallel loops, and in all that these start from now
/// on. A thread that the caller started before must block them itself. May be nested: each signal is taken once.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
    // The workers stay without these signals: the thread that started them is the one to be told.
    each_thread([this] { ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr); });
  }
  ~StopSignals() {
    if (arrived_)
      while (take()) continue;  // sent twice, it asks for the same
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The first of the signals that has come since the start, 0 while there is none.
  int arrived() {
    if (!arrived_) arrived_ = take();
    return arrived_;
  }

  /// Throws `Interrupted` when one has come.
  void check() {
    if (const int signal = arrived()) throw Interrupted{signal};
  }

 private:
  /// Takes a waiting signal off the process; 0 when none waits.
  int take() const {
    sigset_t waiting;
    if (::sigpending(&waiting) != 0) return 0;
    for (const int signal : {SIGINT, SIGTERM}) {
      if (!sigismember(&waiting, signal)) continue;
      sigset_t one;
      sigemptyset(&one);
      sigaddset(&one, signal);
      int taken = 0;
      if (::sigwait(&one, &taken) == 0) return taken;
    }
    return 0;
  }

  sigset_t signals_{}, before_{};
  int arrived_ = 0;
};

/// "SIGINT" or "SIGTERM".
inline const char* signal_name(int signal) { return signal == SIGINT ? "SIGINT" : "SIGTERM"; }

}  // namespace contrastive
