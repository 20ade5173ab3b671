// SPDX-License-Identifier: MIT
#include "contrastive/train/progress.hpp"

#include <algorithm>
#include <cstdio>

#include "io/support.hpp"
#include "support/catch.hpp"

using namespace contrastive;

TEST_CASE("progress in a file is plain lines, few of them", "[train]") {
  std::FILE* out = std::tmpfile();
  {
    ProgressBar progress({.epochs = 2, .steps_per_epoch = 500, .images_per_step = 10}, out);
    for (int step = 1; step <= 1000; ++step) {
      if (step == 600) progress.set_score("kNN", 0.815);
      progress.step(step, 1.5);
    }
    progress.say("saved");
  }
  std::string text(1 << 16, '\0');
  std::rewind(out);
  text.resize(std::fread(text.data(), 1, text.size(), out));
  std::fclose(out);
  CHECK(text.find('\r') == text.npos);
  CHECK(text.find('\x1b') == text.npos);
  CHECK(std::count(text.begin(), text.end(), '\n') == 3);  // first step, last step, what was said
  CHECK_THAT(text, Contains("epoch 1/2  step 1/1000") && Contains("epoch 2/2  step 1000/1000"));
  CHECK_THAT(text, Contains("images/s") && Contains("loss 1.5") && Contains("kNN 81.5 %") && Contains("saved\n"));
}

TEST_CASE("durations read like a clock", "[train]") {
  CHECK(format_duration(7.4) == "0:07");
  CHECK(format_duration(754) == "12:34");
  CHECK(format_duration(11109) == "3:05:09");
  CHECK(format_duration(-1) == "-:--");
}
