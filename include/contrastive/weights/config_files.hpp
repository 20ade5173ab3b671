// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "contrastive/io/json.hpp"
#include "contrastive/weights/layouts.hpp"
#include "contrastive/weights/model_facts.hpp"

/// What the configuration files of published models say. A key that a file leaves out has the value that the program whose
/// file it is gives it; null counts as left out. All throw one sentence, with `name` for the file, on values of another
/// kind and on models that are not available here.
namespace contrastive {

/// open_clip_config.json (open_clip 3.3.0, model.py and transform.py: CLIPVisionCfg, CLIPTextCfg, PreprocessCfg).
ModelFacts facts_of_open_clip(const Json& config, std::string_view name);

/// config.json of transformers 5 with a model_type of clip, siglip or bert.
ModelFacts facts_of_hugging_face(const Json& config, std::string_view name);

/// preprocessor_config.json, or the member image_processor of processor_config.json.
ModelFacts facts_of_image_processor(const Json& config, std::string_view name);

/// tokenizer_config.json: cleaning and padding.
ModelFacts facts_of_tokenizer(const Json& config, std::string_view name);

/// 1_Pooling/config.json and sentence_bert_config.json of sentence-transformers: pooling and length.
ModelFacts facts_of_sentence_model(const Json& config, std::string_view name);

/// What we write into `__metadata__`, and back.
Json facts_to_json(const ModelFacts& facts);
ModelFacts facts_from_json(const Json& json, std::string_view name);

/// All that stands in the folder of a file of a layout; without a file next to it, nothing.
ModelFacts facts_next_to(const std::string& path, WeightLayout layout);

}  // namespace contrastive

#if !defined(CONTRASTIVE_COMPILED)
#include "contrastive/weights/config_files_parts.hpp"  // IWYU pragma: export
#endif
