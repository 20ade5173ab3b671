// SPDX-License-Identifier: MIT
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <utility>

#include "contrastive/io/file.hpp"
#include "contrastive/train/settings.hpp"

/// The flags that all trainers share.
namespace app {

struct RunOptions {
  contrastive::Settings settings;
  std::string out = "runs/latest";
  std::string config;
  bool resume = false;
  bool no_evaluation = false;
};

/// Adds a flag for each setting, with the recipe's value as its default.
inline void add_flags(CLI::App& cli, RunOptions& options) {
  contrastive::detail::each_setting(options.settings, [&](const char* name, auto& field, const char* help) {
    if (std::string(name) == "method") return;
    const std::string flag = std::string("--") + name;
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(field)>, bool>)
      cli.add_flag(flag, field, help);
    else
      cli.add_option(flag, field, help)->capture_default_str();
  });
  cli.add_option("--out", options.out, "folder of the run")->capture_default_str();
  cli.add_option("--config", options.config, "settings as JSON, such as the config.json of a run; flags override it");
  cli.add_flag("--resume", options.resume, "continue from the checkpoint in --out, if there is one");
  cli.add_flag("--no-evaluation", options.no_evaluation, "stop after training: no scores and no report");
}

/// Flags over --config over the recipe. Returns false when there is nothing to run; `status` is then the exit status:
/// 0 after --help, 2 for wrong usage.
inline bool parse(int argc, char** argv, RunOptions& options, const std::string& description, int& status) {
  const contrastive::Settings recipe = options.settings;
  const auto attempt = [&](RunOptions& into) {
    CLI::App cli(description);
    cli.get_formatter()->column_width(34);
    add_flags(cli, into);
    try {
      cli.parse(argc, argv);
      return true;
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) {
        cli.exit(error);
        status = 0;
      } else {
        std::fprintf(stderr, "%s (--help lists the flags)\n", error.what());
        status = 2;
      }
      return false;
    }
  };
  if (!attempt(options)) return false;
  if (!options.config.empty()) {
    // Once more over the file's values, so that flags given by hand win.
    RunOptions again;
    again.settings = recipe;
    contrastive::settings_from_json(
        contrastive::Json::parse(contrastive::read_text(options.config), options.config), again.settings, options.config);
    contrastive::require(again.settings.method == recipe.method, "[config] ", options.config, " is of method ",
                         again.settings.method, ", this program trains ", recipe.method);
    options = again;
    return attempt(options);
  }
  return true;
}

}  // namespace app
