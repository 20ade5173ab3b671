// SPDX-License-Identifier: MIT
//
// Any method by its name, with the flags of the single programs:
//
//   train simclr --data fashion --epochs 3
//   train --list                                what there is: paper, defaults
//   train --table                               the methods by their parts, as docs/methods.md has them

#include <cstdio>
#include <string_view>

#include "support/methods.hpp"

namespace {

void list() {
  for (const app::Program* program : app::all_methods()) {
    const contrastive::Settings& s = program->recipe;
    std::printf("%-14s %s (%s, arXiv:%s)\n%14s encoder %s, batch %lld, %s at %g, temperature %g\n", s.method.c_str(),
                program->title, program->paper, program->arxiv, "", s.encoder.c_str(), static_cast<long long>(s.batch),
                s.optimizer.c_str(), s.lr, s.temperature);
  }
}

/// A row a method, from the types it is composed of.
void table() {
  std::puts(
      "| method | projector | predictor | objective | target | compares | keeps from collapsing |\n"
      "|---|---|---|---|---|---|---|");
  for (const app::Program* program : app::all_methods()) {
    const app::Composition made = program->compose(program->recipe, 60000, contrastive::Rng(0));
    std::printf("| [%s](https://arxiv.org/abs/%s) | %s | %s | %s | %s | %s | %s |\n", program->title, program->arxiv,
                made.parts[1].c_str(), made.parts[2].c_str(), made.parts[3].c_str(), made.parts[4].c_str(),
                program->compares, program->against_collapse);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  try {
    if (what == "--list") return list(), 0;
    if (what == "--table") return table(), 0;
    if (what == "--help" || what == "-h") {
      std::puts(
          "usage: train METHOD [flags]\n       train METHOD --help    its flags and defaults\n       train --list");
      return 0;
    }
    if (what.empty() || what.starts_with("-")) {
      std::fputs("usage: train METHOD [flags] (--list names the methods)\n", stderr);
      return 2;
    }
    return app::run_program(argc - 1, argv + 1, app::method_named(std::string(what)));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
