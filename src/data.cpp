// SPDX-License-Identifier: MIT

// Every data set, compiled once for all programs that link `contrastive::compiled`.
#define CONTRASTIVE_IMPLEMENTATION
#if __has_include(<nlohmann/json.hpp>)
#include "contrastive/data/open_parts.hpp"
#endif
