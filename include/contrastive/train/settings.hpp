// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "contrastive/core/bounds.hpp"
#include "contrastive/core/device.hpp"
#include "contrastive/io/json.hpp"
#include "contrastive/optim/schedule.hpp"

namespace contrastive {

/// All that a run is made of, resolved: the command line over the configuration file over the method's recipe. It is
/// written to the run folder and into each checkpoint, and a run can be started from it again.
struct Settings {
  std::string method;
  std::string data = "fashion", root, label, encoder = "small";
  std::int64_t image_size = 28, width = 1, patch = 0, heads = 0;
  double drop_path = 0;
  std::int64_t epochs = 5, batch = 256, accumulate = 1;

  std::string optimizer = "sgd", schedule = "cosine", milestones;
  double lr = 0.06;  // for a batch of 256; scaled linearly
  double lr_end = 0, warmup_epochs = 0, warmup_lr = 0, decay = 0.1;
  bool epoch_schedule = false;
  double weight_decay = 5e-4, weight_decay_end = -1, momentum = 0.9, beta2 = 0.999;
  double clip = 0, clip_each = 0;
  bool exclude_norm_and_bias = false, fix_predictor_lr = false;

  std::string loss;  // a variant of the objective, where the method has several
  double temperature = 0.5;
  std::int64_t queue = 4096, negatives = 4096, prototypes = 512;
  double target_momentum = 0.99, bank_momentum = 0.5;
  bool other_start = false, symmetric = false;
  std::int64_t channel_groups = 0;
  std::int64_t groups = 1;  // of split batch norm
  std::int64_t head_layers = 2, hidden = 512, dimension = 128;
  double epsilon = 0.05, queue_start = 0, freeze_epochs = 0;
  double teacher_temperature = 0.04, teacher_temperature_end = 0.04, teacher_warmup_epochs = 0;
  std::int64_t locals = 0, local_size = 0;
  double mask_ratio = 0.75;
  std::int64_t decoder_width = 64, decoder_depth = 2;
  std::int64_t predictions = 3;
  std::string autoregressor = "pixelcnn", views = "l,ab", graph = "full";

  std::string precision = "f32", device = "cpu";
  std::int64_t threads = 0;  // 0: all
  std::uint64_t seed = 0;
  bool deterministic = false, strict = false;
  std::int64_t save_every = 0;  // steps between checkpoints; 0: once an epoch
  std::int64_t knn_every = 1;   // epochs between the kNN checks; 0: none
  std::int64_t eval_limit = 0;  // pictures used by the kNN check while training; 0: 10,000 and 2,000
};

namespace detail {

/// f(name, field, help) for each setting: the one list behind flags, files and checkpoints.
template <class S, class F>
void each_setting(S& s, F&& f) {
  f("method", s.method, "method of the run");
  f("data", s.data, "data set: fashion, emoji, cifar10, cifar100, stl10, idx, folder, shapes");
  f("root", s.root, "folder of the data set; fashion, emoji and shapes need none");
  f("label", s.label, "what to classify by: shapes (shape, colour, ...), emoji (group, subgroup)");
  f("encoder", s.encoder, "small, resnet20/32/44/56, resnet18, resnet34, resnet50, vit_micro, vit_tiny, ...");
  f("image-size", s.image_size, "side of a view in pixels");
  f("width", s.width, "channels of residual networks, in multiples (SimCLR v2: 1, 2, 3)");
  f("patch", s.patch, "side of a patch of vision transformers, in pixels; 0: 4 below 96 pixels, else 16");
  f("heads", s.heads, "attention heads of vision transformers; 0: those of --encoder (MoCo v3's vit_small: 12)");
  f("drop-path", s.drop_path, "stochastic depth of vision transformers at the last block");
  f("epochs", s.epochs, "passes over the training set");
  f("batch", s.batch, "pictures a step");
  f("accumulate", s.accumulate, "chunks that a batch is encoded in, to save memory; the loss still sees all of it");
  f("optimizer", s.optimizer, "sgd, lars (SimCLR's), lars-moco (MoCo v3's), lars-solo, larc, adamw or adam");
  f("lr", s.lr, "learning rate for a batch of 256, scaled linearly");
  f("schedule", s.schedule, "of the rate after the warm-up: cosine, step or constant");
  f("lr-end", s.lr_end, "where the cosine ends, not scaled");
  f("milestones", s.milestones,
    "epochs at which schedule step multiplies the rate, as 120,160 by --decay or 120:0.1,160:0.5");
  f("decay", s.decay, "factor at each milestone");
  f("epoch-schedule", s.epoch_schedule, "change the rate once an epoch instead of every step");
  f("warmup-epochs", s.warmup_epochs, "epochs of linear warm-up");
  f("warmup-lr", s.warmup_lr, "where the warm-up starts, not scaled");
  f("weight-decay", s.weight_decay, "weight decay");
  f("weight-decay-end", s.weight_decay_end, "where half a cosine takes the weight decay; negative: it is constant");
  f("momentum", s.momentum, "momentum of sgd and lars");
  f("beta2", s.beta2, "second beta of adamw and adam");
  f("clip", s.clip, "largest norm of all gradients together; 0: no clipping");
  f("clip-each", s.clip_each, "largest norm of each parameter's gradient; 0: no clipping");
  f("exclude-norm-and-bias", s.exclude_norm_and_bias, "no decay or adaptation of biases and norms");
  f("fix-predictor-lr", s.fix_predictor_lr, "keep the predictor's learning rate constant (SimSiam)");
  f("loss", s.loss, "variant of the objective, where the method has several (InstDisc, CMC: nce or softmax)");
  f("temperature", s.temperature, "temperature of the contrastive loss");
  f("queue", s.queue, "rows of the queue (MoCo, NNCLR, SwAV), a multiple of the batch");
  f("negatives", s.negatives, "rows of the memory bank drawn a picture (InstDisc, CMC), or patches (CPC)");
  f("prototypes", s.prototypes, "prototypes of SwAV, outputs of DINO's head");
  f("target-momentum", s.target_momentum, "momentum of the target network (MoCo, BYOL, DINO)");
  f("channel-groups", s.channel_groups,
    "groups of channels for group norm and standardised weights instead of batch norm (BYOL); 0: batch norm");
  f("other-start", s.other_start,
    "the target starts from other random weights, as BYOL's code has it, not as a copy (BYOL)");
  f("bank-momentum", s.bank_momentum, "momentum of the rows of a memory bank");
  f("symmetric", s.symmetric, "each view is query and key in turn (MoCo)");
  f("groups", s.groups, "parts of split batch norm (MoCo)");
  f("head-layers", s.head_layers, "layers of the projector");
  f("hidden", s.hidden, "hidden width of projector and predictor");
  f("dimension", s.dimension, "width of the embedding");
  f("epsilon", s.epsilon, "entropy of Sinkhorn's codes (SwAV)");
  f("queue-start", s.queue_start, "epoch from which rows are kept in the queue (SwAV)");
  f("freeze-epochs", s.freeze_epochs, "epochs in which prototypes or the last layer stand still (SwAV, DINO)");
  f("teacher-temperature", s.teacher_temperature, "the teacher's temperature at first (DINO)");
  f("teacher-temperature-end", s.teacher_temperature_end, "and after its warm-up");
  f("teacher-warmup-epochs", s.teacher_warmup_epochs, "epochs of that warm-up");
  f("locals", s.locals, "small crops beside the two large ones (SwAV, DINO)");
  f("local-size", s.local_size, "side of a small crop in pixels; 0: 3/7 of --image-size");
  f("mask-ratio", s.mask_ratio, "share of the patches that are hidden (MAE)");
  f("decoder-width", s.decoder_width, "width of the decoder (MAE)");
  f("decoder-depth", s.decoder_depth, "blocks of the decoder (MAE)");
  f("predictions", s.predictions, "rows ahead that are predicted (CPC)");
  f("autoregressor", s.autoregressor, "what summarises the patches above: pixelcnn, or gru down each column (CPC)");
  f("views", s.views, "channels of each view: l,ab or l,a,b of Lab, y,cbcr or y,cb,cr of YCbCr (CMC)");
  f("graph", s.graph, "which views are compared: full, all pairs, or core, the first with each other one (CMC)");
  f("precision", s.precision, "f32, or bf16 (f32 master weights, losses and statistics)");
  f("device", s.device, "cpu or cuda");
  f("threads", s.threads, "threads; 0: all");
  f("seed", s.seed, "seed of all randomness");
  f("deterministic", s.deterministic, "the same bits for any number of threads");
  f("strict", s.strict, "stop at a picture that cannot be read instead of skipping it");
  f("save-every", s.save_every, "steps between checkpoints; 0: once an epoch");
  f("knn-every", s.knn_every, "epochs between kNN checks; 0: none");
  f("eval-limit", s.eval_limit,
    "training pictures in the kNN check, drawn by --seed, and a fifth as many test pictures; 0: 10,000");
}

/// What a setting that is a number may be. Between these ends a run is right, or says what else does not fit.
struct SettingBounds {
  const char* name;
  long double least, most;
};
inline constexpr SettingBounds setting_bounds[] = {
    {"image-size", 1, 4096},
    {"width", 1, 16},
    {"patch", 0, 4096},
    {"heads", 0, 1024},
    {"drop-path", 0, 0.99},
    {"epochs", 1, 1e6},
    {"batch", 2, 1 << 20},
    {"accumulate", 1, 1 << 19},
    {"lr", 1e-12, 1e4},
    {"lr-end", 0, 1e4},
    {"decay", 0, 1e4},
    {"warmup-epochs", 0, 1e6},
    {"warmup-lr", 0, 1e4},
    {"weight-decay", 0, 1e4},
    {"weight-decay-end", -1, 1e4},
    {"momentum", 0, 0.9999},
    {"beta2", 0, 0.9999},
    {"clip", 0, 1e6},
    {"clip-each", 0, 1e6},
    {"temperature", 1e-4, 1e4},
    {"queue", 0, 1 << 22},
    {"negatives", 0, 1 << 22},
    {"prototypes", 1, 1 << 17},
    {"target-momentum", 0, 1},
    {"channel-groups", 0, 1 << 14},
    {"bank-momentum", 0, 1},
    {"groups", 1, 1 << 19},
    {"head-layers", 1, 3},
    {"hidden", 1, 1 << 14},
    {"dimension", 1, 1 << 14},
    {"epsilon", 1e-4, 1e4},
    {"queue-start", 0, 1e6},
    {"freeze-epochs", 0, 1e6},
    {"teacher-temperature", 1e-4, 1e4},
    {"teacher-temperature-end", 1e-4, 1e4},
    {"teacher-warmup-epochs", 0, 1e6},
    {"locals", 0, 60},
    {"local-size", 0, 4096},
    {"mask-ratio", 1e-6, 0.999999},
    {"decoder-width", 1, 4096},
    {"decoder-depth", 1, 64},
    {"predictions", 1, 1000},
    {"threads", 0, 1024},
    {"seed", 0, INT64_MAX},  // files hold whole numbers as int64
    {"save-every", 0, 1e9},
    {"knn-every", 0, 1e6},
    {"eval-limit", 0, 1e9},
};

/// Null for what is no number.
constexpr const SettingBounds* bounds_of(std::string_view name, std::span<const SettingBounds> list = setting_bounds) {
  for (const SettingBounds& bounds : list)
    if (name == bounds.name) return &bounds;
  return nullptr;
}

/// Throws unless each number lies within its bounds: those of `own`, where a program uses a setting in another sense.
inline void check_bounds(const Settings& s, std::span<const SettingBounds> own) {
  each_setting(s, [&](const char* name, const auto& field, const char*) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::is_arithmetic_v<Field> && !std::is_same_v<Field, bool>) {
      const SettingBounds* bounds = bounds_of(name, own);
      if (!bounds) bounds = bounds_of(name);
      require_within("settings", join("--", name).c_str(), field, static_cast<Field>(bounds->least),
                     static_cast<Field>(bounds->most));
    }
  });
}

}  // namespace detail

inline Json settings_to_json(const Settings& settings) {
  Json::Object object;
  detail::each_setting(settings, [&](const char* name, const auto& field, const char*) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(field)>, std::string>)
      object.push_back({name, Json(detail::path_as_utf8(field))});  // --root is a path, of any bytes
    else
      object.push_back({name, Json(field)});
  });
  return object;
}

/// Overwrites what `json` names. Throws `[config] FILE: unknown setting "bach"`, or `[config] FILE: batch is a whole number,
/// got "128"`.
inline void settings_from_json(const Json& json, Settings& settings, const std::string& file) {
  require(json.is_object(), "[config] ", file, ": expected an object of settings, got ", json.kind());
  for (const Json::Member& member : json.as_object()) {
    const Json& value = member.value;
    bool known = member.name == "run";  // the name of the run that wrote it
    detail::each_setting(settings, [&](const char* name, auto& field, const char*) {
      if (member.name != name) return;
      known = true;
      const auto expect = [&](bool fits, const char* what) {
        require(fits, "[config] ", file, ": ", name, " is ", what, ", got ",
                value.is_array() || value.is_object() ? value.kind() : value.dump());
      };
      using Field = std::remove_cvref_t<decltype(field)>;
      if constexpr (std::is_same_v<Field, std::string>) {
        expect(value.is_string(), "a string");
        field = detail::path_from_utf8(value.as_string());
      } else if constexpr (std::is_same_v<Field, bool>) {
        expect(value.is_bool(), "true or false");
        field = value.as_bool();
      } else if constexpr (std::is_floating_point_v<Field>) {
        expect(value.is_number(), "a number");
        field = value.as_number();
      } else {
        expect(value.is_integer(), "a whole number");
        if constexpr (std::is_unsigned_v<Field>) expect(value.as_integer() >= 0, "0 or more");
        field = static_cast<Field>(value.as_integer());
      }
    });
    require(known, "[config] ", file, ": unknown setting \"", member.name, "\"");
  }
  if (settings.method == "instdisc") {  // older files name no loss, or ask for the softmax by no negatives
    if (settings.negatives == 0)
      settings.loss = "softmax";
    else if (settings.loss.empty())
      settings.loss = "nce";
  }
}

/// Where the run computes; the kernels of that device must have been registered.
inline Device device_of(const Settings& s) { return s.device == "cuda" ? Device::cuda : Device::cpu; }

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

/// Throws one sentence naming the flag that cannot be. `own` bounds stand in for those of `detail::setting_bounds`.
inline void check_settings(const Settings& s, std::span<const detail::SettingBounds> own = {}) {
  detail::check_bounds(s, own);
  const auto one_of = [](const char* flag, const std::string& value, std::initializer_list<const char*> names) {
    std::string known;
    for (const char* name : names) {
      if (value == name) return;
      known += (known.empty() ? "" : ", ") + std::string(name);
    }
    fail("[settings] --", flag, " must be one of ", known, ", got ", value);
  };
  require(s.warmup_epochs <= static_cast<double>(s.epochs),
          "[settings] --warmup-epochs must be between 0 and --epochs, got ", s.warmup_epochs);
  one_of("optimizer", s.optimizer, {"sgd", "lars", "lars-moco", "lars-solo", "larc", "adamw", "adam"});
  one_of("schedule", s.schedule, {"cosine", "step", "constant"});
  one_of("precision", s.precision, {"f32", "bf16"});
  one_of("device", s.device, {"cpu", "cuda"});
  one_of("autoregressor", s.autoregressor, {"pixelcnn", "gru"});
  one_of("graph", s.graph, {"full", "core"});
  milestones_of(s);
  require(s.batch % s.accumulate == 0 && s.batch / s.accumulate >= 2,
          "[settings] --accumulate must divide --batch and leave 2 or more, got ", s.accumulate, " and ", s.batch);
  const auto is = [&s](auto... names) { return ((s.method == names) || ...); };
  require(!is("moco_v1", "moco_v2") || s.batch / s.accumulate % s.groups == 0,
          "[settings] --groups must divide --batch, got ", s.groups);
  require(!is("instdisc", "cmc") || s.loss != "nce" || s.temperature >= 0.003,
          "[settings] --temperature must be 0.003 to 10000 with --loss nce, got ", s.temperature);
  if (is("moco_v1", "moco_v2", "nnclr") || (is("swav") && s.queue > 0)) {
    const bool both = is("moco_v2") && s.symmetric;  // views enter the queue
    const std::int64_t rows = both ? 2 * s.batch : s.batch;
    require(s.queue > 0 && s.queue % rows == 0, "[settings] --queue must be a multiple of ", rows, " (--batch ",
            s.batch, both ? ", twice with --symmetric" : "", ") above 0, got ", s.queue);
  }
}

}  // namespace contrastive
