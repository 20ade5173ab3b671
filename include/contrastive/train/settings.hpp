// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>

#include "contrastive/core/device.hpp"
#include "contrastive/io/json.hpp"

namespace contrastive {

/// All that a run is made of, resolved: the command line over the configuration file over the method's recipe. It is
/// written to the run folder and into each checkpoint, and a run can be started from it again.
struct Settings {
  std::string method;
  std::string data = "fashion", root, label, encoder = "small";
  std::int64_t image_size = 28;
  std::int64_t epochs = 5, batch = 256, accumulate = 1;
  std::string optimizer = "sgd";
  double lr = 0.06;  // for a batch of 256; scaled linearly
  double weight_decay = 5e-4, momentum = 0.9, warmup_epochs = 0, clip = 0;
  bool exclude_norm_and_bias = false, fix_predictor_lr = false;
  double temperature = 0.5;
  std::int64_t queue = 4096;
  double target_momentum = 0.99;
  std::int64_t groups = 1;  // of split batch norm
  std::int64_t head_layers = 2, hidden = 512, dimension = 128;
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
  f("encoder", s.encoder, "small, resnet20/32/44/56, resnet18, resnet34, resnet50");
  f("image-size", s.image_size, "side of a view in pixels");
  f("epochs", s.epochs, "passes over the training set");
  f("batch", s.batch, "pictures a step");
  f("accumulate", s.accumulate, "chunks that a batch is encoded in, to save memory; the loss still sees all of it");
  f("optimizer", s.optimizer, "sgd, lars or adamw");
  f("lr", s.lr, "learning rate for a batch of 256, scaled linearly");
  f("weight-decay", s.weight_decay, "weight decay");
  f("momentum", s.momentum, "momentum of sgd and lars");
  f("warmup-epochs", s.warmup_epochs, "epochs of linear warm-up before the cosine");
  f("clip", s.clip, "largest gradient norm; 0: no clipping");
  f("exclude-norm-and-bias", s.exclude_norm_and_bias, "no decay or adaptation of biases and norms");
  f("fix-predictor-lr", s.fix_predictor_lr, "keep the predictor's learning rate constant (SimSiam)");
  f("temperature", s.temperature, "temperature of the contrastive loss");
  f("queue", s.queue, "keys in MoCo's queue, a multiple of the batch");
  f("target-momentum", s.target_momentum, "momentum of the target network (MoCo, BYOL)");
  f("groups", s.groups, "parts of split batch norm (MoCo)");
  f("head-layers", s.head_layers, "layers of the projector: 2 (v1) or 3 (v2)");
  f("hidden", s.hidden, "hidden width of projector and predictor (BYOL, SimSiam)");
  f("dimension", s.dimension, "width of the embedding");
  f("precision", s.precision, "f32, or bf16 (f32 master weights, losses and statistics)");
  f("device", s.device, "cpu or cuda");
  f("threads", s.threads, "threads; 0: all");
  f("seed", s.seed, "seed of all randomness");
  f("deterministic", s.deterministic, "the same bits for any number of threads");
  f("strict", s.strict, "stop at a picture that cannot be read instead of skipping it");
  f("save-every", s.save_every, "steps between checkpoints; 0: once an epoch");
  f("knn-every", s.knn_every, "epochs between kNN checks; 0: none");
  f("eval-limit", s.eval_limit, "training pictures in the kNN check; 0: 10,000");
}

}  // namespace detail

inline Json settings_to_json(const Settings& settings) {
  Json::Object object;
  detail::each_setting(settings, [&](const char* name, const auto& field, const char*) {
    object.push_back({name, Json(field)});
  });
  return object;
}

/// Overwrites what `json` names. Throws for a name that is none of ours or a value of the wrong kind.
inline void settings_from_json(const Json& json, Settings& settings, const std::string& file) {
  for (const Json::Member& member : json.as_object()) {
    bool known = false;
    detail::each_setting(settings, [&](const char* name, auto& field, const char*) {
      if (member.name != name) return;
      known = true;
      using Field = std::remove_cvref_t<decltype(field)>;
      if constexpr (std::is_same_v<Field, std::string>)
        field = member.value.as_string();
      else if constexpr (std::is_same_v<Field, bool>)
        field = member.value.as_bool();
      else if constexpr (std::is_floating_point_v<Field>)
        field = member.value.as_number();
      else
        field = static_cast<Field>(member.value.as_integer());
    });
    require(known, "[config] ", file, ": unknown setting \"", member.name, "\"");
  }
}

/// Where the run computes; the kernels of that device must have been registered.
inline Device device_of(const Settings& s) { return s.device == "cuda" ? Device::cuda : Device::cpu; }

/// Throws one sentence naming the flag that cannot be.
inline void check_settings(const Settings& s) {
  const auto positive = [](const char* flag, auto value) {
    require(value > 0, "[settings] --", flag, " must be above 0, got ", value);
  };
  positive("image-size", s.image_size);
  positive("epochs", s.epochs);
  positive("accumulate", s.accumulate);
  positive("temperature", s.temperature);
  positive("dimension", s.dimension);
  positive("hidden", s.hidden);
  positive("groups", s.groups);
  positive("queue", s.queue);
  require(s.batch >= 2, "[settings] --batch must be at least 2 (batch norm and negatives need company), got ", s.batch);
  require(std::isfinite(s.lr) && s.lr > 0, "[settings] --lr must be a number above 0, got ", s.lr);
  require(std::isfinite(s.temperature), "[settings] --temperature must be finite, got ", s.temperature);
  require(std::isfinite(s.weight_decay) && s.weight_decay >= 0, "[settings] --weight-decay must be 0 or more, got ",
          s.weight_decay);
  require(s.momentum >= 0 && s.momentum < 1, "[settings] --momentum must be in [0, 1), got ", s.momentum);
  require(s.target_momentum >= 0 && s.target_momentum <= 1, "[settings] --target-momentum must be in [0, 1], got ",
          s.target_momentum);
  require(s.clip >= 0, "[settings] --clip must be 0 or more, got ", s.clip);
  require(s.warmup_epochs >= 0 && s.warmup_epochs <= static_cast<double>(s.epochs),
          "[settings] --warmup-epochs must be between 0 and --epochs, got ", s.warmup_epochs);
  require(s.head_layers == 2 || s.head_layers == 3, "[settings] --head-layers must be 2 or 3, got ", s.head_layers);
  require(s.optimizer == "sgd" || s.optimizer == "lars" || s.optimizer == "adamw",
          "[settings] --optimizer must be sgd, lars or adamw, got ", s.optimizer);
  require(s.precision == "f32" || s.precision == "bf16", "[settings] --precision must be f32 or bf16, got ",
          s.precision);
  require(s.device == "cpu" || s.device == "cuda", "[settings] --device must be cpu or cuda, got ", s.device);
  require(s.batch % s.accumulate == 0 && s.batch / s.accumulate >= 2,
          "[settings] --accumulate must divide --batch and leave 2 or more, got ", s.accumulate, " and ", s.batch);
}

}  // namespace contrastive
