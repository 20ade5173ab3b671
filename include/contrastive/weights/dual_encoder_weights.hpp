// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "contrastive/io/safetensors.hpp"
#include "contrastive/weights/dual_encoder_config.hpp"
#include "contrastive/weights/layouts.hpp"

namespace contrastive {

namespace detail {
inline constexpr const char* facts_key = "contrastive.model";  // in `__metadata__`
}

/// A published model as a program uses it.
struct DualEncoderWeights {
  WeightLayout layout = WeightLayout::open_clip;  // of the file
  DualEncoderConfig config;
  TensorMap tensors;  // by our names, shaped as in `tensor_shapes`; f64 where the file is, else f32
};

/// Reads the weights of OpenAI's CLIP, open_clip, or transformers' CLIPModel, SiglipModel or BertModel (.safetensors), told
/// apart by the names of their tensors. `path` is the file, or a folder with model.safetensors or
/// open_clip_model.safetensors. Sizes come from shapes. What tensors do not say is taken from `given` (the caller's flags),
/// else from the metadata of a file that we wrote, else from the configuration files next to it.
///
///     const DualEncoderWeights weights = load_dual_encoder("clip/open_clip_model.safetensors", flags.facts());
///     TextTransformer text(std::get<TextTransformerConfig>(weights.config.text), Rng(0));
///
/// Throws one sentence that lists all missing, unexpected and misshapen tensors; that names the flag for everything that
/// nothing says; or that gives the command by which a PyTorch file is converted.
DualEncoderWeights load_dual_encoder(const std::string& path, const ModelFacts& given = {});

/// The same of a file that is read already: `facts` is all that is known, `name` the file's, for messages.
DualEncoderWeights dual_encoder_of(const Safetensors& file, const ModelFacts& facts, const std::string& name);

/// Writes a model into a folder: model.safetensors with config.json and preprocessor_config.json for transformers, or
/// open_clip_model.safetensors with open_clip_config.json. `tensors` are those of `tensor_shapes` by our names. The file's
/// metadata hold all that `load_dual_encoder` needs. Throws where the layout or its program has no such model.
void save_dual_encoder(const std::string& folder, const DualEncoderConfig& config, const TensorMap& tensors,
                       WeightLayout layout);

/// What a configuration knows and tensors do not say: the metadata of files that we write.
ModelFacts facts_of(const DualEncoderConfig& config);

/// The tensors of a model under the names of a layout, in the order of `tensor_shapes`.
NamedTensors tensors_in_layout(const DualEncoderConfig& config, const TensorMap& tensors, WeightLayout layout);

}  // namespace contrastive

#if !defined(CONTRASTIVE_COMPILED)
#include "contrastive/weights/load_parts.hpp"  // IWYU pragma: export
#include "contrastive/weights/save_parts.hpp"  // IWYU pragma: export
#endif
