// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "contrastive/train/evaluate.hpp"
#include "contrastive/train/run_state.hpp"
#include "support/flags.hpp"
#include "support/methods.hpp"
#include "support/pretrained.hpp"
#include "support/sets.hpp"

/// What the companion programs share: an encoder from a checkpoint and the sets to look at with it.
namespace app {

struct Trained {
  Settings settings;
  Composition composition;
  std::function<Composition()> untrained;  // as the run began

  Tensor operator()(const Tensor& pictures) const { return composition.method.encode(pictures); }
  const AnyAugment& view() const { return composition.evaluation; }
};

/// The newest checkpoint of a run folder, or the file itself.
inline std::string checkpoint_of(const std::string& where) {
  struct stat info {};
  const bool folder = ::stat(where.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  const std::string path = folder ? newest_checkpoint(where) : where;
  require(!path.empty(), "[checkpoint] ", where, " holds no checkpoint");
  return path;
}

/// The method of a run folder or a checkpoint file as it was saved.
inline Trained load_trained(const std::string& where) {
  const std::string path = checkpoint_of(where);
  const Safetensors file = load_safetensors(path);
  const Program& program = method_named(checkpoint_method(file, path));
  const auto [s, samples] = checkpoint_settings(file, path, program.recipe);
  const auto compose = [&program, s = s, samples = samples] { return program.compose(s, samples, Rng(s.seed)); };
  Composition composition = compose();
  const LoadReport report = load_state(composition.method.state(), file.tensors, "model.");
  require(report.ok(), "[checkpoint] ", path, " does not fit its method: ", to_string(report));
  return {s, std::move(composition), compose};
}

struct CompanionOptions {
  std::string run, data, root, out, split = "test";
  std::string classes, templates = "simple", texts, picture, captions;
  std::int64_t k = 20, threads = 0;
  double temperature = 0.1;
  bool bank = false, all_texts = false;
};

/// Parses the flags and runs `f(trained, options)`; returns the exit status.
template <class AddFlags, class F>
int companion_main(int argc, char** argv, const std::string& description, AddFlags&& add_flags, F&& f) {
  CompanionOptions options;
  CLI::App cli(description);
  cli.add_option("run", options.run, "run folder or checkpoint file")->required();
  cli.add_option("--data", options.data, "data set; default: the run's");
  cli.add_option("--root", options.root, "folder of the data set; default: the run's");
  cli.add_option("--threads", options.threads, "threads; 0: all")->transform(within(0, 1024));
  add_flags(cli, options);
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return cli.exit(error);
    std::fprintf(stderr, "%s (--help lists the flags)\n", error.what());
    return 2;
  }
  try {
    set_threads(static_cast<int>(options.threads));
    Trained trained = load_trained(options.run);
    if (!options.data.empty()) trained.settings.data = options.data;
    if (!options.data.empty() || !options.root.empty()) trained.settings.root = options.root;
    return f(trained, options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", sentence_of(error).c_str());
    return std::string_view(error.what()).starts_with("[settings]") ? 2 : 1;
  }
}

/// The model of images and texts that a run has; throws where it has none.
inline const ImageTextModel& image_text_of(const Trained& trained) {
  require(trained.composition.image_text != nullptr,
          "[settings] this needs a run of images and texts (clip), got one of ", trained.settings.method);
  return *trained.composition.image_text;
}

/// The same for programs that ask a model of images and texts, of a run or of published weights, with words:
/// `f(model, settings, options)`, where the settings of weights are those of a set alone.
template <class AddFlags, class F>
int image_text_main(int argc, char** argv, const std::string& description, AddFlags&& add_flags, F&& f) {
  CompanionOptions options;
  WeightFlags weights;
  CLI::App cli(description);
  cli.add_option("run", options.run, "run folder, checkpoint file, or published weights (.safetensors or their folder)")
      ->required();
  cli.add_option("--data", options.data, "data set; default: the run's");
  cli.add_option("--root", options.root, "folder of the data set; default: the run's");
  cli.add_option("--captions", options.captions, "file with the captions of --data captions");
  cli.add_option("--threads", options.threads, "threads; 0: all")->transform(within(0, 1024));
  add_flags(cli, options);
  SettingList of_weights;
  weights.settings(of_weights);
  for (const Setting& one : of_weights) add_flag(cli, one);
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return cli.exit(error);
    std::fprintf(stderr, "%s (--help lists the flags)\n", error.what());
    return 2;
  }
  try {
    for (const Setting& one : of_weights) check_setting(one);
    set_threads(static_cast<int>(options.threads));
    const bool of_run = is_run(options.run);
    std::optional<Trained> trained;
    if (of_run) trained = load_trained(options.run);
    Settings settings = of_run ? trained->settings : Settings{};
    settings.texts = true;
    if (!options.data.empty()) settings.data = options.data, settings.captions.clear();
    if (!options.data.empty() || !options.root.empty()) settings.root = options.root;
    if (!options.captions.empty()) settings.captions = options.captions;
    return f(of_run ? image_text_of(*trained) : image_text_of_weights(options.run, weights), settings, options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", sentence_of(error).c_str());
    return std::string_view(error.what()).starts_with("[settings]") ? 2 : 1;
  }
}

/// The sets of the run, or those that --data names instead; throws when there are no labels to score with.
inline Sets labelled_sets(const Trained& trained) {
  Sets sets = open_sets(trained.settings);
  require(sets.no_scores().empty(), "[evaluate] ", sets.no_scores());
  return sets;
}

/// Features of the bank and of the test part.
inline std::pair<FeatureSet, FeatureSet> labelled_features(const Trained& trained) {
  const Sets sets = labelled_sets(trained);
  return {encode_set(sets.bank, trained.view(), trained), encode_set(sets.test, trained.view(), trained)};
}

}  // namespace app
