// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "contrastive/core/setting.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/nn/mlp.hpp"
#include "contrastive/nn/weight_norm_linear.hpp"
#include "contrastive/objectives/dino.hpp"

namespace contrastive {

struct DinoConfig {
  std::int64_t outputs = 65536;
  std::int64_t hidden = 2048;
  std::int64_t bottleneck = 256;
  int layers = 3;
  bool batch_norm = false;       // in the head
  bool fixed_gain = true;        // of the last layer; free is better for ViT-S
  double freeze_last_layer = 1;  // epochs
  double student_temperature = 0.1;
  TeacherTemperature teacher_temperature{};
  double center_momentum = 0.9;
  double momentum = 0.996;  // of the teacher, rising to 1

  /// Batch 256, two crops, 1000 epochs (solo-learn, scripts/pretrain/cifar/dino.yaml).
  static DinoConfig cifar() { return {.outputs = 4096, .momentum = 0.9995}; }

  void settings(SettingList& list) {
    list.number("temperature", student_temperature, 1e-4, 1e4, "temperature of the student");
    list.number("teacher-temperature", teacher_temperature.start, 1e-4, 1e4, "the teacher's temperature at first");
    list.number("teacher-temperature-end", teacher_temperature.end, 1e-4, 1e4, "and after its warm-up");
    list.number("teacher-warmup-epochs", teacher_temperature.warmup, 0, 1e6, "epochs of that warm-up");
    list.number("prototypes", outputs, 1, 1 << 17, "outputs of the head");
    list.number("target-momentum", momentum, 0, 1, "momentum of the target network at the start, rising to 1");
    list.number("hidden", hidden, 1, 1 << 14, "hidden width of the head");
    list.number("dimension", bottleneck, 1, 1 << 14, "width of the embedding before the last layer");
    list.number("freeze-epochs", freeze_last_layer, 0, 1e6, "epochs in which the last layer stands still");
  }
};

/// DINO's head (facebookresearch/dino, vision_transformer.py, DINOHead): linear layers with GELU (and batch norm, if
/// wanted) between, unit length, and a weight-normalised last layer. Weights N(0, 0.02), biases 0.
struct DinoHead {
  Mlp mlp;
  WeightNormLinear last_layer;
  double freeze_last_layer = 0;  // epochs

  DinoHead() = default;
  DinoHead(std::int64_t features, const DinoConfig& config, Rng rng)
      : last_layer(config.bottleneck, config.outputs, rng / "last_layer", config.fixed_gain),
        freeze_last_layer(config.freeze_last_layer) {
    require(config.layers > 0, "[dino] the head has at least one layer, got ", config.layers);
    std::vector<MlpLayer> layers(static_cast<std::size_t>(config.layers - 1),
                                 {.out = config.hidden, .norm = config.batch_norm, .relu = false, .gelu = true});
    layers.push_back({.out = config.bottleneck, .norm = false, .relu = false});
    mlp = Mlp(features, layers, rng / "mlp");
    for (std::size_t i = 0; i < mlp.layers.size(); ++i) {
      Linear& linear = mlp.layers[i].linear;
      linear.weight.copy_from(init::normal(linear.weight.shape(), 0.02, rng / "mlp" / i / "normal"));
      linear.bias.kernels().fill(linear.bias.view_to_write(), 0);
    }
  }

  Tensor operator()(const Tensor& x) const { return last_layer(normalize(mlp(x))); }

  /// No gradient rather than a zero one, so that the optimiser does not decay the layer either.
  void before_update(Progress progress) {
    if (freeze_last_layer > 0 && progress.epoch() < freeze_last_layer) clear_gradients(last_layer);
  }

  template <class F>
  void members(F&& f) {
    f("mlp", mlp);
    f("last_layer", last_layer);
  }
};

/// DINO's objective with its centre.
struct DinoDistillation {
  /// What the student's outputs (N, K) say: a distribution a row.
  Tensor assignments(const Tensor& outputs) const { return softmax(outputs / student_temperature); }

  double student_temperature = 0.1;
  TeacherTemperature teacher_temperature{};
  double center_momentum = 0.9;
  Center center;

  Tensor operator()(const Embeddings& z) {
    const double temperature = teacher_temperature.at(teacher_temperature.warmup > 0 ? z.progress.epoch() : 0);
    const Tensor loss = dino_loss(z.online, z.target, center, temperature, student_temperature);
    center.update(z.target, center_momentum);
    return loss;
  }

  template <class F>
  void members(F&& f) {
    center.members(f);
  }
};

/// DINO (Caron et al. 2021, arXiv:2104.14294; facebookresearch/dino, main_dino.py): the student matches, on all crops,
/// the centred and sharpened outputs of its moving average on the large ones. Crops of one size pass the encoder
/// together. `teacher`, if given, is the encoder the teacher starts from: one without drop path, with the weights of
/// `encoder`. The paper's ViTs: AdamW 5e-4 x batch / 256, weight decay 0.04 to 0.4 (not on biases and norms), each
/// gradient clipped to a norm of 3.
template <class Encoder, class Augmentation>
auto dino(Encoder encoder, Augmentation augment, const DinoConfig& config, Rng rng, const Encoder* teacher = nullptr) {
  const std::int64_t features = encoder.features();
  Tower<Encoder, DinoHead> online{std::move(encoder), DinoHead(features, config, rng / "projector")};
  const Tower<Encoder, DinoHead> start{teacher ? *teacher : online.encoder, online.projector};
  Method<Tower<Encoder, DinoHead>, Identity, DinoDistillation, Augmentation, Momentum> method(
      std::move(online), Identity{},
      DinoDistillation{config.student_temperature, config.teacher_temperature, config.center_momentum,
                       Center(config.outputs)},
      std::move(augment), Momentum{.momentum = config.momentum, .to_one = true}, &start);
  method.views_together = true;
  method.evaluate_target = true;
  return method;
}

}  // namespace contrastive
