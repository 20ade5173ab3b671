// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>

#include "contrastive/optim/optimizer.hpp"
#include "contrastive/train/any_method.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "contrastive/train/resume.hpp"
#include "contrastive/train/settings.hpp"

namespace contrastive {

/// Where a run stands, beside its tensors.
struct RunState {
  std::string run;        // its name, as it was at the start (`run_name`)
  std::int64_t step = 0;  // optimiser steps taken
  std::int64_t steps_per_epoch = 1;
  std::int64_t samples = 0;  // pictures in the training set: the size of memory banks
  double loss_sum = 0;       // over the epoch in progress
  double loss_last_epoch = 0;
};

inline std::string checkpoint_path(const std::string& run) { return run + "/checkpoint.safetensors"; }
inline std::string previous_checkpoint_path(const std::string& run) { return run + "/checkpoint.previous.safetensors"; }

namespace detail {

inline std::string exact(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%a", value);
  return text;
}

/// Throws, naming the file, unless it says all that a checkpoint says.
inline void check_checkpoint(const Safetensors& file, const std::string& path) {
  const auto format = file.metadata.find("format");
  require(format != file.metadata.end() && format->second == "contrastive-checkpoint-1", "[checkpoint] ", path,
          " is not a checkpoint of this library");
  for (const char* key : {"settings", "step", "steps_per_epoch", "samples", "loss_sum", "loss_last_epoch"})
    require(file.metadata.contains(key), "[checkpoint] ", path, " lacks ", key);
}

inline Json settings_json(const Safetensors& file, const std::string& path) {
  check_checkpoint(file, path);
  return parse_json(file.metadata.at("settings"), path);
}

inline std::int64_t whole_number(const std::string& path, const std::string& text) {
  char* end = nullptr;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  require(end != text.c_str() && *end == 0 && value >= 0, "[checkpoint] ", path, ": \"", text, "\" is no step");
  return value;
}

}  // namespace detail

/// The method that a checkpoint is of.
inline std::string checkpoint_method(const Safetensors& file, const std::string& path) {
  const Json settings = detail::settings_json(file, path);
  const bool named = settings.is_object() && settings.contains("method") && settings.at("method").is_string();
  return named ? settings.at("method").get<std::string>() : std::string();
}

/// The settings that a checkpoint was made with, over those of `recipe`, which is of its method, and the number of samples
/// it was trained on.
inline std::pair<Settings, std::int64_t> checkpoint_settings(const Safetensors& file, const std::string& path,
                                                             Settings recipe) {
  const std::string method = checkpoint_method(file, path);
  require(method == recipe.method, "[resume] ", path, " is of a run with method ", method, "; this one has method ",
          recipe.method, ": another --out starts another run");
  settings_from_json(detail::settings_json(file, path), recipe, path);
  return {std::move(recipe), detail::whole_number(path, file.metadata.at("samples"))};
}

namespace detail {

/// Puts a checkpoint's contents in place; `path` is for messages.
inline void restore(const Safetensors& file, const std::string& path, const AnyMethod& method, Optimizer& optimizer,
                    const Settings& settings, RunState& state) {
  const Settings was = checkpoint_settings(file, path, settings).first;
  check_resumable(was, settings, path);
  const std::int64_t per_epoch = whole_number(path, file.metadata.at("steps_per_epoch"));
  require(per_epoch == state.steps_per_epoch, "[resume] ", path, " was made with ", per_epoch,
          " steps an epoch, this run has ", state.steps_per_epoch);
  const std::int64_t samples = whole_number(path, file.metadata.at("samples"));
  require(samples == state.samples, "[resume] ", path, " was made on ", samples, " samples, this run has ",
          state.samples);
  const LoadReport report = load_state(method.state(), file.tensors, "model.");
  require(report.ok(), "[checkpoint] ", path, " does not fit this run: ", to_string(report));
  optimizer.each_state([&](const std::string& name, Tensor& tensor) {
    const auto found = file.tensors.find("optimizer." + name);
    require(found != file.tensors.end() && found->second.shape() == tensor.shape() &&
                found->second.dtype() == tensor.dtype(),
            "[checkpoint] ", path, " has no fitting optimizer state ", name, " (was --optimizer another?)");
    tensor.copy_from(found->second);
  });
  state.step = whole_number(path, file.metadata.at("step"));
  const auto run = file.metadata.find("run");  // older ones have none
  state.run = run != file.metadata.end() ? run->second : run_name(was, samples);
  require(state.step <= settings.epochs * per_epoch, "[resume] ", path, " is ", state.step / per_epoch,
          " epochs into its run, --epochs ", settings.epochs, " asks for fewer");
  state.loss_sum = std::strtod(file.metadata.at("loss_sum").c_str(), nullptr);
  state.loss_last_epoch = std::strtod(file.metadata.at("loss_last_epoch").c_str(), nullptr);
}

}  // namespace detail

namespace detail {
/// What a file of a run says beside its tensors: nothing that depends on the clock, so equal runs give equal files.
inline std::map<std::string, std::string> notes_of(const Settings& settings, const RunState& state) {
  return {{"format", "contrastive-checkpoint-1"},
          {"settings", dump_json(settings_to_json(settings))},
          {"run", state.run},
          {"step", std::to_string(state.step)},
          {"steps_per_epoch", std::to_string(state.steps_per_epoch)},
          {"samples", std::to_string(state.samples)},
          {"loss_sum", exact(state.loss_sum)},
          {"loss_last_epoch", exact(state.loss_last_epoch)}};
}
}  // namespace detail

/// The method as it was when its check on held-out samples was best: `best.safetensors`, without the optimiser. Companion
/// programs read it like a checkpoint; a run is not resumed from it.
inline std::string best_path(const std::string& run) { return run + "/best.safetensors"; }
inline void save_best(const std::string& run, const AnyMethod& method, const Settings& settings, const RunState& state,
                      double score) {
  std::map<std::string, std::string> notes = detail::notes_of(settings, state);
  notes["score"] = detail::exact(score);
  save_safetensors(best_path(run), state_of(method.state(), "model."), notes);
}
/// The score of that file; below any score where there is none.
inline double best_score(const std::string& run) {
  if (::access(best_path(run).c_str(), F_OK) != 0) return -1;
  const Safetensors file = load_safetensors(best_path(run));
  const auto score = file.metadata.find("score");
  return score == file.metadata.end() ? -1 : std::strtod(score->second.c_str(), nullptr);
}

/// Writes `checkpoint.safetensors` aside, syncs and renames it; the one before stays as `checkpoint.previous`. Holds
/// the parameters and buffers of all branches, the objective's state, the optimiser, the position and the settings.
inline void save_checkpoint(const std::string& run, const AnyMethod& method, Optimizer& optimizer,
                            const Settings& settings, const RunState& state) {
  NamedTensors tensors = state_of(method.state(), "model.");
  optimizer.each_state([&](const std::string& name, Tensor& tensor) {
    tensors.emplace_back("optimizer." + name, tensor.to(Device::cpu));
  });
  const std::string path = checkpoint_path(run), previous = previous_checkpoint_path(run);
  // The new file is complete under its own name before the old one is moved; a kill in between leaves one of them.
  save_safetensors(path + ".new", tensors, detail::notes_of(settings, state));
  if (::access(path.c_str(), F_OK) == 0)
    require(std::rename(path.c_str(), previous.c_str()) == 0, "[checkpoint] cannot rename ", path);
  require(std::rename((path + ".new").c_str(), path.c_str()) == 0, "[checkpoint] cannot rename ", path, ".new");
}

/// The newest checkpoint of a run; empty when there is none.
inline std::string newest_checkpoint(const std::string& run) {
  for (const std::string& path : {checkpoint_path(run), previous_checkpoint_path(run)})
    if (::access(path.c_str(), F_OK) == 0) return path;
  return {};
}

/// Loads the newest checkpoint of the run; false when there is none. A checkpoint that cannot be read, or is of a run
/// with other settings than may change, is an error that names it: nothing is overwritten.
inline bool load_checkpoint(const std::string& run, const AnyMethod& method, Optimizer& optimizer,
                            const Settings& settings, RunState& state) {
  const std::string path = newest_checkpoint(run);
  if (path.empty()) return false;
  detail::restore(load_safetensors(path), path, method, optimizer, settings, state);
  return true;
}

}  // namespace contrastive
