// SPDX-License-Identifier: MIT
#pragma once

#include <sys/stat.h>

#include <cstdio>
#include <string>
#include <utility>

#include "contrastive/augment/any_augment.hpp"
#include "contrastive/augment/recipes.hpp"
#include "contrastive/data/open.hpp"
#include "contrastive/encoders/image_encoder.hpp"
#include "contrastive/kernels/cuda.hpp"
#include "contrastive/train/results.hpp"
#include "contrastive/train/trainer.hpp"
#include "support/options.hpp"

/// What the trainers share around the method itself: data, encoder, run folder, scores and report.
namespace app {

using namespace contrastive;

inline int channels_of(const Settings& s) { return s.data == "fashion" || s.data == "idx" ? 1 : 3; }

inline ImageEncoder encoder_for(const Settings& s, Rng rng) {
  return make_encoder(s.encoder, {.channels = channels_of(s), .image_size = static_cast<int>(s.image_size)}, rng);
}

/// A method with the view that evaluation takes of a picture.
template <class M>
struct Composition {
  M method;
  AnyAugment evaluation;
};

/// Evaluation sees the middle of a picture, in the range that training does.
inline AnyAugment evaluation_view(const Settings& s, const Normalize& normalize = {}) {
  const int size = static_cast<int>(s.image_size);
  return center_view(size, size >= 96 ? size * 8 / 7 : size, normalize, channels_of(s));
}

/// What the recipes other than SimCLR's normalise with.
inline Normalize normalization_of(const Settings& s) {
  if (channels_of(s) == 1) return {};
  return s.image_size < 96 ? cifar10_statistics : imagenet_statistics;
}

/// The paper's views at the size of the run; small grey pictures take a recipe of their own.
template <class Views>
AnyAugment training_views(const Settings& s, Views&& colour) {
  if (channels_of(s) == 1) return simclr_grey(static_cast<int>(s.image_size));
  return colour(static_cast<int>(s.image_size));
}

struct Sets {
  AnyDataset train, test;
};

/// The training set of the method (all of STL-10's unlabelled pictures) and the pair that evaluation uses.
inline Sets open_sets(const Settings& s, const std::string& train_split = "train") {
  DatasetOptions options{.label = s.label, .image_size = static_cast<int>(s.image_size)};
  Sets sets;
  sets.train = open_dataset(s.data, s.root, train_split, options);
  try {
    sets.test = open_dataset(s.data, s.root, "test", options);
  } catch (const Error&) {
    if (s.data != "folder") throw;  // a folder may well have no test part
  }
  return sets;
}

inline void make_folders(const std::string& path) {
  for (std::size_t at = 1; at <= path.size(); ++at)
    if (at == path.size() || path[at] == '/') ::mkdir(path.substr(0, at).c_str(), 0777);
  struct stat info {};
  require(::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode), "[out] cannot make the folder ", path, " (--out)");
}

/// Trained encoder, untrained encoder and raw pixels by the same three measures, printed as a table.
inline void evaluate(Json& summary, const Settings& s, const Sets& sets, const AnyAugment& transform,
                     const ImageEncoder& trained, ReportData& report) {
  const AnyDataset bank = s.data == "stl10" ? open_sets(s).train : sets.train;
  const auto measure = [&](const char* name, const std::string& suffix, auto&& encode) {
    const FeatureSet train = encode_set(bank, transform, encode, 0, 256, s.strict);
    const FeatureSet test = encode_set(sets.test, transform, encode, 0, 256, s.strict);
    const Scores scores = score(train, test, s.seed);
    add_scores(summary, scores, suffix);
    std::printf("  %-18s %8.1f %% %8.1f %% %8.1f %%\n", name, 100 * scores.knn_top1, 100 * scores.linear_top1,
                100 * scores.few_label_top1);
    std::fflush(stdout);
    return std::pair(train, test);
  };
  std::printf("\n  %-18s %10s %10s %10s\n", "", "kNN", "linear", "10 labels");
  const auto [train, test] = measure("trained encoder", "", trained);
  const ImageEncoder untrained = encoder_for(s, Rng(s.seed) / "encoder");
  measure("untrained encoder", "_random_init", untrained);
  measure("raw pixels", "_pixels", [](const Tensor& x) { return x.reshape({x.size(0), -1}); });
  report.neighbours = neighbour_rows(bank, train, sets.test, test);
  report.map = embedding_map(sets.test, test);
}

/// Trains and evaluates; returns the exit status. `make_method(settings, rng)` composes the method.
template <class MakeMethod>
int train_and_report(const RunOptions& options, MakeMethod&& make_method) {
  const Settings& s = options.settings;
  check_settings(s);
  if (s.device == "cuda") use_cuda();
  set_threads(static_cast<int>(s.threads));
  set_deterministic(s.deterministic);

  const Sets sets = open_sets(s, s.data == "stl10" ? "unlabeled" : "train");
  require(static_cast<std::size_t>(s.batch) <= sets.train.size(), "[train] --batch ", s.batch, " is larger than ",
          sets.train.name(), " with its ", sets.train.size(), " pictures");
  auto [method, transform] = make_method(s, Rng(s.seed));
  make_folders(options.out);
  write_file(options.out + "/config.json", settings_to_json(s).dump(2) + "\n");
  std::printf("%s on %s: %zu pictures, encoder %s (%lld parameters), %d threads, %s, %s\n", s.method.c_str(),
              sets.train.name().c_str(), sets.train.size(), s.encoder.c_str(),
              static_cast<long long>(parameter_count(method.online.encoder)), threads(), simd::isa_name(),
              s.precision.c_str());
  std::fflush(stdout);

  Trainer trainer(method, s, sets.train, sets.test, transform, options.out);
  if (options.resume) {
    if (trainer.resume())
      std::printf("resuming after step %lld\n", static_cast<long long>(trainer.state().step));
    else
      std::printf("no checkpoint in %s yet: starting afresh\n", options.out.c_str());
  }
  const TrainResult result = trainer.run();
  if (result.signal) return 128 + result.signal;
  if (options.no_evaluation) return 0;

  Json summary = Json::object();
  for (const auto& [name, value] : {std::pair("method", s.method), {"encoder", s.encoder}, {"dataset", s.data}})
    summary[name] = Json(value);
  summary["epochs"] = Json(s.epochs);
  summary["images_per_second"] = Json(result.images_per_second);
  summary["seconds"] = Json(result.seconds);
  summary["loss_final"] = Json(result.loss);
  summary["effective_rank"] = Json(result.effective_rank);
  summary["embedding_dimensions"] = Json(s.dimension);
  ReportData report;
  report.galleries.push_back(view_gallery(sets.train, method.augment, s.seed));
  if (sets.test.defined() && sets.test.has_labels())
    evaluate(summary, s, sets, transform, method.encoder(), report);
  else
    std::printf("no scores: evaluation needs a test part with labels (a folder for each class)\n");
  write_file(options.out + "/summary.json", summary.dump(2) + "\n");
  save_report_data(options.out, report);
  std::printf("\n  %.0f images/s, %.0f s of training, loss %.3f\n  %s\n", result.images_per_second, result.seconds,
              result.loss, report_from_run(options.out).c_str());
  return 0;
}

/// `main` of a trainer: flags, then the run; one clear sentence and a status for whatever goes wrong.
template <class MakeMethod>
int trainer_main(int argc, char** argv, Settings recipe, const std::string& description, MakeMethod&& make_method) {
  try {
    RunOptions options;
    options.settings = std::move(recipe);
    int status = 0;
    if (!parse(argc, argv, options, description, status)) return status;
    return train_and_report(options, make_method);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    const std::string_view text = error.what();
    return text.starts_with("[settings]") || text.starts_with("[config]") ? 2 : 1;
  }
}

}  // namespace app
