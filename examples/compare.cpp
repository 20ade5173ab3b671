// SPDX-License-Identifier: MIT
//
// Runs side by side:
//
//   compare runs/simclr runs/byol runs/dino            runs/compare/report.html, and a table to standard output
//   compare --out page/ runs/*

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "contrastive/io/report/comparison.hpp"
#include "contrastive/train/settings.hpp"

namespace {

/// A setting that came after the run was made is at its default in it; what another program wrote stays as it is.
contrastive::Json with_all_settings(const contrastive::Json& config) {
  contrastive::Settings settings;
  try {
    contrastive::settings_from_json(config, settings, "config.json");
  } catch (const contrastive::Error&) {
    return config;
  }
  return contrastive::settings_to_json(settings);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace contrastive;
  std::string out = "runs/compare";
  std::vector<std::string> folders;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      std::puts(
          "usage: compare [--out DIR] RUN...\n\nWrites DIR/report.html (default runs/compare) from the runs' folders.");
      return 0;
    }
    if (argument == "--out" && i + 1 < argc)
      out = argv[++i];
    else if (argument.starts_with("-"))
      return std::fprintf(stderr, "compare: unknown flag %s (--help)\n", argv[i]), 2;
    else
      folders.emplace_back(argument);
  }
  if (folders.empty()) return std::fputs("usage: compare [--out DIR] RUN...\n", stderr), 2;
  try {
    const std::vector<NamedRun> runs = load_runs(folders, with_all_settings);
    make_folders(out);
    write_file(out + "/report.html", render_comparison(runs));
    std::printf("%s%s/report.html\n", comparison_markdown(runs).c_str(), out.c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
