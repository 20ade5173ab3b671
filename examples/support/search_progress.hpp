// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "contrastive/train/progress.hpp"

namespace app {

/// "1234/8412 images  84 images/s  left 1:25" on stderr: one line that is redrawn on a terminal, a line now and then in a
/// file.
class IndexProgress {
 public:
  IndexProgress() {
    const char* const term = std::getenv("TERM");
    terminal_ = ::isatty(::fileno(stderr)) && term && std::string_view(term) != "dumb";
  }
  IndexProgress(const IndexProgress&) = delete;
  IndexProgress& operator=(const IndexProgress&) = delete;
  ~IndexProgress() { finish(); }

  void show(std::size_t done, std::size_t all) {
    const Clock::time_point now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - start_).count();
    if (std::chrono::duration<double>(now - shown_).count() < (terminal_ ? 0.1 : 5) && done < all) return;
    shown_ = now;
    const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
    char text[160];
    const int filled = static_cast<int>(24 * done / std::max<std::size_t>(all, 1));
    const std::string bar =
        std::string(static_cast<std::size_t>(filled), '#') + std::string(static_cast<std::size_t>(24 - filled), '-');
    const double left = rate > 0 ? static_cast<double>(all - done) / rate : -1;
    std::snprintf(text, sizeof text, "%s  %zu/%zu images  %.*f images/s  %s %s", bar.c_str(), done, all,
                  rate < 10 ? 1 : 0, rate, done < all ? "left" : "in",
                  contrastive::format_duration(done < all ? left : seconds).c_str());
    std::fprintf(stderr, terminal_ ? "\r%s\x1b[K" : "%s\n", text);
    std::fflush(stderr);
    open_ = terminal_;
  }

  /// A line of its own.
  void say(const std::string& text) {
    std::fprintf(stderr, open_ ? "\r\x1b[K%s\n" : "%s\n", text.c_str());
    open_ = false;
  }

  void finish() {
    if (open_) std::fputc('\n', stderr);
    open_ = false;
  }

 private:
  using Clock = std::chrono::steady_clock;
  bool terminal_ = false, open_ = false;
  Clock::time_point start_ = Clock::now(), shown_ = start_ - std::chrono::hours(1);
};

}  // namespace app
