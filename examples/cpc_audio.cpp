// SPDX-License-Identifier: MIT
//
// CPC on raw audio (van den Oord et al. 2018, arXiv:1807.03748, section 3.1): from the sound so far, tell which features
// follow. 16 kHz; speakers are then told apart by the mean context, which is what the paper classifies from.
//
//   cpc_audio --window 10240 --channels 128 --context 128 --lr 1e-3 --epochs 16    on voices that it makes itself
//   cpc_audio --data folder --root LibriSpeech/train-clean-100 --epochs 300        a folder for each speaker
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "contrastive/augment/wave_window.hpp"
#include "contrastive/data/sound_folder.hpp"
#include "contrastive/data/split_folders.hpp"
#include "contrastive/data/voices.hpp"
#include "contrastive/encoders/wave_encoder.hpp"
#include "contrastive/kernels/cuda.hpp"
#include "contrastive/methods/cpc.hpp"
#include "contrastive/train/results.hpp"
#include "contrastive/train/run_folder.hpp"
#include "contrastive/train/trainer.hpp"
#include "support/flags.hpp"

namespace {

using namespace contrastive;

struct Options {
  Settings settings;
  double rate = 2e-4;
  std::string out = "runs/cpc_audio";
  bool resume = false, no_evaluation = false;
};

/// The paper's. It draws negatives from the batch and does not say how many: all of them learn faster here than the 10
/// of loweX/Greedy_InfoMax, in the same time.
Options recipe() {
  Options options;
  Settings& s = options.settings;
  s.method = "cpc_audio", s.encoder = "wave", s.data = "voices";
  s.optimizer = "adam", s.schedule = "constant", s.weight_decay = 0;
  s.batch = 8, s.epochs = 20, s.knn_every = 0;
  s.image_size = 20480, s.width = 512, s.dimension = 256;
  s.predictions = 12, s.negatives = 0;
  return options;
}

/// The settings that make the network and its task: the flags for them, and what they may be here.
struct OwnSetting {
  const char* flag;
  std::int64_t Settings::*field;
  detail::SettingBounds bounds;
};
constexpr OwnSetting shape_of_a_run[] = {
    {"window", &Settings::image_size, {"image-size", 1, 1 << 24}},
    {"predictions", &Settings::predictions, {"predictions", 1, 1000}},
    {"negatives", &Settings::negatives, {"negatives", 0, 1 << 22}},
    {"channels", &Settings::width, {"width", 1, 4096}},
    {"context", &Settings::dimension, {"dimension", 1, 4096}},
};
constexpr double least_rate = 1e-8, most_rate = 50;

void add_flags(CLI::App& cli, Options& options) {
  Settings& s = options.settings;
  const auto flag = [&](const char* name, auto& field, const char* help) {
    CLI::Option* const option = cli.add_option(name, field, help)->capture_default_str()->take_last();
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::is_integral_v<Field>) {
      const detail::SettingBounds* bounds = detail::bounds_of(name + 2);
      for (const OwnSetting& own : shape_of_a_run)
        if (std::string_view(own.flag) == name + 2) bounds = &own.bounds;
      option->transform(app::within(static_cast<Field>(bounds->least), static_cast<Field>(bounds->most)));
    } else if constexpr (std::is_floating_point_v<Field>) {
      option->transform(app::within(least_rate, most_rate));
    }
  };
  flag("--data", s.data, "voices, made from a seed, or folder, of WAV, FLAC or Ogg files of 16 kHz");
  flag("--root", s.root, "the folder: one folder for each speaker, or train/ and test/ of those");
  flag("--out", options.out, "folder of the run");
  flag("--epochs", s.epochs, "passes over the training set");
  flag("--batch", s.batch, "recordings a step");
  flag("--lr", options.rate, "Adam's rate, whatever the batch");
  flag("--window", s.image_size, "samples of a recording that are heard at once");
  flag("--predictions", s.predictions, "frames of 10 ms ahead that are predicted");
  flag("--negatives", s.negatives, "frames of the batch drawn for each prediction; 0: all");
  flag("--channels", s.width, "of the encoder");
  flag("--context", s.dimension, "width of the GRU");
  flag("--seed", s.seed, "seed of all randomness");
  flag("--save-every", s.save_every, "steps between checkpoints; 0: once an epoch");
  flag("--device", s.device, "cpu or cuda");
  flag("--threads", s.threads, "threads; 0: all");
  cli.add_flag("--deterministic", s.deterministic, "the same bits for any number of threads");
  cli.add_flag("--resume", options.resume, "continue from the checkpoint in --out, if there is one");
  cli.add_flag("--no-evaluation", options.no_evaluation, "stop after training: no scores and no report");
}

void check(const Options& options) {
  const Settings& s = options.settings;
  require(s.data == "voices" || s.data == "folder", "[settings] --data must be voices or folder, got ", s.data);
  std::int64_t least = 160 * s.predictions;
  while (wave_frames(cpc_wave_layers(), least) <= s.predictions) ++least;
  require(s.image_size >= least, "[settings] --window must be at least ", least, " samples for ", s.predictions,
          " --predictions ahead, one every 160 samples, got ", s.image_size);
  std::vector<detail::SettingBounds> own;
  for (const OwnSetting& setting : shape_of_a_run) own.push_back(setting.bounds);
  check_settings(s, own);
}

struct Sets {
  AnyDataset train, test;
  std::string no_scores;  // why evaluation is left out; empty: both parts have labels, of the same speakers
};

/// A folder without train and test inside is split: every fifth recording tests.
Sets open_parts(const Settings& s) {
  if (s.data == "voices") return {Voices(1024, 16), Voices(256, 16, 0, "test"), {}};
  const std::string train = detail::folder_part(s.root, "train", detail::sound_files());
  const AnyDataset all = SoundFolder(train);
  if (train != s.root) return {all, SoundFolder(detail::folder_part(s.root, "test", detail::sound_files())), {}};
  Subset parts[2] = {{all, {}}, {all, {}}};
  for (std::size_t i = 0; i < all.size(); ++i) parts[i % 5 == 4].indices.push_back(i);
  return {parts[0], parts[1], {}};
}

/// Both parts, with the speakers of the training part.
Sets open_sets(const Settings& s) {
  Sets sets = open_parts(s);
  if (!sets.train.has_labels() || !sets.test.has_labels()) {
    sets.no_scores = "evaluation needs a test part with labels (a folder for each speaker)";
    return sets;
  }
  try {
    sets.test = match_classes(sets.train, sets.test).test;
  } catch (const Error& error) {
    sets.no_scores = join("the test part cannot be used: ", error.what());
  }
  return sets;
}

auto compose(const Settings& s) {
  const Rng rng(s.seed);
  const CpcConfig config{
      .steps = s.predictions, .skip = 0, .negatives = s.negatives, .context = s.dimension, .columns = 1};
  return cpc<GruContext>(WaveEncoder(1, s.width, cpc_wave_layers(), rng / "encoder"),
                         WaveWindow{static_cast<int>(s.image_size), true}, config, rng);
}
using Cpc = decltype(compose(Settings{}));

/// Speakers from the mean context and from the mean feature of the middle window, each beside the untrained network's.
void evaluate(Json& summary, const Settings& s, const Sets& sets, const Cpc& trained, StopSignals& stop,
              ReportData& report) {
  const WaveWindow middle{static_cast<int>(s.image_size), false};
  std::printf("\n  %-20s %10s %10s %10s\n", "", "kNN", "linear", "10 labels");
  const auto measure = [&](const Cpc& method, const std::string& name, const std::string& suffix) {
    const auto encode = [&](const Tensor& x) {
      stop.check();
      const Tensor z = method.encoder().grid(x.to(device_of(s))),
                   c = method.online.projector.context(z);  // (N, T, 1, D) and (.., C)
      const Tensor both = concat({c, z}, 3);
      return mean(both.reshape({both.size(0), both.size(1), both.size(3)}), 1);
    };
    const auto batch = static_cast<std::size_t>(s.batch);
    const FeatureSet train = encode_set(sets.train, middle, encode, batch);
    const FeatureSet test = encode_set(sets.test, middle, encode, batch);
    const auto part = [&](const char* what, const std::string& key, std::int64_t begin, std::int64_t end) {
      const auto columns = [&](const FeatureSet& set) {
        return FeatureSet{narrow(set.features, 1, begin, end), set.labels, set.samples};
      };
      const Scores scores = score(columns(train), columns(test), s.seed);
      add_scores(summary, scores, key);
      std::printf("  %-20s %8.1f %% %8.1f %% %8.1f %%\n", (name + " " + what).c_str(), 100 * scores.knn_top1,
                  100 * scores.linear_top1, 100 * scores.few_label_top1);
      std::fflush(stdout);
      if (key.empty()) report.map = embedding_map(sets.test, columns(test));
    };
    part("context", suffix, 0, s.dimension);
    part("features", "_features" + suffix, s.dimension, s.dimension + s.width);
  };
  measure(trained, "trained", "");
  Cpc untrained = compose(s);
  move_to(untrained, device_of(s));
  measure(untrained, "untrained", "_random_init");
}

/// Throws unless the checkpoint in `out`, where there is one, is of a run like this.
void check_resume(const std::string& out, const Settings& s) {
  const std::string path = newest_checkpoint(out);
  if (path.empty()) return;
  const Settings was = checkpoint_settings(load_safetensors(path), path).first;
  require(was.method == s.method, "[checkpoint] ", path, " is of ", was.method, ", this run is ", s.method);
  for (const auto& [flag, field, bounds] : shape_of_a_run)
    require(was.*field == s.*field, "[checkpoint] ", path, " was made with --", flag, " ", was.*field,
            ", this run has ", s.*field);
}

int run(const Options& options) {
  const Settings& s = options.settings;
  check(options);
  if (device_of(s) == Device::cuda) use_cuda();
  set_threads(static_cast<int>(s.threads));
  set_deterministic(s.deterministic);
  const Sets sets = open_sets(s);
  require(static_cast<std::size_t>(s.batch) <= sets.train.size(), "[settings] --batch ", s.batch, " is larger than ",
          sets.train.name(), " with its ", sets.train.size(), " recordings");
  const RunFolder folder(options.out, options.resume);
  StopSignals stop;
  Cpc method = compose(s);
  std::printf("cpc_audio on %s: %zu recordings, %lld frames a window, %d threads, %s\n", sets.train.name().c_str(),
              sets.train.size(), static_cast<long long>(wave_frames(cpc_wave_layers(), s.image_size)), threads(),
              simd::isa_name());
  if (!sets.no_scores.empty()) std::printf("no scores: %s\n", sets.no_scores.c_str());
  std::fflush(stdout);
  const WaveWindow middle{static_cast<int>(s.image_size), false};
  Trainer trainer(method, s, sets.train, sets.test, middle, options.out);
  if (options.resume) check_resume(options.out, s);
  const TrainResult result = train_in(options.out, trainer, s, options.resume);
  if (result.signal) return 128 + result.signal;
  if (options.no_evaluation) return 0;
  const std::string file = options.out + "/summary.json";
  Json summary = run_summary(s, result, file);
  ReportData report;
  int status = 0;
  if (sets.no_scores.empty()) {
    try {
      evaluate(summary, s, sets, method, stop, report);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "no further scores: %s\n", error.what());
      status = 1;
    } catch (const Interrupted& interrupted) {
      std::fprintf(stderr, "stopped by %s in the evaluation; what was trained is saved: evaluate with --resume\n",
                   signal_name(interrupted.signal));
      return 128 + interrupted.signal;
    }
  }
  write_file(file, summary.dump(2) + "\n");
  save_report_data(options.out, report);
  if (result.images_per_second > 0)
    std::printf("\n  %.1f recordings/s, %.0f s of training, loss %.3f\n", result.images_per_second, result.seconds,
                result.loss);
  std::printf("  %s\n", report_from_run(options.out).c_str());
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  Options options = recipe();
  CLI::App cli("CPC on raw audio (van den Oord et al. 2018, arXiv:1807.03748)");
  cli.get_formatter()->column_width(34);
  add_flags(cli, options);
  try {
    cli.parse(argc, argv);
    options.settings.lr = options.rate * 256 / static_cast<double>(std::max<std::int64_t>(options.settings.batch, 1));
    return run(options);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return cli.exit(error);
    std::fprintf(stderr, "%s (--help lists the flags)\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", app::sentence_of(error).c_str());
    return std::string_view(error.what()).starts_with("[settings]") ? 2 : 1;
  }
}
