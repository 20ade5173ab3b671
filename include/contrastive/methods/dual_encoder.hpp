// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>

#include "contrastive/nn/dropout.hpp"
#include "contrastive/nn/init.hpp"
#include "contrastive/nn/layer_norm.hpp"
#include "contrastive/nn/linear.hpp"
#include "contrastive/objectives/learned_scale.hpp"
#include "contrastive/ops/matmul.hpp"
#include "contrastive/ops/softmax.hpp"

namespace contrastive {

/// What stands behind the first matrix of a projection head with a residual branch: x -> LN(x + dropout(W gelu(x) + b)),
/// (N, D) -> (N, D) (Keras' example "Natural language image search with a Dual Encoder", project_embeddings; eps 1e-3).
struct ResidualBranch {
  Linear linear;
  LayerNorm norm;
  Dropout dropout;

  ResidualBranch() = default;
  ResidualBranch(std::int64_t D, double rate, Rng rng)
      : linear(D, D, rng / "linear"), norm(D, 1e-3), dropout(rate, rng / "dropout") {}

  bool defined() const { return linear.weight.defined(); }
  Tensor operator()(const Tensor& x) const { return norm(x + dropout(linear(gelu(x)))); }

  template <class F>
  void members(F&& f) {
    f("linear", linear);
    f("norm", norm);
    f("dropout", dropout);
  }
};

/// Into the space that images and texts share: x proj, of unit length. Without a matrix the encoder ends in that space;
/// with a residual branch behind it, it is a head of two layers.
struct UnitProjection {
  Parameter proj;           // (width, D), as OpenAI holds it; may be empty
  Parameter bias;           // (D), of a head with a branch
  ResidualBranch residual;  // may be empty

  UnitProjection() = default;
  UnitProjection(std::int64_t width, std::int64_t D, Rng rng)
      : proj(init::normal({width, D}, 1 / std::sqrt(static_cast<double>(width)), rng / "proj")) {}
  /// With a residual branch, and dropout at `rate` in it.
  static UnitProjection with_branch(std::int64_t width, std::int64_t D, double rate, Rng rng) {
    UnitProjection head(width, D, rng);
    head.bias = Parameter(Tensor::zeros({D}));
    head.residual = ResidualBranch(D, rate, rng / "residual");
    return head;
  }

  Tensor operator()(const Tensor& x) const { return normalize(project(x)); }
  /// Before it is made of unit length: what OpenAI's `encode_image` and `encode_text` give.
  Tensor project(const Tensor& x) const {
    const Tensor y = proj.defined() ? matmul(x, proj, false, false, 1, bias) : x;
    return residual.defined() ? residual(y) : y;
  }

  template <class F>
  void members(F&& f) {
    f("proj", proj);
    f("bias", bias);
    f("residual", residual);
  }
};

/// Images and texts in one space, as a trained model is used and as OpenAI's files hold it (clip/model.py, CLIP): the image
/// encoder's names begin with `visual.`, the text encoder's stand alone. Copies share their tensors with the towers that
/// they were made of.
///
///     const DualEncoder model(method.online.tower<0>(), method.online.tower<1>(), method.objective.scale);
///     const Tensor logits = model.logits(images, ids);
template <class Image, class Text>
struct DualEncoder {
  Image visual;
  UnitProjection image_projection;
  Text text;
  UnitProjection text_projection;
  LearnedScale scale;
  Parameter logit_bias;  // SigLIP's; else empty

  DualEncoder(Image image, UnitProjection to_image, Text texts, UnitProjection to_text, LearnedScale learned = {})
      : visual(std::move(image)),
        image_projection(std::move(to_image)),
        text(std::move(texts)),
        text_projection(std::move(to_text)),
        scale(std::move(learned)) {}
  template <class ImageTower, class TextTower>
  DualEncoder(const ImageTower& image, const TextTower& texts, LearnedScale learned)
      : DualEncoder(image.encoder, image.projector, texts.encoder, texts.projector, std::move(learned)) {}

  /// Rows of the shared space, (N, D), of unit length.
  Tensor image_rows(const Tensor& images) const { return image_projection(visual(images)); }
  Tensor text_rows(const Tensor& ids) const { return text_projection(text(ids)); }
  /// The scaled cosines of all images with all texts, (images, texts).
  Tensor logits(const Tensor& images, const Tensor& ids) const {
    return matmul(image_rows(images), text_rows(ids), false, true) * exp(scale.log_scale);
  }

  template <class F>
  void members(F&& f) {
    f("visual", visual);
    f("visual.proj", image_projection.proj);
    f("visual.proj.bias", image_projection.bias);
    f("visual.proj.residual", image_projection.residual);
    text.members(f);
    f("text_projection", text_projection.proj);
    f("text_projection.bias", text_projection.bias);
    f("text_projection.residual", text_projection.residual);
    f("logit_scale", scale.log_scale);
    f("logit_bias", logit_bias);
  }
};
template <class ImageTower, class TextTower>
DualEncoder(const ImageTower&, const TextTower&, LearnedScale)
    -> DualEncoder<decltype(ImageTower::encoder), decltype(TextTower::encoder)>;

}  // namespace contrastive
