// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "contrastive/core/setting.hpp"
#include "contrastive/methods/dual_encoder.hpp"
#include "contrastive/methods/method.hpp"
#include "contrastive/methods/towers.hpp"
#include "contrastive/objectives/clip_loss.hpp"
#include "contrastive/objectives/soft_targets.hpp"
#include "contrastive/ops/index.hpp"

namespace contrastive {

/// A number for each row of token ids (N, L), the same for equal rows.
inline std::vector<std::int64_t> numbers_of_equal(const Tensor& ids) {
  require(ids.rank() == 2 && ids.dtype() == DType::i32, "[clip] expected i32 token ids (N, L), got ", ids.shape(), " ",
          to_string(ids.dtype()));
  const Tensor host = ids.to(Device::cpu);
  std::map<std::vector<std::int32_t>, std::int64_t> known;
  std::vector<std::int64_t> numbers;
  for (std::int64_t n = 0; n < ids.size(0); ++n) {
    const std::int32_t* const row = host.data<std::int32_t>() + n * ids.size(1);
    numbers.push_back(
        known.emplace(std::vector<std::int32_t>(row, row + ids.size(1)), static_cast<std::int64_t>(known.size()))
            .first->second);
  }
  return numbers;
}

/// Rows moved up by one in a circle: each image gets what belongs to the next. The control of methods that learn from
/// captions, which must then learn nothing.
inline Tensor of_the_next(const Tensor& x) { return concat({x.slice(1, x.size(0)), x.slice(0, 1)}); }

/// A trained model whose similarities a student follows (open_clip, src/open_clip/loss.py, DistillClipLoss). It is neither
/// trained nor saved with the student.
struct ClipTeacher {
  std::function<Tensor(const Tensor&)> image_rows, text_rows;  // views to unit rows
  double scale = 100;

  bool present() const { return image_rows != nullptr; }
  /// The scaled cosines of a batch's images with its texts, (N, N).
  Tensor logits(const Tensor& images, const Tensor& texts) const {
    const NoGrad no_grad;
    const Eval eval;
    return matmul(image_rows(images), text_rows(texts), false, true, scale);
  }
};

/// CLIP's objective: view 0 is the image, view 1 the text. Images with the same caption are no negatives of each other
/// unless `equal_are_negatives`, as in OpenAI's code. With `shuffle_captions`, a control, each image learns from the text of
/// the next.
struct ImageTextContrast {
  LearnedScale scale;
  bool equal_are_negatives = false, shuffle_captions = false;
  ClipTeacher teacher = {};

  Tensor operator()(const Embeddings& z) const {
    require(z.online.size() == 2, "[clip] expected an image and a text, got ", z.online.size(), " views");
    const Tensor a = z.online[0], b = shuffle_captions ? of_the_next(z.online[1]) : z.online[1];
    const Tensor ids = shuffle_captions ? of_the_next(z.view[1]) : z.view[1];
    const auto same = equal_are_negatives ? std::vector<std::int64_t>() : numbers_of_equal(ids);
    const Tensor loss = clip_loss(a, b, scale.log_scale, RowLength::unit, same);
    if (!teacher.present()) return loss;
    const Tensor wanted = teacher.logits(z.view[0], ids);
    return loss + (soft_target_info_nce(a, b, scale.log_scale, softmax(wanted)) +
                   soft_target_info_nce(b, a, scale.log_scale, softmax(permute(wanted, {1, 0})))) *
                      0.5;
  }
  void after_update(Progress progress) { scale.after_update(progress); }
  std::vector<std::pair<std::string, double>> scalars() const { return {{"scale", scale.value()}}; }
  /// Guessing among N pairs has a loss of log N.
  std::string complaint(double loss, std::int64_t N) const {
    const double chance = std::log(static_cast<double>(N));
    if (loss > 0.98 * chance)
      return join("the loss is ", loss, ", which is chance (log of the batch: ", chance,
                  "): do the captions belong to the images, and is the learning rate right?");
    return scale.complaint();
  }

  template <class F>
  void members(F&& f) {
    f("scale", scale);
  }
};

struct ClipConfig {
  std::int64_t dimension = 512;  // of the shared space
  std::string text_encoder = "transformer";
  std::int64_t text_width = 512, text_layers = 12, text_heads = 8, context_length = 77;
  double patch_dropout = 0;
  bool equal_are_negatives = false, shuffle_captions = false;
  std::string projection = "linear";
  double projection_dropout = 0.1;
  std::string lock_image = {}, lock_text = {}, start_image = {}, start_text = {}, start = {}, teacher = {};
  double keep = 0;

  void settings(SettingList& list) {
    list.text(
        "lock-image", lock_image,
        "a run or weights whose image encoder is taken and stands still (LiT); a projection behind it is trained");
    list.text("start-image", start_image,
              "a run whose image encoder is trained further, behind a new projection: of any method of images");
    list.text("start-text", start_text,
              "weights of a text tower to train further: CLIP's, or a sentence model with its vocab.txt");
    list.text("start", start, "a run of clip or published CLIP weights to fine-tune; --lr 1e-5 or less forgets little");
    list.number(
        "keep", keep, 0, 1,
        "share of the starting weights in those at the end (kept.safetensors): what was known before stays known");
    list.text(
        "teacher", teacher,
        "a run or weights of the same image size and tokens, whose similarities are followed beside the captions");
    list.text("lock-text", lock_text,
              "weights of a text tower that stands still: CLIP's, or a sentence model with its vocab.txt");
    list.number("dimension", dimension, 1, 1 << 14, "width of the space that images and texts share");
    list.choice("projection", projection, {"linear", "residual"},
                "linear: a matrix; residual: LN(x + dropout(W gelu(x))) behind it");
    list.number("projection-dropout", projection_dropout, 0, 0.95, "dropout in a residual projection, while training");
    list.choice("text-encoder", text_encoder, {"transformer", "bag"},
                "transformer, or bag: the mean of the vectors of a text's tokens, whatever their order");
    list.number("text-width", text_width, 8, 1 << 14, "width of the text encoder");
    list.number("text-layers", text_layers, 1, 256, "layers of the text transformer");
    list.number("text-heads", text_heads, 1, 1024, "attention heads of the text transformer");
    list.number("context-length", context_length, 3, 4096, "tokens of a text, start and end included");
    list.number("patch-dropout", patch_dropout, 0, 0.95, "share of an image's patches that a step leaves out");
    list.flag("equal-are-negatives", equal_are_negatives,
              "images with the same caption are negatives of each other, as in OpenAI's code");
    list.flag("shuffle-captions", shuffle_captions, "each image learns from the text of another: a control");
  }
};

/// CLIP (Radford et al. 2021, arXiv:2103.00020; OpenAI, clip/model.py; open_clip, src/open_clip/model.py): an image tower
/// and a text tower, each with a projection to unit rows of one space; the symmetric InfoNCE over the batch with a learned
/// scale. `image` is any encoder of images, `text` any of token ids; `views` gives an image, then a text. An image encoder
/// that ends in a shared space of its own (ModifiedResNet's pool) takes the place of a linear projection.
template <class Image, class Text, class Augmentation>
auto clip(Image image, Text text, Augmentation views, const ClipConfig& config, Rng rng) {
  const bool residual = config.projection == "residual";
  bool projected = true;
  if constexpr (requires { image.ends_in_shared_space(); }) projected = residual || !image.ends_in_shared_space();
  const std::int64_t of_image = image.features(), of_text = text.features();
  const std::int64_t D = projected ? config.dimension : of_image;
  const auto into_space = [&](std::int64_t width, Rng stream) {
    return residual ? UnitProjection::with_branch(width, D, config.projection_dropout, stream)
                    : UnitProjection(width, D, stream);
  };
  return Method(Towers(Tower{std::move(image), projected ? into_space(of_image, rng / "image") : UnitProjection()},
                       Tower{std::move(text), into_space(of_text, rng / "text")}),
                Identity{}, ImageTextContrast{{}, config.equal_are_negatives, config.shuffle_captions},
                std::move(views));
}

}  // namespace contrastive
