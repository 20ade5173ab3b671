// SPDX-License-Identifier: MIT
#include "support/pretrained.hpp"

#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <variant>

#include "contrastive/augment/square.hpp"
#include "contrastive/augment/text_view.hpp"
#include "contrastive/methods/dual_encoder.hpp"
#include "contrastive/nn/bf16_weights.hpp"
#include "contrastive/text/bpe_tokenizer.hpp"
#ifdef CONTRASTIVE_WITH_SENTENCEPIECE
#include "contrastive/text/sentencepiece_tokenizer.hpp"
#endif
#include "contrastive/text/wordpiece_tokenizer.hpp"
#include "contrastive/train/checkpoint.hpp"
#include "contrastive/train/run_state.hpp"
#include "contrastive/weights/dual_encoder_weights.hpp"

namespace app {

namespace {

bool is_folder(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

/// CLIP's tokenizer behind the cleaning that the weights were trained with.
AnyTokenizer byte_pairs(const TextPreparation& texts) {
  const BpeTokenizer tokenizer(texts.pad == 0 ? ClipDialect::open_clip : ClipDialect::hugging_face);
  if (texts.cleaning == TextCleaning::canonicalize)
    return {[tokenizer](std::string_view text, std::span<std::int32_t> row) {
      tokenizer.write(canonicalize_text(text), row);
    }};
  require(texts.cleaning == TextCleaning::lower,
          "[weights] CLIP's tokenizer makes all letters small, and the weights "
          "want them kept (--clean)");
  return {[tokenizer](std::string_view text, std::span<std::int32_t> row) { tokenizer.write(text, row); }};
}

/// The file of that name beside the weights.
std::string beside(const std::string& where, const std::string& name) {
  return (is_folder(where) ? where + "/" : where.substr(0, where.find_last_of('/') + 1)) + name;
}

AnyTokenizer word_pieces(const std::string& where) {
  const auto tokenizer =
      std::make_shared<const WordPieceTokenizer>(WordPieceTokenizer::load(beside(where, "vocab.txt")));
  return {[tokenizer](std::string_view text, std::span<std::int32_t> row) { tokenizer->write(text, row); }};
}

/// SigLIP's. The image tower can be used without: what is missing is said when a text comes.
AnyTokenizer sentence_pieces(const std::string& where) {
  const std::string file = beside(where, "spiece.model");
#ifdef CONTRASTIVE_WITH_SENTENCEPIECE
  if (std::ifstream(file).good()) {
    const SentencePieceTokenizer tokenizer = SentencePieceTokenizer::load(file);
    return {[tokenizer](std::string_view text, std::span<std::int32_t> row) {
      tokenizer.write(canonicalize_text(text), row);
    }};
  }
  const std::string missing = ", which is not there";
#else
  const std::string missing = " and a build with SentencePiece (libsentencepiece-dev)";
#endif
  return {[file, missing](std::string_view, std::span<std::int32_t>) {
    fail("[weights] SigLIP's texts need its vocabulary, ", file, missing, "; its image tower can be used alone");
  }};
}

struct NoImages {
  std::int64_t features() const { return 0; }
  Tensor operator()(const Tensor&) const { fail("[weights] these are of a sentence model, which sees no images"); }
  template <class F>
  void members(F&&) {}
};

template <class F>
auto with_image_tower(const DualEncoderConfig& config, F&& f) {
  if (const auto* clip = std::get_if<ClipVisionConfig>(&config.image)) return f(ClipVision(*clip, Rng(0)));
  if (const auto* resnet = std::get_if<ModifiedResNetConfig>(&config.image)) return f(ModifiedResNet(*resnet, Rng(0)));
  if (const auto* siglip = std::get_if<SiglipVisionConfig>(&config.image)) return f(SiglipVision(*siglip, Rng(0)));
  return f(NoImages());
}
template <class F>
auto with_text_tower(const DualEncoderConfig& config, F&& f) {
  if (const auto* clip = std::get_if<TextTransformerConfig>(&config.text)) return f(TextTransformer(*clip, Rng(0)));
  if (const auto* siglip = std::get_if<SiglipTextConfig>(&config.text)) return f(SiglipText(*siglip, Rng(0)));
  if (const auto* bert = std::get_if<BertConfig>(&config.text)) return f(Bert(*bert, Rng(0)));
  fail("[weights] these weights have no text tower");
}

AnyTokenizer tokenizer_of(const DualEncoderConfig& config, const std::string& where) {
  if (std::holds_alternative<TextTransformerConfig>(config.text)) return byte_pairs(config.texts);
  if (std::holds_alternative<BertConfig>(config.text)) return word_pieces(where);
  return sentence_pieces(where);
}

/// A module that holds all tensors of the weights, by name.
template <class M>
std::shared_ptr<M> loaded(M module, const TensorMap& tensors, const std::string& where) {
  const LoadReport report = load_state(module, tensors);
  require(report.ok(), "[weights] ", where, ": ", to_string(report));
  return std::make_shared<M>(std::move(module));
}

/// A matrix of its own where the weights have one of that name.
UnitProjection projection(const TensorMap& tensors, const std::string& name) {
  UnitProjection made;
  if (const auto found = tensors.find(name); found != tensors.end()) made.proj = Parameter(found->second.clone());
  return made;
}

/// f(encoder): the model with both towers, behind a shared pointer.
template <class F>
auto with_model(const DualEncoderWeights& weights, const std::string& where, F&& f) {
  return with_image_tower(weights.config, [&](auto image) {
    return with_text_tower(weights.config, [&](auto text) {
      DualEncoder model(std::move(image), projection(weights.tensors, "visual.proj"), std::move(text),
                        projection(weights.tensors, "text_projection"));
      if (weights.config.has_bias) model.logit_bias = Parameter(Tensor::zeros({}));
      if (!weights.tensors.contains("logit_scale")) model.scale.log_scale = Parameter();
      return f(loaded(std::move(model), weights.tensors, where));
    });
  });
}

AnyAugment prepared(const ImagePreparation& images) {
  return Square(static_cast<int>(images.size), images.resize, images.interpolation, images.normalize);
}
std::string in_words(const ImagePreparation& images) {
  return join(images.size, " x ", images.size, ", ",
              images.resize == ResizeMode::shortest  ? "shortest side, middle"
              : images.resize == ResizeMode::longest ? "longest side, padded"
                                                     : "squashed",
              ", ", word_of(images.interpolation));
}

}  // namespace

bool is_run(const std::string& where) {
  if (is_folder(where)) return !newest_checkpoint(where).empty();
  std::ifstream file(where, std::ios::binary);
  std::uint64_t length = 0;
  char bytes[8];
  if (!file.read(bytes, 8)) return false;
  std::memcpy(&length, bytes, 8);
  std::string header(static_cast<std::size_t>(std::min<std::uint64_t>(length, 1 << 26)), '\0');
  file.read(header.data(), static_cast<std::streamsize>(header.size()));
  return header.find("contrastive-checkpoint-") != std::string::npos;
}

PublishedTowers load_towers(const std::string& where, const WeightFlags& flags) {
  const DualEncoderWeights weights = load_dual_encoder(where, flags.facts());
  const DualEncoderConfig& config = weights.config;
  PublishedTowers towers{{},
                         {},
                         {},
                         {},
                         {},
                         prepared(config.images),
                         in_words(config.images),
                         tokenizer_of(config, where),
                         config.texts.context_length};
  with_model(weights, where, [&](auto model) {
    using Model = std::remove_cvref_t<decltype(*model)>;
    if constexpr (std::is_same_v<decltype(Model::text), TextTransformer> &&
                  !std::is_same_v<decltype(Model::visual), NoImages>) {
      towers.image = model->visual;
      towers.text = model->text;
      towers.image_projection = model->image_projection;
      towers.text_projection = model->text_projection;
      towers.log_scale = model->scale.log_scale;
    } else {
      fail("[settings] --start expected a run of clip or weights of CLIP, got ", where);
    }
    return 0;
  });
  return towers;
}

ImageTextModel image_text_of_weights(const std::string& where, const WeightFlags& flags) {
  const DualEncoderWeights weights = load_dual_encoder(where, flags.facts());
  const DualEncoderConfig& config = weights.config;
  const auto texts = of_text(tokenizer_of(config, where), config.texts.context_length, false);
  return with_model(weights, where, [&](auto model) {
    ImageTextModel made{prepared(config.images), in_words(config.images)};
    made.precision = flags.precision;
    const DType dtype = flags.precision == "bf16" ? DType::bf16 : DType::f32;
    if (dtype == DType::bf16) hold_linear_weights_in_bf16(*model);
    const auto unit = [](const Tensor& rows) { return normalize(cast(rows, DType::f32)); };
    made.image_rows = [model, dtype, unit](const Tensor& images) {
      return unit(model->image_projection.project(model->visual(images.to(dtype))));
    };
    made.id_rows = [model, dtype, unit](const Tensor& ids) {
      const EmbedIn computed(dtype);
      return unit(model->text_projection.project(model->text(ids)));
    };
    made.text_rows = [rows = made.id_rows, texts](const std::vector<std::string>& list) {
      return rows(texts.ids(list));
    };
    if (model->scale.log_scale.defined()) made.scale = model->scale.value();
    return made;
  });
}

StartedText load_start_text(const std::string& where, const WeightFlags& flags) {
  const DualEncoderWeights weights = load_dual_encoder(where, flags.facts());
  StartedText started{{}, tokenizer_of(weights.config, where), weights.config.texts.context_length};
  with_model(weights, where, [&](auto model) {
    if constexpr (requires { TextEncoder(model->text); })
      started.encoder = TextEncoder(model->text);
    else
      fail("[settings] --start-text expected weights of CLIP or of a sentence model, got ", where);
    return 0;
  });
  return started;
}

LockedText load_locked_text(const std::string& where, const WeightFlags& flags) {
  const DualEncoderWeights weights = load_dual_encoder(where, flags.facts());
  LockedText locked{{}, tokenizer_of(weights.config, where), weights.config.texts.context_length};
  with_model(weights, where, [&](auto model) {
    locked.encoder.encode = [model](const Tensor& ids) { return model->text_rows(ids); };
    locked.encoder.width = weights.config.dimension;
    each_state(model->text, [&](const std::string& name, Tensor& tensor) {
      locked.encoder.state.emplace_back(name, Buffer(tensor));
    });
    return 0;
  });
  return locked;
}

}  // namespace app
