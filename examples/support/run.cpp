// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>

#include "contrastive/kernels/cuda.hpp"
#include "contrastive/train/results.hpp"
#include "contrastive/train/run_folder.hpp"
#include "contrastive/train/trainer.hpp"
#include "support/flags.hpp"
#include "support/run_then.hpp"
#include "support/sets.hpp"

namespace app {

namespace {

struct RunOptions {
  Settings settings;
  std::string out = "runs/latest";
  std::string config;
  bool resume = false;
  bool no_evaluation = false;
};

/// Adds a flag for each setting of the program, with the recipe's value as its default.
void add_flags(CLI::App& cli, RunOptions& options) {
  for (const Setting& one : settings_of(options.settings)) {
    if (std::string_view(one.name) != "method") add_flag(cli, one);
  }
  cli.add_option("--out", options.out, "folder of the run")->capture_default_str()->take_last();
  cli.add_option("--config", options.config, "settings as JSON, such as the config.json of a run; flags override it");
  cli.add_flag("--resume", options.resume, "continue from the checkpoint in --out, if there is one");
  cli.add_flag("--no-evaluation", options.no_evaluation, "stop after training: no scores and no report");
}

/// Trained encoder, untrained encoder and raw pixels by the same three measures, printed as a table. Colour pixels are
/// centred by channel, whatever the encoder's own normalisation: kNN on CIFAR-10 is 45 % with it and 36 % without.
void evaluate(Json& summary, const Settings& s, const Sets& sets, const Composition& trained,
              const std::function<Composition()>& compose, StopSignals& stop, ReportData& report) {
  using Encode = std::function<Tensor(const Tensor&)>;
  const auto measure = [&](const std::string& name, const std::string& suffix, const AnyAugment& view,
                           const Encode& encode) {
    const Encode watched = [&](const Tensor& x) {
      stop.check();
      return encode(x);
    };
    const FeatureSet train = encode_set(sets.bank, view, watched, trained.evaluation_batch, s.strict);
    const FeatureSet test = encode_set(sets.test, view, watched, trained.evaluation_batch, s.strict);
    const Scores scores = score(train, test, s.seed);
    add_scores(summary, scores, suffix);
    std::printf("  %-18s %8.1f %% %8.1f %% %8.1f %%\n", name.c_str(), 100 * scores.knn_top1, 100 * scores.linear_top1,
                100 * scores.few_label_top1);
    std::fflush(stdout);
    return std::pair(train, test);
  };
  std::printf("\n  %-18s %10s %10s %10s\n", "", "kNN", "linear", "10 labels");
  const Device device = device_of(s);
  const auto features = [device](const Composition& composition) -> Encode {
    return [device, &composition](const Tensor& x) { return composition.method.encode(x.to(device)); };
  };
  const auto measure_more = [&](const Composition& composition, const std::string& state, const std::string& suffix) {
    for (const MoreFeatures& one : composition.more)
      measure(state + " " + one.name, "_" + one.name + suffix, trained.evaluation,
              [&](const Tensor& x) { return one.encode(x.to(device)); });
  };
  const auto [train, test] = measure("trained encoder", "", trained.evaluation, features(trained));
  measure_more(trained, "trained", "");
  const Composition untrained = compose();
  untrained.method.move_to(device);
  measure("untrained encoder", "_random_init", trained.evaluation, features(untrained));
  measure_more(untrained, "untrained", "_random_init");
  if (sets.test.parts().contains(Part::image)) {
    if (!s.texts)  // there the words are the yardstick, and the images are large
      measure("raw pixels", "_pixels", evaluation_view(s, normalization_of(s)), [](const Tensor& x) {
        return x.reshape({x.size(0), -1});
      });
    report.neighbours = neighbour_rows(sets.bank, train, sets.test, test);
  }
  if (report.map.points.empty()) report.map = embedding_map(sets.test, test);
}

/// What cannot be put together from the flags, whoever refused it.
struct WrongUsage : Error {
  using Error::Error;
};

/// The settings of a --config file over those of the recipe.
void read_config(const std::string& file, Settings& settings) {
  try {
    const Json json = parse_json(read_text(file), file);
    if (const auto method = json.find("method"); method != json.end() && method->is_string())
      require(method->get<std::string>() == settings.method, "[config] ", file, " is of method ",
              method->get<std::string>(), ", this program trains ", settings.method);
    settings_from_json(json, settings, file);
  } catch (const Error& error) {
    throw WrongUsage(join(error.what(), " (--config)"));
  }
}

/// Flags over --config over the recipe. Returns false when there is nothing to run; `status` is then the exit status:
/// 0 after --help, 2 for wrong usage.
bool parse(int argc, char** argv, RunOptions& options, const Program& program, int& status) {
  const contrastive::Settings recipe = options.settings;
  const auto attempt = [&](RunOptions& into) {
    CLI::App cli(join(program.title, " (", program.paper, ", arXiv:", program.arxiv, ")"));
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
  if (options.resume && options.config.empty()) options.config = contrastive::run_config(options.out);
  if (!options.config.empty()) {
    // Once more over the file's values, so that flags given by hand win.
    RunOptions again;
    again.settings = recipe;
    read_config(options.config, again.settings);
    options = again;
    return attempt(options);
  }
  return true;
}

Sets prepare(const Settings& s) {
  check_settings(s);
  if (device_of(s) == Device::cuda) use_cuda();
  set_threads(static_cast<int>(s.threads));
  set_deterministic(s.deterministic);
  Sets sets = open_sets(s, true);
  require(static_cast<std::size_t>(s.batch) <= sets.train.size(), "[settings] --batch ", s.batch, " is larger than ",
          sets.train.name(), " with its ", sets.train.size(), " ", noun_of(sets.train));
  return sets;
}

/// Says what is about to be trained.
void announce(const Settings& s, const Sets& sets, const AnyMethod& method) {
  std::int64_t parameters = 0;
  std::size_t groups = 0;
  for (const ParameterGroup& group : method.parameter_groups({}, groups))
    for (const Tensor& parameter : group.parameters) parameters += parameter.count();
  std::printf("%s on %s: %zu %s, %s%lld parameters, %d threads, %s, %s\n", s.method.c_str(), sets.train.name().c_str(),
              sets.train.size(), noun_of(sets.train), s.images ? ("encoder " + s.encoder + ", ").c_str() : "",
              static_cast<long long>(parameters), threads(), simd::isa_name(), s.precision.c_str());
  if (const std::string why = sets.no_scores(); !why.empty() && s.knn_every > 0 && !s.texts)
    std::printf("no kNN checks: %s\n", why.c_str());
  std::fflush(stdout);
}

/// Training views of a few pictures that evaluation has, for the pictures of a method.
Views shown_views(const Sets& sets, const AnyAugment& augment, const Settings& s, std::size_t count = 8) {
  const AnyDataset& set = sets.test.defined() ? sets.test : sets.train;
  const auto chosen = random_pictures(set, count, Rng(0) / "shown");
  Views views = contrastive::detail::room_for(augment, chosen.size());
  for (std::size_t k = 0; k < chosen.size(); ++k) {
    const std::size_t i = chosen[k].first;
    contrastive::detail::read_views(augment, Rng(s.seed) / "shown" / i, views, k, [&](const CropPlan& plan) {
      return std::optional(set.sample(i, augment.parts(), plan));
    });
    views.sample[k] = static_cast<std::int64_t>(i);
  }
  for (Tensor& view : views.view) view = view.to(device_of(s));
  return views;
}

/// Scores of the trained encoder, the untrained one (`compose` makes it) and raw pixels; summary.json, report data and the
/// page. What goes wrong in it is said and left out: the rest is written all the same. Returns the exit status.
int finish(const RunOptions& options, const Sets& sets, const Composition& trained,
           const std::function<Composition()>& compose, const TrainResult& result, StopSignals& stop) {
  const Settings& s = options.settings;
  const std::string file = options.out + "/summary.json";
  Json summary = run_summary(s, result, file);
  ReportData report;
  int status = 0;
  const auto attempt = [&](const char* what, auto&& part) {
    stop.check();
    try {
      part();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "no %s: %s\n", what, error.what());
      status = 1;
    }
  };
  if (sets.train.parts().contains(Part::image))
    attempt("views in the report",
            [&] { report.galleries.push_back(view_gallery(sets.train, trained.method.augment(), s.seed)); });
  attempt("pictures of the method in the report", [&] {
    if (!trained.pictures) return;
    const PictureRows rows = trained.pictures(shown_views(sets, trained.method.augment(), s));
    if (!rows.pictures.empty()) report.galleries.push_back(picture_gallery(rows));
  });
  if (trained.evaluate_own)
    attempt("scores of the method", [&] { trained.evaluate_own({s, sets, summary, report, [&] { stop.check(); }}); });
  if (const std::string why = sets.no_scores(); !why.empty())
    std::printf("no scores: %s\n", why.c_str());
  else
    attempt("further scores", [&] { evaluate(summary, s, sets, trained, compose, stop, report); });
  write_file(file, dump_json(summary, 2) + "\n");
  save_report_data(options.out, report);
  const std::string page = report_from_run(options.out);
  const bool measured = result.images_per_second > 0;
  if (measured)
    std::printf("\n  %.0f images/s, %.0f s of training, loss %.3f\n", result.images_per_second, result.seconds,
                result.loss);
  std::printf("%s  %s\n", measured ? "" : "\n", page.c_str());
  return status;
}

/// Trains and evaluates; returns the exit status.
int train_and_report(const RunOptions& options, const Program& program) {
  const Settings& s = options.settings;
  const Sets sets = prepare(s);
  const auto compose = [&] {
    try {
      return program.compose(s, static_cast<std::int64_t>(sets.train.size()), Rng(s.seed));
    } catch (const Error& error) {
      throw WrongUsage(error.what());
    }
  };
  const Composition composition = compose();
  const RunFolder folder(options.out, options.resume);
  announce(s, sets, composition.method);
  StopSignals stop;
  Trainer trainer(composition.method, s, sets.train, sets.test, composition.evaluation, options.out, sets.bank,
                  composition.held_out);
  const TrainResult result = train_in(options.out, trainer, s, options.resume);
  if (result.signal) return 128 + result.signal;
  if (composition.after_training) {
    composition.after_training();
    save_safetensors(options.out + "/kept.safetensors", state_of(composition.method.state(), "model."),
                     contrastive::detail::notes_of(s, trainer.state()));
  }
  if (options.no_evaluation) return 0;
  try {
    const int status = finish(options, sets, composition, compose, result, stop);
    return stop.arrived() ? 128 + stop.arrived() : status;
  } catch (const Interrupted& interrupted) {
    std::fprintf(stderr, "stopped by %s in the evaluation; what was trained is saved: evaluate with --resume\n",
                 signal_name(interrupted.signal));
    return 128 + interrupted.signal;
  }
}

}  // namespace

int channels_of(const Settings& s) { return s.data == "fashion" || s.data == "idx" ? 1 : 3; }

bool is_vit(const Settings& s) { return s.encoder.starts_with("vit"); }

void require_queue(const Settings& s, std::int64_t queue, std::int64_t rows) {
  require(queue % rows == 0, "[settings] --queue must be a multiple of ", rows, " (--batch ", s.batch,
          rows == s.batch ? "" : ", twice with --symmetric", ") above 0, got ", queue);
}

void require_groups(const Settings& s, std::int64_t groups) {
  require(s.batch / s.accumulate % groups == 0, "[settings] --groups must divide --batch, got ", groups);
}

void check_local_size(const Settings& s, const LocalCrops& crops) {
  if (crops.locals == 0) return;
  const int local = crops.size(s), patch = encoder_options(s, 3).patch();
  require(local <= s.image_size, "[settings] --local-size must be at most --image-size (", s.image_size, "), got ",
          local);
  require(!is_vit(s) || local % patch == 0, "[settings] --local-size must be a multiple of the patch (", patch,
          " pixels) of ", s.encoder, ", got ", local);
}

EncoderOptions encoder_options(const Settings& s, int channels) {
  return {.channels = channels,
          .image_size = static_cast<int>(s.image_size),
          .width = static_cast<int>(s.width),
          .vit = {.patch = static_cast<int>(s.patch), .drop_path = s.drop_path},
          .heads = static_cast<int>(s.heads)};
}

ImageEncoder encoder_for(const Settings& s, Rng rng, bool zero_last) {
  EncoderOptions options = encoder_options(s, channels_of(s));
  options.zero_init_residual = zero_last;
  return make_encoder(s.encoder, options, rng);
}

AnyAugment evaluation_view(const Settings& s, const Normalize& normalize) {
  const int size = static_cast<int>(s.image_size);
  return center_view(size, size >= 96 ? size * 8 / 7 : size, normalize, channels_of(s));
}

Normalize normalization_of(const Settings& s) {
  if (channels_of(s) == 1) return {};
  return s.image_size < 96 ? cifar10_statistics : imagenet_statistics;
}

int run_program(int argc, char** argv, const Program& program) { return run_program_then(argc, argv, program, {}); }

int run_program_then(int argc, char** argv, const Program& program,
                     const std::function<void(const std::string& out)>& at_end) {
  try {
    RunOptions options;
    options.settings = program.recipe;
    int status = 0;
    if (!parse(argc, argv, options, program, status)) return status;
    status = train_and_report(options, program);
    if (status == 0 && at_end) at_end(options.out);
    return status;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", sentence_of(error).c_str());
    const std::string_view text = error.what();
    const bool usage =
        dynamic_cast<const WrongUsage*>(&error) || text.starts_with("[settings]") || text.starts_with("[config]");
    return usage ? 2 : 1;
  }
}

}  // namespace app
