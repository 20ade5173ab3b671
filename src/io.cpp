// SPDX-License-Identifier: MIT

// Reading and writing JSON, compiled once for all programs that link `contrastive::compiled`.
#define CONTRASTIVE_IMPLEMENTATION
#include "contrastive/io/json_parts.hpp"
