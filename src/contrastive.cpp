// SPDX-License-Identifier: MIT

// The CPU kernels and the similarity engine, compiled once for all programs that link `contrastive::compiled`.
#define CONTRASTIVE_IMPLEMENTATION
#include "contrastive/kernels/cpu/backend.hpp"
#include "contrastive/objectives/similarity/engine_parts.hpp"

template class contrastive::similarity::Engine<float>;
template class contrastive::similarity::Engine<double>;
template class contrastive::similarity::Engine<contrastive::bf16>;
