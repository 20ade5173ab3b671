// SPDX-License-Identifier: MIT

// The CPU kernels, compiled once for all programs that link `contrastive::compiled`.
#define CONTRASTIVE_IMPLEMENTATION
#include "contrastive/kernels/cpu/backend.hpp"
