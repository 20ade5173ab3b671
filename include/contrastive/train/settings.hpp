// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "contrastive/core/device.hpp"
#include "contrastive/core/setting.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/optim/schedule.hpp"

namespace contrastive {

/// The configuration of a method, whichever it is: a struct that lists its fields in `settings(SettingList&)`. A value:
/// copies are independent.
class OwnSettings {
 public:
  OwnSettings() = default;
  template <class C>
  requires requires(C config, SettingList& list) { config.settings(list); }
  OwnSettings(C config) : self_(std::make_unique<Model<C>>(std::move(config))) {}
  OwnSettings(const OwnSettings& other) : self_(other.self_ ? other.self_->copy() : nullptr) {}
  OwnSettings(OwnSettings&&) noexcept = default;
  OwnSettings& operator=(OwnSettings other) noexcept {
    self_ = std::move(other.self_);
    return *this;
  }

  void settings(SettingList& list) {
    if (self_) self_->settings(list);
  }
  /// The configuration; throws where it is of another type.
  template <class C>
  const C& as() const {
    const auto* const model = dynamic_cast<const Model<C>*>(self_.get());
    require(model != nullptr, "[settings] the configuration is of another method");
    return model->config;
  }

 private:
  struct Interface {
    virtual ~Interface() = default;
    virtual void settings(SettingList&) = 0;
    virtual std::unique_ptr<Interface> copy() const = 0;
  };
  template <class C>
  struct Model final : Interface {
    explicit Model(C value) : config(std::move(value)) {}
    void settings(SettingList& list) override { config.settings(list); }
    std::unique_ptr<Interface> copy() const override { return std::make_unique<Model>(config); }
    C config;
  };
  std::unique_ptr<Interface> self_;
};

/// All that a run is made of, resolved: the command line over the configuration file over the method's recipe. It is
/// written to the run folder and into each checkpoint, and a run can be started from it again.
struct Settings {
  std::string method;
  std::string data = "fashion", root;
  std::int64_t epochs = 5, batch = 256, accumulate = 1;

  std::string optimizer = "sgd", schedule = "cosine", milestones;
  double lr = 0.06;
  std::string lr_scaling = "linear";
  double lr_end = 0, warmup_epochs = 0, warmup_lr = 0, decay = 0.1;
  bool epoch_schedule = false;
  double weight_decay = 5e-4, weight_decay_end = -1, momentum = 0.9, beta2 = 0.999, adam_epsilon = 1e-8;
  double clip = 0, clip_each = 0;
  bool exclude_norm_and_bias = false;

  std::string precision = "f32", device = "cpu";
  std::int64_t threads = 0;
  std::uint64_t seed = 0;
  bool deterministic = false, strict = false;
  std::int64_t save_every = 0, knn_every = 1, eval_limit = 0;
  double save_minutes = 0;

  /// Of images and their encoder; a run without images does not read them.
  bool images = true;
  bool texts = false;  // of texts beside them
  std::string label, encoder = "small", language = "en", captions;
  std::int64_t samples = 0;
  std::int64_t image_size = 28, width = 1, patch = 0, heads = 0;
  double drop_path = 0;

  OwnSettings own;  // of the method

  void settings(SettingList& list) {
    list.text("method", method, "method of the run");
    list.text("data", data,
              texts ? "data set: scenes, shapes, emoji, clipart, stamps, captions, webdataset, camvid, ade20k, coco, "
                      "voc, phrases"
              : images ? "data set: fashion, emoji, cifar10, cifar100, stl10, idx, folder, shapes, scenes"
                       : "data set: voices, made from a seed, or folder");
    list.text("root", root, "folder of the data set; sets that are drawn need none");
    if (texts) {
      list.text("language", language, "languages of the texts of scenes, emoji and stamps: en, or de,en,zh");
      list.text("captions", captions,
                "file with the captions of --data captions (CSV, TSV, JSONL or JSON) or phrases (JSONL or JSON)");
    }
    if (images) {
      list.number("samples", samples, 0, 1e9,
                  "training samples of sets that are drawn (shapes, scenes); 0: the set's own");
      list.text("label", label, "what to classify by: shapes (shape, colour, ...), emoji (group, subgroup)");
      list.text("encoder", encoder, "small, resnet20/32/44/56, resnet18, resnet34, resnet50, vit_micro, vit_tiny, ...");
      list.number("image-size", image_size, 1, 4096, "side of a view in pixels");
      list.number("width", width, 1, 16, "channels of residual networks, in multiples (SimCLR v2: 1, 2, 3)");
      list.number("patch", patch, 0, 4096,
                  "side of a patch of vision transformers, in pixels; 0: 4 below 96 pixels, else 16");
      list.number("heads", heads, 0, 1024,
                  "attention heads of vision transformers; 0: those of --encoder (MoCo v3's vit_small: 12)");
      list.number("drop-path", drop_path, 0, 0.99, "stochastic depth of vision transformers at the last block");
    }
    list.number("epochs", epochs, 1, 1e6, "passes over the training set");
    list.number("batch", batch, 2, 1 << 20, "samples a step");
    list.number("accumulate", accumulate, 1, 1 << 19,
                "chunks that a batch is encoded in, to save memory; the loss still sees all of it");
    list.choice("optimizer", optimizer, {"sgd", "lars", "lars-moco", "lars-solo", "larc", "adamw", "adam"},
                "sgd, lars (SimCLR's), lars-moco (MoCo v3's), lars-solo, larc, adamw or adam");
    list.number("lr", lr, 1e-12, 1e4, "learning rate, for a batch of 256 if it is scaled");
    list.choice("lr-scaling", lr_scaling, {"linear", "none"},
                "linear: the learning rate is multiplied by --batch / 256; or none");
    list.choice("schedule", schedule, {"cosine", "step", "constant"},
                "of the rate after the warm-up: cosine, step or constant");
    list.number("lr-end", lr_end, 0, 1e4, "where the cosine ends, not scaled");
    list.text(
        "milestones", milestones,
        "for --schedule step: epochs at which the rate is multiplied by --decay (120,160), or by factors of their "
        "own (120:0.1,160:0.5)");
    list.number("decay", decay, 0, 1e4, "factor at each milestone");
    list.flag("epoch-schedule", epoch_schedule, "change the rate once an epoch instead of every step");
    list.number("warmup-epochs", warmup_epochs, 0, 1e6, "epochs of linear warm-up");
    list.number("warmup-lr", warmup_lr, 0, 1e4, "where the warm-up starts, not scaled");
    list.number("weight-decay", weight_decay, 0, 1e4, "weight decay");
    list.number("weight-decay-end", weight_decay_end, -1, 1e4,
                "where half a cosine takes the weight decay; negative: it is constant");
    list.number("momentum", momentum, 0, 0.9999, "momentum of sgd and lars");
    list.number("beta2", beta2, 0, 0.9999, "second beta of adamw and adam");
    list.number("adam-epsilon", adam_epsilon, 1e-30, 1, "what adamw and adam add to the root of the second moment");
    list.number("clip", clip, 0, 1e6, "largest norm of all gradients together; 0: no clipping");
    list.number("clip-each", clip_each, 0, 1e6, "largest norm of each parameter's gradient; 0: no clipping");
    list.flag("exclude-norm-and-bias", exclude_norm_and_bias, "no decay or adaptation of biases and norms");
    own.settings(list);
    list.choice("precision", precision, {"f32", "bf16"}, "f32, or bf16 (f32 master weights, losses and statistics)");
    list.choice("device", device, {"cpu", "cuda"}, "cpu or cuda");
    list.number("threads", threads, 0, 1024, "threads; 0: all");
    list.number("seed", seed, 0, INT64_MAX, "seed of all randomness");  // files hold whole numbers as int64
    list.flag("deterministic", deterministic, "the same bits for any number of threads");
    list.flag("strict", strict, "stop at a sample that cannot be read instead of skipping it");
    list.number("save-every", save_every, 0, 1e9, "steps between checkpoints; 0: once an epoch");
    list.number("save-minutes", save_minutes, 0, 1e6, "minutes between checkpoints, beside --save-every; 0: none");
    list.number("knn-every", knn_every, 0, 1e6,
                "epochs between checks on held-out samples (kNN; R@1 of images and texts); 0: none");
    list.number("eval-limit", eval_limit, 0, 1e9,
                "training samples in the kNN check, drawn by --seed, and a fifth as many test samples; 0: 10,000");
  }
};

/// The settings as a list that points into `s`.
inline SettingList settings_of(Settings& s) {
  SettingList list;
  s.settings(list);
  return list;
}

inline Json settings_to_json(Settings settings) {
  Json object = Json::object();
  for (const Setting& one : settings_of(settings))
    std::visit(
        [&](const auto* field) {
          if constexpr (std::is_same_v<std::remove_cvref_t<decltype(*field)>, std::string>)
            object[one.name] = detail::path_as_utf8(*field);  // --root is a path, of any bytes
          else
            object[one.name] = *field;
        },
        one.field);
  return object;
}

namespace detail {

/// Whether a file is of the time when it listed the settings of all methods: no method has both of these.
inline bool lists_all_methods(const Json& json) { return json.contains("mask-ratio") && json.contains("prototypes"); }

/// "an array"
inline std::string kind_of(const Json& value) { return join(value.is_structured() ? "an " : "a ", value.type_name()); }

inline void read_setting(const Setting& one, const Json& value, const std::string& file) {
  const auto expect = [&](bool fits, const char* what) {
    require(fits, "[config] ", file, ": ", one.name, " is ", what, ", got ",
            value.is_structured() ? kind_of(value) : dump_json(value));
  };
  std::visit(
      [&](auto* field) {
        using Field = std::remove_cvref_t<decltype(*field)>;
        if constexpr (std::is_same_v<Field, std::string>) {
          expect(value.is_string(), "a string");
          *field = path_from_utf8(value.get<std::string>());
        } else if constexpr (std::is_same_v<Field, bool>) {
          expect(value.is_boolean(), "true or false");
          *field = value.get<bool>();
        } else if constexpr (std::is_floating_point_v<Field>) {
          expect(value.is_number(), "a number");
          *field = value.get<double>();
        } else {
          expect(is_whole_number(value), "a whole number");
          const auto whole = value.get<std::int64_t>();
          if constexpr (std::is_unsigned_v<Field>) expect(whole >= 0, "0 or more");
          require(std::in_range<Field>(whole), "[config] ", file, ": ", one.name, " must be ", one.least, " to ",
                  one.most, ", got ", whole);
          *field = static_cast<Field>(whole);
        }
      },
      one.field);
}

}  // namespace detail

/// Overwrites what `json` names. Throws `[config] FILE: unknown setting "bach"`, or `[config] FILE: batch is a whole number,
/// got "128"`. A file that lists the settings of all methods, as older ones do, gives this method's.
inline void settings_from_json(const Json& json, Settings& settings, const std::string& file) {
  require(json.is_object(), "[config] ", file, ": expected an object of settings, got ", detail::kind_of(json));
  require(settings.images || !detail::lists_all_methods(json), "[config] ", file,
          " is of an older version, whose runs on sound cannot be read: start again in another --out");
  const SettingList list = settings_of(settings);
  for (const auto& member : json.items()) {
    if (member.key() == "run") continue;  // the name of the run that wrote it
    const Setting* const one = list.find(member.key());
    if (one)
      detail::read_setting(*one, member.value(), file);
    else
      require(detail::lists_all_methods(json), "[config] ", file, ": unknown setting \"", member.key(), "\"",
              settings.method.empty() ? "" : " of " + settings.method);
  }
}

/// Where the run computes; the kernels of that device must have been registered.
inline Device device_of(const Settings& s) { return s.device == "cuda" ? Device::cuda : Device::cpu; }

/// The learning rate of the run's batch.
inline double scaled_rate(const Settings& s) { return s.lr_scaling == "linear" ? linear_scaling(s.lr, s.batch) : s.lr; }

/// "120,160:0.5": at epoch 120 --decay, at 160 half. Throws naming the flag.
inline std::vector<Milestone> milestones_of(const Settings& s) {
  std::vector<Milestone> milestones;
  for (std::size_t at = 0; at < s.milestones.size();) {
    const std::size_t comma = std::min(s.milestones.find(',', at), s.milestones.size());
    const std::string item = s.milestones.substr(at, comma - at);
    char* end = nullptr;
    Milestone next(std::strtod(item.c_str(), &end), s.decay);
    if (*end == ':' && end[1]) next.factor = std::strtod(end + 1, &end);
    require(!item.empty() && *end == 0 && next.at > 0 && next.at <= 1e6 && next.factor >= 0 && next.factor <= 1e4,
            "[settings] --milestones must be epochs such as 120,160 or 120:0.1,160:0.5, got ", s.milestones);
    milestones.push_back(next);
    at = comma + 1;
  }
  return milestones;
}

/// Throws one sentence naming the flag that cannot be.
inline void check_settings(Settings s) {
  for (const Setting& one : settings_of(s)) check_setting(one);
  require(s.warmup_epochs <= static_cast<double>(s.epochs),
          "[settings] --warmup-epochs must be between 0 and --epochs, got ", s.warmup_epochs);
  milestones_of(s);
  require(s.batch % s.accumulate == 0 && s.batch / s.accumulate >= 2,
          "[settings] --accumulate must divide --batch and leave 2 or more, got ", s.accumulate, " and ", s.batch);
}

}  // namespace contrastive
