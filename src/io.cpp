// SPDX-License-Identifier: MIT

// Reading and writing JSON and safetensors, compiled once for all programs that link `contrastive::compiled`.
#define CONTRASTIVE_IMPLEMENTATION
#include "contrastive/io/json_parts.hpp"
#include "contrastive/io/safetensors_parts.hpp"
