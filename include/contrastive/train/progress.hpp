// SPDX-License-Identifier: MIT
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "contrastive/core/error.hpp"

namespace contrastive {

/// "0:07", "12:34", "3:05:09"; unknown (negative or not finite) is "-:--".
inline std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 3.6e8) return "-:--";
  const long s = std::lround(seconds);
  char text[40];
  if (s < 3600)
    std::snprintf(text, sizeof text, "%ld:%02ld", s / 60, s % 60);
  else
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  return text;
}

struct ProgressOptions {
  std::int64_t epochs = 1;
  std::int64_t steps_per_epoch = 1;
  std::int64_t images_per_step = 1;
  std::int64_t first_step = 0;  // steps done before, when resuming
  double plain_interval = 5;    // seconds between lines where there is no terminal
};

/// Shows how a training run goes on: epoch, step, images/s, loss, online kNN accuracy, time left. On a terminal one
/// line with a bar, redrawn in place at most ten times a second; elsewhere (a file, a pipe) plain lines now and then.
class ProgressBar {
 public:
  explicit ProgressBar(ProgressOptions options, std::FILE* out = stderr) : options_(options), out_(out) {
    const char *term = std::getenv("TERM"), *no_color = std::getenv("NO_COLOR");
    terminal_ = ::isatty(::fileno(out)) && term && std::string_view(term) != "dumb";
    color_ = terminal_ && !(no_color && *no_color);
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"})
      if (const char* locale = std::getenv(name); locale && *locale) {
        const std::string_view text(locale);
        unicode_ = text.find("UTF-8") != text.npos || text.find("utf8") != text.npos;
        break;
      }
    start_ = shown_ = measured_ = Clock::now();
    step_ = measured_step_ = options.first_step;
  }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar() { finish(); }

  /// `done` steps are behind us (counted from the start of the whole run); `loss` is the latest one.
  void step(std::int64_t done, double loss) {
    step_ = done;
    loss_ = loss;
    const Clock::time_point now = Clock::now();
    measure(now);
    const double interval = terminal_ ? 0.1 : options_.plain_interval;
    if (since(shown_, now) >= interval || done == total() || !drawn_) draw(now);
  }

  /// Steps go on after a pause that is none of theirs.
  void resume() {
    measured_ = Clock::now();
    measured_step_ = step_;
  }

  /// The latest share, 0 to 1, that a check found: "kNN", "R@1".
  void set_score(const std::string& name, double share) { score_name_ = name, score_ = share; }

  /// Images per second of late; 0 before the first step.
  double images_per_second() const { return step_seconds_ > 0 ? options_.images_per_step / step_seconds_ : 0; }

  /// Prints a line of its own without tearing the bar.
  void say(std::string_view text) {
    std::string all = bar_on_screen_ ? "\r\x1b[K" : "";
    all.append(text) += '\n';
    if (bar_on_screen_) all += bar_line();
    put(all);
  }

  /// Leaves the last state of the bar on the screen. Called by the destructor as well.
  void finish() {
    if (bar_on_screen_) put("\r" + bar_line() + "\n");
    bar_on_screen_ = false;
  }

  /// One line of text without a bar: `epoch 3/100  step 585/19500  2310 images/s  loss 4.812  kNN 81.2 %  left 12:34`.
  std::string text() const {
    const std::int64_t per_epoch = std::max<std::int64_t>(options_.steps_per_epoch, 1);
    const std::int64_t epoch = std::clamp<std::int64_t>((step_ + per_epoch - 1) / per_epoch, 1, options_.epochs);
    std::string line = join("epoch ", epoch, "/", options_.epochs, "  step ", step_, "/", total());
    char number[64];
    const double rate = images_per_second();
    std::snprintf(number, sizeof number, rate < 100 ? "  %.1f images/s" : "  %.0f images/s", rate);
    if (rate > 0) line += number;
    std::snprintf(number, sizeof number, "  loss %.4g", loss_);
    line += number;
    if (std::isfinite(score_)) {
      std::snprintf(number, sizeof number, " %.1f %%", 100 * score_);
      line += "  " + score_name_ + number;
    }
    if (step_ < total())
      line +=
          "  left " + format_duration(step_seconds_ > 0 ? step_seconds_ * static_cast<double>(total() - step_) : -1);
    else
      line += "  in " + format_duration(since(start_, Clock::now()));
    return line;
  }

 private:
  using Clock = std::chrono::steady_clock;

  static double since(Clock::time_point then, Clock::time_point now) {
    return std::chrono::duration<double>(now - then).count();
  }

  std::int64_t total() const { return options_.epochs * options_.steps_per_epoch; }

  /// Time per step, averaged over about the last ten seconds (over all there are at first), so that warm-up fades.
  void measure(Clock::time_point now) {
    const double seconds = since(measured_, now);
    const std::int64_t steps = step_ - measured_step_;
    if (steps <= 0 || (seconds < 0.2 && step_seconds_ > 0)) return;
    averaged_ += seconds;
    const double latest = seconds / static_cast<double>(steps);
    step_seconds_ += std::max(1 - std::exp(-seconds / 10), seconds / averaged_) * (latest - step_seconds_);
    measured_ = now;
    measured_step_ = step_;
  }

  int columns() const {
    winsize size{};
    return ::ioctl(::fileno(out_), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  }

  std::string bar_line() const {
    std::string line = text();
    const int room = columns() - 1;
    if (static_cast<int>(line.size()) > room) line.resize(static_cast<std::size_t>(std::max(room, 0)));
    const int width = std::min(room - static_cast<int>(line.size()) - 2, 30);
    if (width >= 8) {
      const double share = total() > 0 ? static_cast<double>(step_) / static_cast<double>(total()) : 1;
      const int full = static_cast<int>(std::clamp(share, 0.0, 1.0) * width);
      std::string bar = color_ ? "\x1b[36m" : "";
      for (int i = 0; i < width; ++i) {
        if (i == full && color_) bar += "\x1b[2m";
        bar += unicode_ ? (i < full || color_ ? "━" : "─") : (i < full ? "#" : "-");
      }
      line = bar + (color_ ? "\x1b[0m" : "") + "  " + line;
    }
    return line + "\x1b[K";
  }

  void draw(Clock::time_point now) {
    put(terminal_ ? "\r" + bar_line() : text() + "\n");
    bar_on_screen_ = terminal_;
    drawn_ = true;
    shown_ = now;
  }

  /// One write a frame: the terminal never sees half a line, so nothing flickers.
  void put(const std::string& all) {
    std::fwrite(all.data(), 1, all.size(), out_);
    std::fflush(out_);
  }

  ProgressOptions options_;
  std::FILE* out_;
  bool terminal_ = false, color_ = false, unicode_ = false, bar_on_screen_ = false, drawn_ = false;
  Clock::time_point start_, shown_, measured_;
  std::int64_t step_ = 0, measured_step_ = 0;
  double step_seconds_ = 0, averaged_ = 0, loss_ = 0, score_ = std::nan("");
  std::string score_name_;
};

}  // namespace contrastive
