// SPDX-License-Identifier: MIT
//
// Rebuilds a run's page from its folder alone:
//
//   report runs/quickstart

#include <cstdio>
#include <string_view>

#include "contrastive/io/report.hpp"

int main(int argc, char** argv) {
  const std::string_view argument = argc == 2 ? argv[1] : "";
  if (argument == "--help" || argument == "-h") {
    std::puts(
        "usage: report RUN\n\nWrites RUN/report.html from metrics.csv, summary.json, config.json and report_data/\nin "
        "the folder RUN.");
    return 0;
  }
  if (argument.empty() || argument[0] == '-') {
    std::fputs("usage: report RUN\n", stderr);
    return 2;
  }
  try {
    std::puts(contrastive::report_from_run(argv[1]).c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
