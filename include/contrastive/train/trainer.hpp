// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/data/loader.hpp"
#include "contrastive/data/subset.hpp"
#include "contrastive/eval/align_uniform.hpp"
#include "contrastive/eval/spectrum.hpp"
#include "contrastive/io/metrics.hpp"
#include "contrastive/objectives/similarity/packed.hpp"
#include "contrastive/optim/clip.hpp"
#include "contrastive/train/any_method.hpp"
#include "contrastive/train/evaluate.hpp"
#include "contrastive/train/held_out.hpp"
#include "contrastive/train/progress.hpp"
#include "contrastive/train/run_state.hpp"
#include "contrastive/train/schedules.hpp"
#include "contrastive/train/settings.hpp"
#include "contrastive/train/stop_signals.hpp"

namespace contrastive {

/// How a run ended.
struct TrainResult {
  std::int64_t step = 0, steps = 0;  // optimiser steps taken, and planned
  double loss = 0;                   // mean over the last epoch
  double images_per_second = 0;      // of this process, checks and saving left out
  double seconds = 0;                // of this process
  double effective_rank = 0;         // of embeddings at the end
  std::int64_t dimensions = 0;       // of an embedding
  int signal = 0;                    // SIGINT or SIGTERM when one ended it early
};

/// Trains a method: loader, loss, optimiser, schedule, checkpoints, metrics and the watch for collapse. A run that is
/// killed at any instant and started again with `resume` ends with the bits it would have had. Evaluation never costs
/// training: the checkpoint is saved before a check begins, and a check that fails is reported and left out.
class Trainer {
 public:
  /// `transform` is the evaluation view. The kNN check compares pictures drawn from `test` with pictures drawn from `bank`,
  /// which is `train` where none is given, by the names of their classes; there is none unless both have labels. The method is moved to the device of the settings: handles on its parameters
  /// taken earlier stay behind.
  template <class M>
  requires(!std::same_as<M, AnyMethod>)
      Trainer(M& method, const Settings& settings, AnyDataset train, AnyDataset test, AnyAugment transform,
              std::string out, AnyDataset bank = {}, HeldOutCheck check = {})
      : Trainer(AnyMethod::refer(method), settings, std::move(train), std::move(test), std::move(transform),
                std::move(out), std::move(bank), std::move(check)) {}
  Trainer(AnyMethod method, const Settings& settings, AnyDataset train, AnyDataset test, AnyAugment transform,
          std::string out, AnyDataset bank = {}, HeldOutCheck check = {})
      : method_(std::move(method)),
        held_out_(std::move(check)),
        settings_(settings),
        bank_(bank.defined() ? std::move(bank) : train),
        test_(std::move(test)),
        transform_(std::move(transform)),
        out_(std::move(out)),
        device_(device_of(settings)),
        loader_(std::move(train), method_.augment(),
                {.batch = static_cast<std::size_t>(settings.batch),
                 .seed = settings.seed,
                 .threads = std::max(1, threads() - 1),
                 .strict = settings.strict}),
        optimizer_(make_optimizer(groups(), settings)) {
    state_.steps_per_epoch = loader_.steps_per_epoch();
    state_.samples = static_cast<std::int64_t>(loader_.dataset().size());
    state_.run = run_name(settings_, state_.samples);
    method_.set_precision(settings.precision == "bf16" ? DType::bf16 : DType::f32);
    draw_check_parts();
    best_ = best_score(out_);
  }

  /// Continues from the last checkpoint of the folder, where there is one. Returns whether there was.
  bool resume() { return load_checkpoint(out_, method_, optimizer_, settings_, state_); }

  TrainResult run() {
    const std::int64_t per_epoch = state_.steps_per_epoch, steps = settings_.epochs * per_epoch;
    const bool check_due = state_.step > 0 && state_.step % per_epoch == 0 && !has_metric(out_, state_.step, "spread");
    std::vector<std::string> columns{"epoch",          "loss",      "learning_rate", "images_per_second", "spread",
                                     "effective_rank", "alignment", "uniformity",    "information",       "knn_top1"};
    for (const auto& [name, value] : method_.scalars()) columns.push_back(name);
    if (held_out_.measure) columns.push_back(held_out_.name);
    Metrics metrics(out_, columns, state_.step > 0 ? state_.step : -1);
    ProgressBar bar({.epochs = settings_.epochs,
                     .steps_per_epoch = per_epoch,
                     .images_per_step = settings_.batch,
                     .first_step = state_.step});
    StopSignals stop;
    TrainResult result;
    const auto start = Clock::now();
    auto saved = start;
    double busy = 0;
    const std::int64_t first = state_.step, log_every = std::max<std::int64_t>(1, per_epoch / 20);
    if (check_due) make_up_check(stop, metrics, bar, result);
    while (state_.step < steps && !stop.arrived()) {
      loader_.start(state_.step / per_epoch, state_.step % per_epoch);
      while (!stop.arrived()) {
        const auto before = Clock::now();
        std::optional<Batch> batch = next_batch();
        if (!batch) break;
        const contrastive::Progress progress{state_.step, steps, per_epoch};
        const double lr = learning_rate(settings_, progress);
        const double loss = step(batch->views, progress, lr);
        ++state_.step;
        state_.loss_sum += loss;
        busy += seconds_since(before);
        bar.step(state_.step, loss);
        const bool last = state_.step % per_epoch == 0;
        if (last || state_.step % log_every == 0) {
          Scalars row{{"epoch", epochs_done()},
                      {"loss", loss},
                      {"learning_rate", lr},
                      {"images_per_second", bar.images_per_second()}};
          for (auto& scalar : method_.scalars()) row.push_back(std::move(scalar));
          metrics.log(state_.step, row);
        }
        if (last) {
          state_.loss_last_epoch = state_.loss_sum / static_cast<double>(per_epoch);
          state_.loss_sum = 0;
        }
        if ((settings_.save_every > 0 ? state_.step % settings_.save_every == 0 || state_.step == steps : last) ||
            (settings_.save_minutes > 0 && seconds_since(saved) > 60 * settings_.save_minutes)) {
          save(metrics);
          saved = Clock::now();
        }
        if (last) {
          check(batch->views, stop, metrics, bar, result);
          bar.resume();
        }
      }
    }
    if (const int signal = stop.arrived()) {
      save(metrics);
      bar.say(join("stopped by ", signal_name(signal), " after step ", state_.step, " of ", steps,
                   "; the checkpoint is saved: continue with --resume"));
      result.signal = signal;
    }
    bar.finish();
    result.step = state_.step;
    result.steps = steps;
    result.loss = state_.loss_last_epoch;
    result.seconds = seconds_since(start);
    result.images_per_second = busy > 0 ? static_cast<double>((state_.step - first) * settings_.batch) / busy : 0;
    if (loader_.unreadable() > 0)
      std::fprintf(stderr, "%zu samples could not be read and were skipped\n", loader_.unreadable());
    return result;
  }

  const RunState& state() const { return state_; }

 private:
  using Clock = std::chrono::steady_clock;
  static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  /// Moves the method first: the optimiser holds what is trained.
  std::vector<ParameterGroup> groups() {
    if (device_ != Device::cpu) method_.move_to(device_);
    return method_.parameter_groups(
        {.weight_decay = settings_.weight_decay, .exclude_norm_and_bias = settings_.exclude_norm_and_bias},
        tower_groups_);
  }

  double step(const Views& views, contrastive::Progress progress, double lr) {
    double value = std::numeric_limits<double>::quiet_NaN();
    std::string why;
    try {
      value = method_.backward(views, progress, settings_.accumulate).item();
    } catch (const similarity::NotFinite& error) {
      why = join(" (", error.what(), ")");
    }
    if (!std::isfinite(value))
      fail("[train] the loss is ", value, why, " at step ", progress.step, " (learning rate ", lr,
           "): try a smaller --lr or --clip; the last checkpoint in ", out_, " is kept");
    if (settings_.clip > 0) clip_grad_norm(optimizer_.groups(), settings_.clip);
    if (settings_.clip_each > 0) clip_each_grad_norm(optimizer_.groups(), settings_.clip_each);
    method_.before_update(progress);
    std::vector<ParameterGroup>& groups = optimizer_.groups();
    if (method_.fixes_predictor_lr() && lr > 0)
      for (std::size_t i = tower_groups_; i < groups.size(); ++i) groups[i].lr_scale = scaled_rate(settings_) / lr;
    for (ParameterGroup& group : groups)
      if (group.adapt) group.weight_decay = weight_decay(settings_, progress);
    optimizer_.step(lr);
    optimizer_.clear_grad();
    method_.after_step(progress);
    return value;
  }

  /// The next batch of the epoch, on the device.
  std::optional<Batch> next_batch() {
    std::optional<Batch> batch = loader_.next();
    if (batch)
      for (Tensor& view : batch->views.view) view = view.to(device_);
    return batch;
  }

  double epochs_done() const { return static_cast<double>(state_.step) / static_cast<double>(state_.steps_per_epoch); }

  /// The check of the epoch that ended at the checkpoint, where a kill or a signal kept it from being made: on the last
  /// batch of that epoch, as it would have been.
  void make_up_check(StopSignals& stop, Metrics& metrics, ProgressBar& bar, TrainResult& result) {
    loader_.start(state_.step / state_.steps_per_epoch - 1, state_.steps_per_epoch - 1);
    if (const std::optional<Batch> batch = next_batch()) check(batch->views, stop, metrics, bar, result);
  }

  /// At the end of an epoch. A signal cuts the check off; an error is said and the run goes on.
  void check(const Views& views, StopSignals& stop, Metrics& metrics, ProgressBar& bar, TrainResult& result) {
    Scalars row{{"epoch", epochs_done()}};
    try {
      watch(views, row, bar, result);
      if (held_out_.measure)
        held_out_check(stop, row, bar);
      else
        knn_check(stop, row, bar);
    } catch (const Interrupted&) {
      return;  // made up for when the run is resumed
    } catch (const std::exception& error) {
      bar.say(join("the check of epoch ", epochs_done(), " failed, training goes on: ", error.what()));
    }
    metrics.log(state_.step, row);
  }

  /// How spread the embeddings are.
  void watch(const Views& views, Scalars& row, ProgressBar& bar, TrainResult& result) {
    const NoGrad no_grad;
    std::vector<Tensor> z = method_.embed(views);
    std::erase_if(z, [](const Tensor& x) { return !x.defined() || x.rank() != 2; });
    if (z.empty()) z.push_back(features(views.view[0]));  // a method that predicts patches or pixels
    const CollapseWatch watch = collapse_watch(z[0]);
    row.push_back({"spread", watch.spread});
    row.push_back({"effective_rank", watch.rank});
    result.effective_rank = watch.rank;
    result.dimensions = z[0].size(1);
    const auto announce = [&](const char* what, const std::string& complaint) {
      if (complaint.empty() || state_.step < settled_step || epochs_done() < settings_.warmup_epochs) return;
      bar.say(join("collapse: the ", what, " of epoch ", epochs_done(), " are ", complaint));
    };
    announce("embeddings", watch.complaint());
    if (state_.step >= settled_step && epochs_done() >= settings_.warmup_epochs) {
      const std::string wrong = method_.complaint(state_.loss_last_epoch, settings_.batch);
      if (!wrong.empty() && !complained_) bar.say(join("epoch ", epochs_done(), ": ", wrong));
      complained_ = !wrong.empty();  // once, until all was well again
    }
    if (const Tensor assigned = method_.assignments(z[0]); assigned.defined()) {
      const OutputWatch outputs = output_watch(assigned);
      row.push_back({"information", outputs.information()});
      announce("outputs", outputs.complaint());
    }
    const Tensor unit = normalize(z[0]);
    if (z.size() > 1 && z[1].shape() == z[0].shape())
      row.push_back({"alignment", alignment(unit, normalize(z[1])).item()});
    row.push_back({"uniformity", uniformity(unit).item()});
  }

  /// What the kNN checks look at, the same pictures in every epoch.
  void draw_check_parts() {
    if (held_out_.measure) {
      const std::size_t limit = settings_.eval_limit > 0 ? static_cast<std::size_t>(settings_.eval_limit) / 5 : 1000;
      if (test_.defined() && settings_.knn_every > 0)
        test_ = random_subset(test_, std::max<std::size_t>(1, limit), Rng(settings_.seed) / "eval limit" / "test");
      else
        held_out_.measure = nullptr, test_ = {};
      return;
    }
    if (!test_.defined() || !test_.has_labels() || !bank_.has_labels() || settings_.knn_every <= 0) test_ = {};
    if (!test_.defined()) return;
    try {
      MatchedParts parts = match_classes(bank_, test_);
      const std::size_t limit = settings_.eval_limit > 0 ? static_cast<std::size_t>(settings_.eval_limit) : 10000;
      const Rng draw = Rng(settings_.seed) / "eval limit";
      bank_ = random_subset(parts.train, limit, draw / "train");
      test_ = random_subset(parts.test, std::max<std::size_t>(1, limit / 5), draw / "test");
    } catch (const Error& error) {
      std::fprintf(stderr, "no kNN checks: %s\n", error.what());
      test_ = {};
    }
  }

  /// What kNN on the features finds, every few epochs.
  void knn_check(StopSignals& stop, Scalars& row, ProgressBar& bar) {
    const std::int64_t epoch = state_.step / state_.steps_per_epoch;
    if (!test_.defined() || epoch % settings_.knn_every != 0) return;
    const auto encode = [&](const Tensor& x) {
      stop.check();
      return method_.encode(x.to(device_));
    };
    const FeatureSet train = encode_set(bank_, transform_, encode), test = encode_set(test_, transform_, encode);
    const double top1 = knn(train.features, train.labels, test.features, test.labels, {.k = 20}).top1;
    row.push_back({"knn_top1", top1});
    bar.set_score("kNN", top1);
  }

  /// The method's own check, every few epochs; keeps the best weights.
  void held_out_check(StopSignals& stop, Scalars& row, ProgressBar& bar) {
    const std::int64_t epoch = state_.step / state_.steps_per_epoch;
    if (epoch % settings_.knn_every != 0) return;
    const double score = held_out_.measure(test_, [&] { stop.check(); });
    row.push_back({held_out_.name, score});
    bar.set_score(held_out_.name, score);
    if (score <= best_) return;
    save_best(out_, method_, settings_, state_, score);
    best_ = score;
  }

  /// Before it, and before the warm-up's end, no collapse is announced: the first steps draw the rows together in
  /// healthy runs too (BYOL's spread on shapes falls to 0.08 in 20 steps and is back at 0.17 in 60).
  static constexpr std::int64_t settled_step = 100;

  /// Of training views, with the batch's statistics.
  Tensor features(const Tensor& view) {
    const KeepStatistics keep;
    return method_.encode(view);
  }

  void save(Metrics& metrics) {
    metrics.sync();
    save_checkpoint(out_, method_, optimizer_, settings_, state_);
  }

  AnyMethod method_;
  HeldOutCheck held_out_;
  double best_ = -1;
  bool complained_ = false;
  Settings settings_;
  AnyDataset bank_, test_;  // of the kNN checks; no test part: there are none
  AnyAugment transform_;
  std::string out_;
  Device device_;
  Loader loader_;
  std::size_t tower_groups_ = 0;
  Optimizer optimizer_;
  RunState state_;
};

}  // namespace contrastive
