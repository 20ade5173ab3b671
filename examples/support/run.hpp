// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "contrastive/augment/any_augment.hpp"
#include "contrastive/augment/recipes.hpp"
#include "contrastive/encoders/image_encoder.hpp"
#include "contrastive/train/trainer.hpp"

extern template class contrastive::Loader<contrastive::AnyAugment>;

/// What the trainers share around the method itself: flags, data, encoder, run folder, scores and report. The bodies
/// are in run.cpp, compiled once for all programs.
namespace app {

using namespace contrastive;

struct RunOptions {
  Settings settings;
  std::string out = "runs/latest";
  std::string config;
  bool resume = false;
  bool no_evaluation = false;
};

/// Flags over --config over the recipe. Returns false when there is nothing to run; `status` is then the exit status:
/// 0 after --help, 2 for wrong usage.
bool parse(int argc, char** argv, RunOptions& options, const std::string& description, int& status);

/// 1 for the grey sets, else 3.
int channels_of(const Settings& s);
ImageEncoder encoder_for(const Settings& s, Rng rng);

/// A method with the view that evaluation takes of a picture.
template <class M>
struct Composition {
  M method;
  AnyAugment evaluation;
};

/// Evaluation sees the middle of a picture, in the range that training does.
AnyAugment evaluation_view(const Settings& s, const Normalize& normalize = {});

/// What the recipes other than SimCLR's normalise with.
Normalize normalization_of(const Settings& s);

/// The paper's views at the size of the run; small grey pictures take a recipe of their own.
template <class Views>
AnyAugment training_views(const Settings& s, Views&& colour) {
  if (channels_of(s) == 1) return simclr_grey(static_cast<int>(s.image_size));
  return colour(static_cast<int>(s.image_size));
}

struct Sets {
  AnyDataset train, test;
};

/// The training set of the method (all of STL-10's unlabelled pictures) and the part that evaluation tests on.
Sets open_sets(const Settings& s, const std::string& train_split = "train");

/// Checks the settings, sets threads and device, opens the data.
Sets prepare(const Settings& s);

/// Makes the run folder and says what is about to be trained.
void announce(const RunOptions& options, const Sets& sets, std::int64_t parameters);

/// Scores of the trained encoder, the untrained one and raw pixels; summary.json, report data and the page.
void finish(const RunOptions& options, const Sets& sets, const AnyAugment& training, const AnyAugment& evaluation,
            const ImageEncoder& encoder, const TrainResult& result);

/// Trains and evaluates; returns the exit status. `compose(settings, rng)` puts the method together.
template <class Compose>
int train_and_report(const RunOptions& options, Compose&& compose) {
  const Settings& s = options.settings;
  const Sets sets = prepare(s);
  auto [method, evaluation] = compose(s, Rng(s.seed));
  announce(options, sets, parameter_count(method.online.encoder));
  Trainer trainer(method, s, sets.train, sets.test, evaluation, options.out);
  if (options.resume) {
    if (trainer.resume())
      std::printf("resuming after step %lld\n", static_cast<long long>(trainer.state().step));
    else
      std::printf("no checkpoint in %s yet: starting afresh\n", options.out.c_str());
  }
  const TrainResult result = trainer.run();
  if (result.signal) return 128 + result.signal;
  if (!options.no_evaluation) finish(options, sets, method.augment, evaluation, method.encoder(), result);
  return 0;
}

/// `main` of a trainer: flags, then the run; one clear sentence and a status for whatever goes wrong.
template <class Compose>
int trainer_main(int argc, char** argv, Settings recipe, const std::string& description, Compose&& compose) {
  try {
    RunOptions options;
    options.settings = std::move(recipe);
    int status = 0;
    if (!parse(argc, argv, options, description, status)) return status;
    return train_and_report(options, compose);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    const std::string_view text = error.what();
    return text.starts_with("[settings]") || text.starts_with("[config]") ? 2 : 1;
  }
}

}  // namespace app
