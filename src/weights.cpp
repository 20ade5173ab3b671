// SPDX-License-Identifier: MIT

// What reads and writes published models, compiled once for all programs that link `contrastive::compiled`.
#define CONTRASTIVE_IMPLEMENTATION
#if __has_include(<nlohmann/json.hpp>)
#include "contrastive/weights/config_files_parts.hpp"
#include "contrastive/weights/load_parts.hpp"
#include "contrastive/weights/save_parts.hpp"
#endif
