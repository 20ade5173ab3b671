// SPDX-License-Identifier: MIT
//
// Any method by its name, with the flags of the single programs:
//
//   train simclr --data fashion --epochs 3
//   train --list                                what there is: paper, defaults
//   train --table                               the methods by their parts, as docs/methods.md has them
//   train --readme                              what each compares, as README.md has it
//   train --check FILE...                       whether runs can be started from these configurations

#include <cstdio>
#include <string>
#include <string_view>

#include "contrastive/io/file.hpp"
#include "contrastive/io/json.hpp"
#include "support/methods.hpp"

namespace {

void list() {
  for (const app::Program* program : app::all_methods()) {
    contrastive::Settings s = program->recipe;
    std::printf("%-14s %s (%s, arXiv:%s)\n%14s %s%sbatch %lld, %s at %g\n%14s", s.method.c_str(), program->title,
                program->paper, program->arxiv, "", s.images ? ("encoder " + s.encoder).c_str() : "",
                s.images ? ", " : "", static_cast<long long>(s.batch), s.optimizer.c_str(), s.lr, "");
    const contrastive::Json values = contrastive::settings_to_json(s);
    contrastive::SettingList own;
    s.own.settings(own);
    const char* comma = " ";
    for (const contrastive::Setting& one : own) {
      std::printf("%s%s %s", comma, one.name, contrastive::dump_json(values.at(one.name)).c_str());
      comma = ", ";
    }
    std::puts("");
  }
}

/// "2 of 28 px, 4 of 12 px"
std::string views_of(const contrastive::AnyAugment& augment) {
  std::string text;
  const auto specs = augment.views();
  for (std::size_t first = 0, last; first < specs.size(); first = last) {
    for (last = first; last < specs.size() && specs[last].one == specs[first].one;) ++last;
    using contrastive::ViewKind;
    const ViewKind kind = specs[first].kind;
    if (kind != ViewKind::picture && kind != ViewKind::sound) continue;
    text += contrastive::join(text.empty() ? "" : ", ", last - first, " of ", specs[first].size(),
                              kind == ViewKind::picture ? " px" : " samples");
  }
  return text;
}

/// A row a method, from the types it is composed of.
void table() {
  std::puts(
      "| `train` | method | encoder | projector | predictor | objective | views | target |\n"
      "|---|---|---|---|---|---|---|---|");
  for (const app::Program* program : app::all_methods()) {
    const app::Settings& settings = program->without_files.method.empty() ? program->recipe : program->without_files;
    const app::Composition made = program->compose(settings, 60000, contrastive::Rng(0));
    std::printf("| `%s` | [%s](methods/%s.md) | %s | %s | %s | %s | %s | %s |\n", program->recipe.method.c_str(),
                program->title, program->recipe.method.c_str(), made.parts[0].c_str(), made.parts[1].c_str(),
                made.parts[2].c_str(), made.parts[3].c_str(), views_of(made.method.augment()).c_str(),
                made.parts[4].c_str());
  }
}

/// A row a method: what it compares, and what keeps it from collapsing.
void readme() {
  std::puts("| program | method | compares | keeps from collapsing |\n|---|---|---|---|");
  for (const app::Program* program : app::all_methods())
    std::printf("| `%s` | [%s](docs/methods/%s.md) ([%s](https://arxiv.org/abs/%s)) | %s | %s |\n",
                program->recipe.method.c_str(), program->title, program->recipe.method.c_str(), program->paper,
                program->arxiv, program->compares, program->against_collapse);
}

/// Puts together what each configuration asks for. Throws at the first that no run can be started from.
void check(int count, char** files) {
  using namespace contrastive;
  for (int i = 0; i < count; ++i) {
    const Json json = parse_json(read_text(files[i]), files[i]);
    require(json.is_object() && json.contains("method") && json.at("method").is_string(), "[config] ", files[i],
            " names no method");
    const app::Program& program = app::method_named(json.at("method").get<std::string>());
    Settings settings = program.recipe;
    settings_from_json(json, settings, files[i]);
    check_settings(settings);
    program.compose(settings, 65536, Rng(0));
    std::printf("%s: %s\n", files[i], settings.method.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  try {
    if (what == "--list") return list(), 0;
    if (what == "--table") return table(), 0;
    if (what == "--readme") return readme(), 0;
    if (what == "--check") return check(argc - 2, argv + 2), 0;
    if (what == "--help" || what == "-h") {
      std::puts(
          "usage: train METHOD [flags]\n       train METHOD --help    its flags and defaults\n       train --list\n    "
          "   train "
          "--check FILE...  whether runs can be started from these configurations");
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
