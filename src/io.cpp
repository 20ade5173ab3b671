// SPDX-License-Identifier: MIT

// What reads and writes files, compiled once for all programs that link `contrastive::compiled`.
#define CONTRASTIVE_IMPLEMENTATION
#include "contrastive/io/png_parts.hpp"
#if __has_include(<nlohmann/json.hpp>)
#include "contrastive/io/json_parts.hpp"
#include "contrastive/io/safetensors_parts.hpp"
#endif
